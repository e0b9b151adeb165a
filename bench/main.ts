// The program of `npm run bench`, which compares kinact with the hand-written loop (--json, --records N, --runs N). With
// `npm run bench -- policies` it compares the default policy for failures with `crash`, where nothing fails (same options), and with
// `npm run bench -- hand-over` it measures the cost of moving leases (--json, --rounds N, --picture FILE). `npm run bench -- retrieval`
// measures the latency of enhanced fan-out beside polling (--json, --puts N). `npm run bench -- shards` compares many streams and shards
// with few (--json, --records N, --seconds N, --runs N). `npm run bench -- pipes 4` compares a pipe of four nodes with a reducer, and
// `npm run bench -- wire` compares kinact with loops over the SDK's client, deserialiser included (--json, --records N, --runs N).
import { bench } from './bench.js';
import type { Side } from './comparison.js';
import { handOver } from './hand-over.js';
import { runHandOvers } from './hand-over-run.js';
import { runKinact } from './kinact-side.js';
import { runLoop } from './loop-side.js';
import { manyShards } from './many-shards.js';
import { retrieval } from './retrieval.js';
import { wire } from './wire/wire.js';
import type { PlainPolicy } from '../src/api/failure-policy.js';

const args = process.argv.slice(2);
const [what, ...rest] = args;
const output = {
  stdout: (text: string) => process.stdout.write(text),
  stderr: (text: string) => process.stderr.write(text),
};
const kinact = (name: string, onFailure?: PlainPolicy): Side => ({
  name,
  run: (workload) => runKinact(workload, onFailure === undefined ? {} : { onFailure }),
});

const pipeOf = (nodes: number): Side => ({ name: `pipe ${nodes}`, run: (workload) => runKinact(workload, { nodes }) });

process.exitCode =
  what === 'hand-over'
    ? await handOver(rest, runHandOvers, output)
    : what === 'shards'
      ? await manyShards(rest, output)
      : what === 'wire'
        ? await wire(rest, output)
        : what === 'retrieval'
          ? await retrieval(rest, output)
          : what === 'pipes'
            ? await bench(rest.slice(1), [pipeOf(Number(rest[0] ?? 1)), kinact('reducer')], output)
            : what === 'policies'
              ? await bench(rest, [kinact('default'), kinact('crash', 'crash')], output)
              : await bench(args, [kinact('kinact'), { name: 'loop', run: runLoop }], output);
