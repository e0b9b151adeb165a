// npm test: every test, the examples' own among them, but those of the package (they are in `npm run check`). Arguments narrow it: `npm test -- actors`
// runs what has `actors` in its path.
import { buildAll, buildDist } from './compile.mjs';
import { testLanes } from './lanes.mjs';
import { mochaSideBySide, testSummary } from './mocha.mjs';
import { rest, runSteps } from './steps.mjs';

async function tests() {
  const lanes = testLanes((file) => rest.every((part) => file.includes(part)));
  if (lanes.length === 0) return { skipped: 'there is none' };
  return mochaSideBySide(lanes);
}

await runSteps(
  'test',
  [
    ['build', buildDist],
    ['build all roots', buildAll],
    ['tests', tests],
  ],
  testSummary,
);
