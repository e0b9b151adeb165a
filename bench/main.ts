// The program of `npm run bench`, which compares kinact with the hand-written loop (--json, --records N, --runs N). With
// `npm run bench -- hand-over` it measures the cost of moving leases (--json, --rounds N, --picture FILE).
import { bench } from './bench.js';
import { handOver } from './hand-over.js';
import { runHandOvers } from './hand-over-run.js';
import { runKinact } from './kinact-side.js';
import { runLoop } from './loop-side.js';

const [what, ...rest] = process.argv.slice(2);
const output = {
  stdout: (text: string) => process.stdout.write(text),
  stderr: (text: string) => process.stderr.write(text),
};
process.exitCode =
  what === 'hand-over'
    ? await handOver(rest, runHandOvers, output)
    : await bench(
        process.argv.slice(2),
        [
          { name: 'kinact', run: runKinact },
          { name: 'loop', run: runLoop },
        ],
        output,
      );
