// The program of `npm run bench`, which compares kinact with what people write by hand (wire/benchmark.ts has its options). `npm run bench
// -- hand-over` measures the cost of moving leases (--json, --rounds N, --picture FILE). `npm run bench -- retrieval` measures the latency
// of enhanced fan-out beside polling (--json, --puts N). `npm run bench -- shards` compares many streams and shards with few (--json,
// --records N, --seconds N, --runs N).
import { handOver } from './hand-over.js';
import { runHandOvers } from './hand-over-run.js';
import { manyShards } from './many-shards.js';
import { retrieval } from './retrieval.js';
import { benchmark } from './wire/benchmark.js';

const args = process.argv.slice(2);
const [what, ...rest] = args;
const output = {
  stdout: (text: string) => process.stdout.write(text),
  stderr: (text: string) => process.stderr.write(text),
};

process.exitCode =
  what === 'hand-over'
    ? await handOver(rest, runHandOvers, output)
    : what === 'shards'
      ? await manyShards(rest, output)
      : what === 'retrieval'
        ? await retrieval(rest, output)
        : await benchmark(args, output);
