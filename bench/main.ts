// The program of `npm run bench`, which compares kinact with the hand-written loop (--json, --records N, --runs N). With
// `npm run bench -- handover` it measures the cost of moving leases (--json, --rounds N, --picture FILE).
import { bench } from './bench.js';
import { handover } from './handover.js';
import { runHandovers } from './handover-run.js';
import { runKinact } from './kinact-side.js';
import { runLoop } from './loop-side.js';

const [what, ...rest] = process.argv.slice(2);
const output = {
  stdout: (text: string) => process.stdout.write(text),
  stderr: (text: string) => process.stderr.write(text),
};
process.exitCode =
  what === 'handover'
    ? await handover(rest, runHandovers, output)
    : await bench(
        process.argv.slice(2),
        [
          { name: 'kinact', run: runKinact },
          { name: 'loop', run: runLoop },
        ],
        output,
      );
