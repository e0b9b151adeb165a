// What `npm run bench` runs: kinact against the hand-written loop. Arguments: --json, --records N, --runs N.
import { bench } from './bench.js';
import { runKinact } from './kinact-side.js';
import { runLoop } from './loop-side.js';

process.exitCode = await bench(
  process.argv.slice(2),
  [
    { name: 'kinact', run: runKinact },
    { name: 'loop', run: runLoop },
  ],
  { stdout: (text) => process.stdout.write(text), stderr: (text) => process.stderr.write(text) },
);
