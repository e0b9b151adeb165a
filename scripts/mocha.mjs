// Runs mocha on compiled tests and adds up what its reporter wrote (scripts/mocha/reporter.cjs).
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { bin, root, run, say, StepFailed } from './steps.mjs';

/** @type {{ test: string, message: string }[]} */
const failures = [];
export const totals = { passed: 0, failed: 0, skipped: 0, failures };
/** @type {(readonly [file: string, ms: number])[]} */
const files = [];

/**
 * Runs mocha with `tests` as its arguments; `env`: more environment; `capture`: what it prints is shown when it ends; `yields`:
 * others beside it go first. A run without any test is no failure.
 */
export async function mocha(tests, { env = {}, capture = false, yields = false, limitMs = 2_400_000 } = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'kinact-mocha-'));
  const summary = join(directory, 'summary.json');
  try {
    const args = ['--reporter', 'scripts/mocha/reporter.cjs', ...tests];
    const { code, printed } = await run(bin('mocha'), args, {
      env: { ...env, KINACT_TEST_SUMMARY: summary },
      capture,
      yields,
      limitMs,
    });
    if (capture) say(printed);
    const counts = readSummary(summary);
    if (counts === undefined) throw new StepFailed(`mocha ended with exit code ${code} before it had run the tests`);
    totals.passed += counts.passed;
    totals.failed += counts.failed;
    totals.skipped += counts.skipped;
    totals.failures.push(...counts.failures);
    files.push(...counts.files);
    if (counts.failed > 0) throw new StepFailed(`${counts.failed} failed`);
    if (code !== 0) throw new StepFailed(`all tests passed, but mocha ended with exit code ${code}`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/**
 * Runs each of `groups` ({ name, tests, yields, lane }) in a mocha process of its own, all at once but for those of one lane, which come
 * one after the other. The first shows what it prints at once.
 */
export async function mochaSideBySide(groups, options = {}) {
  const lanes = new Map();
  const ends = await Promise.allSettled(
    groups.map(({ name, tests, yields, lane = name }, place) => {
      const before = lanes.get(lane) ?? Promise.resolve();
      const run = before.then(() => mocha(tests, { ...options, yields, capture: place > 0 }));
      lanes.set(
        lane,
        run.catch(() => {}),
      );
      return run;
    }),
  );
  const broken = ends.flatMap(({ reason }, place) => (reason === undefined ? [] : [{ reason, group: groups[place] }]));
  const unknown = broken.find(({ reason }) => !(reason instanceof StepFailed));
  if (unknown !== undefined) throw unknown.reason;
  if (broken.length > 0)
    throw new StepFailed(broken.map(({ reason, group }) => `${group.name}: ${reason.message}`).join('; '));
}

function readSummary(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** A long message has the subject at its head and the difference at its end. */
const ends = (message) => {
  const lines = message.split('\n');
  return lines.length < 2 ? message : `${lines[0]} ... ${lines.at(-1)}`;
};

/** Where the time goes; a run of a few files says it without. */
function slowestFiles() {
  if (files.length < 50) return [];
  const lines = files
    .toSorted(([, one], [, other]) => other - one)
    .slice(0, 15)
    .map(([file, ms]) => `   ${(ms / 1000).toFixed(1).padStart(6)} s  ${relative(join(root, '.build'), file)}`);
  return ['slowest files:', ...lines];
}

export const testSummary = () => ({
  lines: [...slowestFiles(), ...failures.map(({ test, message }) => `failed test: ${test}: ${ends(message)}`)],
  text: `${totals.passed} passed, ${totals.failed} failed${totals.skipped === 0 ? '' : `, ${totals.skipped} skipped`}`,
  data: totals,
});
