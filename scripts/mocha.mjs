// Runs mocha on compiled tests and adds up what its reporter wrote (scripts/mocha/reporter.cjs).
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bin, run, StepFailed } from './steps.mjs';

export const totals = { passed: 0, failed: 0, skipped: 0, failures: [] };

/** `tests`: mocha's arguments; `prefix`: a program to run it under. A group without any test is no failure. */
export async function mocha(tests, { prefix = [], env = {}, limitMs = 1_500_000 } = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'kinact-mocha-'));
  const summary = join(directory, 'summary.json');
  try {
    const [command, ...args] = [...prefix, bin('mocha'), '--reporter', 'scripts/mocha/reporter.cjs', ...tests];
    const { code } = await run(command, args, { env: { ...env, KINACT_TEST_SUMMARY: summary }, limitMs });
    const counts = readSummary(summary);
    if (counts === undefined) throw new StepFailed(`mocha ended with exit code ${code} before it had run the tests`);
    totals.passed += counts.passed;
    totals.failed += counts.failed;
    totals.skipped += counts.skipped;
    totals.failures.push(...counts.failures);
    if (counts.failed > 0) throw new StepFailed(`${counts.failed} failed`);
    if (code !== 0) throw new StepFailed(`all tests passed, but mocha ended with exit code ${code}`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function readSummary(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

export const testSummary = () => ({
  lines: totals.failures.map(({ test, message }) => `failed test: ${test}: ${message.split('\n')[0]}`),
  text: `${totals.passed} passed, ${totals.failed} failed${totals.skipped === 0 ? '' : `, ${totals.skipped} skipped`}`,
  data: totals,
});
