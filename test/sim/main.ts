// npm run sim -- --seeds N [--from S] [--trace]: see run.ts for what one seed does.
import { parseArgs } from 'node:util';
import { runSeed } from './run.js';

const { values } = parseArgs({
  options: { seeds: { type: 'string' }, from: { type: 'string' }, trace: { type: 'boolean' } },
});
const count = Number(values.seeds ?? 10);
const from = Number(values.from ?? 1);
let violations = 0;
let faults = 0;
let checkpoints = 0;
for (let seed = from; seed < from + count; seed += 1) {
  const t0 = performance.now();
  const outcome = await runSeed(seed);
  faults += outcome.faults;
  checkpoints += outcome.checkpoints;
  violations += outcome.violations.length;
  if (values.trace === true || outcome.violations.length > 0) {
    console.log(
      `seed ${seed}: ${Math.round(performance.now() - t0)} ms, ${outcome.faults} faults (${outcome.hits} hits), ${outcome.checkpoints} checkpoints, ${outcome.deliveries} deliveries, hash ${outcome.hash}`,
    );
    for (const line of outcome.log) console.log(`   ${line}`);
    for (const { invariant, text } of outcome.violations.slice(0, 8)) console.log(`   VIOLATION ${invariant}: ${text}`);
  }
}
console.log(
  `sim: ${count} seeds from ${from}, ${violations} violations, ${faults} faults, ${checkpoints} checkpoints checked`,
);
process.exitCode = violations === 0 ? 0 : 1;
