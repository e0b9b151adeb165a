// npm run check: everything a change must pass, the cheap before the dear.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildAll, buildDist } from './compile.mjs';
import { checkCoverage } from './coverage.mjs';
import { testLanes } from './lanes.mjs';
import { mocha, mochaSideBySide, testSummary } from './mocha.mjs';
import { bin, has, must, root, runSteps } from './steps.mjs';

const packed = mkdtempSync(join(tmpdir(), 'kinact-pack-'));
let tarball;

const entries = ['src/index.ts', 'src/testing/index.ts', 'supervision/index.ts', 'src/cli/main.ts'];

/** The package checks make sense once every file that package.json points to has a source. */
const packaged = (work) => () => {
  const missing = entries.filter((file) => !has(file));
  return missing.length === 0 ? work() : { skipped: `${missing.join(', ')} not written yet` };
};

async function pack() {
  await must('npm', ['pack', '--silent', '--pack-destination', packed], { capture: true });
  tarball = join(
    packed,
    readdirSync(packed).find((file) => file.endsWith('.tgz')),
  );
}

async function testsWithCoverage() {
  rmSync(join(root, 'coverage'), { recursive: true, force: true });
  // Loading every module first makes a file that no test touches count as uncovered. The processes that tests start count
  // too: much of the command line is tested in no other way.
  const [first, ...others] = testLanes();
  const lanes = [{ ...first, tests: ['--file', 'scripts/mocha/load-all.mjs', ...first.tests] }, ...others];
  try {
    await mochaSideBySide(lanes, { env: { NODE_V8_COVERAGE: join(root, 'coverage/tmp') } });
  } finally {
    await must(bin('c8'), ['report', '--config', '.c8rc.json']);
  }
  return checkCoverage();
}

try {
  await runSteps(
    'check',
    [
      ['format', () => must(bin('oxfmt'), ['--check'])],
      ['lint', () => must(bin('oxlint'))],
      ['build', buildDist],
      ['types, build of all roots', buildAll],
      ['tests and coverage', testsWithCoverage],
      ['pack', packaged(pack)],
      ['publint', packaged(() => must(bin('publint'), ['run', '--strict', tarball]))],
      ['attw', packaged(() => must(bin('attw'), [tarball, '--profile', 'esm-only', '--no-emoji']))],
      ['package tests', packaged(() => mocha(['.build/test/package/*.test.js'], { env: { KINACT_TARBALL: tarball } }))],
      ['knip', packaged(() => must(bin('knip'), ['--no-progress']))],
    ],
    testSummary,
  );
} finally {
  rmSync(packed, { recursive: true, force: true });
}
