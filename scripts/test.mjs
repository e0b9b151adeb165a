// npm test: every test, the examples' own among them, but those of the package (they are in `npm run check`). Arguments narrow it: `npm test -- actors`
// runs what has `actors` in its path.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { buildAll, buildDist } from './compile.mjs';
import { mocha, testSummary } from './mocha.mjs';
import { rest, root, runSteps } from './steps.mjs';

/** Slow or in need of a network of processes: after the others, in a mocha process of their own. */
const isIntegration = (file) => /^test\/(integration|integrity|cli|demo)\//.test(file);
const isOfThePackage = (file) => file.startsWith('test/package/');

function testFiles() {
  const below = (place) =>
    readdirSync(join(root, '.build', place), { recursive: true }).map(
      (file) => `${place}/${file.replaceAll('\\', '/')}`,
    );
  return [...below('test'), ...below('examples')]
    .filter((file) => file.endsWith('.test.js') && !isOfThePackage(file) && rest.every((part) => file.includes(part)))
    .toSorted((one, other) => (one < other ? -1 : 1));
}

const group = (name, belongs) => [
  name,
  async () => {
    const files = testFiles().filter(belongs);
    if (files.length === 0) return { skipped: 'there is none' };
    return mocha(files.map((file) => `.build/${file}`));
  },
];

await runSteps(
  'test',
  [
    ['build', buildDist],
    ['build all roots', buildAll],
    group('unit and property tests', (file) => !isIntegration(file)),
    group('integration tests', isIntegration),
  ],
  testSummary,
);
