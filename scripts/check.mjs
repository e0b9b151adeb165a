// npm run check: all checks that a change must pass. Beside the tests, which mostly wait, run the checks that need no test.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildAll } from './compile.mjs';
import { checkCoverage, recordingCoverage } from './coverage.mjs';
import { testGroups } from './test-groups.mjs';
import { mocha, mochaSideBySide, testSummary, totals } from './mocha.mjs';
import { bin, must, run, runSteps, say, StepFailed } from './steps.mjs';

const packed = mkdtempSync(join(tmpdir(), 'kinact-pack-'));
let tarball;

/** Runs a program that only computes, and shows its output if it fails. */
const computes = (name, ...args) => must(bin(name), args, { capture: true, yields: true });

async function pack() {
  await must('npm', ['pack', '--silent', '--pack-destination', packed], { capture: true });
  tarball = join(
    packed,
    readdirSync(packed).find((file) => file.endsWith('.tgz')),
  );
}

const packageTests = () =>
  mocha(['.build/test/package/*.test.js'], { env: { KINACT_TARBALL: tarball }, capture: true, yields: true });

/** The demo counts as one test: no record is lost, and each of at least 20,000 is seen. */
async function demo() {
  const { code, printed } = await run('npm', ['start', '--silent'], { capture: true, yields: true, limitMs: 300_000 });
  const last = printed.trimEnd().split('\n').at(-1);
  const [, written, seen] =
    /^verdict: ([0-9,]+) written, ([0-9,]+) seen, 0 lost, [0-9,]+ delivered more than once$/.exec(last) ?? [];
  if (code === 0 && written !== undefined && written === seen && Number(written.replaceAll(',', '')) >= 20_000) {
    totals.passed += 1;
    return;
  }
  say(printed);
  totals.failed += 1;
  throw new StepFailed(`exit code ${code}, last line: ${last}`);
}

async function coverage() {
  await must(bin('c8'), ['report', '--config', '.c8rc.json']);
  checkCoverage();
}

try {
  await runSteps(
    'check',
    [
      ['format', () => must(bin('oxfmt'), ['--check'])],
      ['types and build', buildAll],
      {
        sideBySide: [
          [['tests', () => mochaSideBySide(recordingCoverage(testGroups()))]],
          [
            ['lint', () => computes('oxlint')],
            ['pack', pack],
            ['package tests', packageTests],
            ['publint', () => computes('publint', 'run', '--strict', tarball)],
            ['attw', () => computes('attw', tarball, '--profile', 'esm-only', '--no-emoji')],
            ['knip', () => computes('knip', '--no-progress')],
            ['demo', demo],
          ],
        ],
      },
      ['coverage', coverage],
    ],
    testSummary,
  );
} finally {
  rmSync(packed, { recursive: true, force: true });
}
