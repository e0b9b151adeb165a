// npm test: runs every test, including those of the examples, except the package tests (`npm run check` runs those). Arguments
// select tests: `npm test -- actors` runs the tests with `actors` in their path.
import { buildAll } from './compile.mjs';
import { testGroups } from './test-groups.mjs';
import { mochaSideBySide, testSummary } from './mocha.mjs';
import { rest, runSteps } from './steps.mjs';

async function tests() {
  const groups = testGroups((file) => rest.every((part) => file.includes(part)));
  if (groups.length === 0) return { skipped: 'there is none' };
  return mochaSideBySide(groups);
}

await runSteps(
  'test',
  [
    ['build', buildAll],
    ['tests', tests],
  ],
  testSummary,
);
