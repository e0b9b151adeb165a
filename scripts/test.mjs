// npm test: runs every test, including those of the examples, except the package tests (`npm run check` runs those). Arguments
// select tests: `npm test -- actors` runs the tests with `actors` in their path. With `--coverage` it records the coverage, for
// `npm run check -- --tested`.
import { buildAll } from './compile.mjs';
import { coverageEnv, withEveryModule } from './coverage.mjs';
import { testGroups } from './test-groups.mjs';
import { mochaSideBySide, testSummary } from './mocha.mjs';
import { rest, runSteps } from './steps.mjs';

async function tests() {
  const parts = rest.filter((part) => part !== '--coverage');
  const groups = testGroups((file) => parts.every((part) => file.includes(part)));
  if (groups.length === 0) return { skipped: 'there is none' };
  if (!rest.includes('--coverage')) return mochaSideBySide(groups);
  return mochaSideBySide(withEveryModule(groups), { env: coverageEnv() });
}

await runSteps(
  'test',
  [
    ['build', buildAll],
    ['tests', tests],
  ],
  testSummary,
);
