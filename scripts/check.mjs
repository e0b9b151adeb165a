// npm run check: all checks that a change must pass, the quick ones first.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildAll } from './compile.mjs';
import { checkCoverage, coverageEnv, withEveryModule } from './coverage.mjs';
import { testGroups } from './test-groups.mjs';
import { mocha, mochaSideBySide, testSummary } from './mocha.mjs';
import { bin, must, rest, runSteps } from './steps.mjs';

const packed = mkdtempSync(join(tmpdir(), 'kinact-pack-'));
let tarball;

async function pack() {
  await must('npm', ['pack', '--silent', '--pack-destination', packed], { capture: true });
  tarball = join(
    packed,
    readdirSync(packed).find((file) => file.endsWith('.tgz')),
  );
}

/** With `--tested`, uses the coverage of the last `npm test -- --coverage` instead of running these tests again. */
async function testsWithCoverage() {
  if (!rest.includes('--tested')) await mochaSideBySide(withEveryModule(testGroups()), { env: coverageEnv() });
  await must(bin('c8'), ['report', '--config', '.c8rc.json']);
  return checkCoverage();
}

try {
  await runSteps(
    'check',
    [
      ['format', () => must(bin('oxfmt'), ['--check'])],
      ['lint', () => must(bin('oxlint'))],
      ['types and build', buildAll],
      ['tests and coverage', testsWithCoverage],
      ['pack', pack],
      ['publint', () => must(bin('publint'), ['run', '--strict', tarball])],
      ['attw', () => must(bin('attw'), [tarball, '--profile', 'esm-only', '--no-emoji'])],
      ['package tests', () => mocha(['.build/test/package/*.test.js'], { env: { KINACT_TARBALL: tarball } })],
      ['knip', () => must(bin('knip'), ['--no-progress'])],
    ],
    testSummary,
  );
} finally {
  rmSync(packed, { recursive: true, force: true });
}
