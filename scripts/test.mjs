// npm test: every test, the examples' own among them, but those of the package (they are in `npm run check`). Arguments narrow it:
// `npm test -- actors` runs what has `actors` in its path. With `--coverage` it leaves to `npm run check -- --tested` what was covered.
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
