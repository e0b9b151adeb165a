// Runs mocha on compiled tests and adds up the counts that its reporter writes (scripts/mocha/reporter.cjs).
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { bin, root, run, say, StepFailed } from './steps.mjs';
import { lanes } from './test-groups.mjs';

/** @type {{ test: string, message: string }[]} */
const failures = [];
export const totals = { passed: 0, failed: 0, skipped: 0, failures };
/** @type {(readonly [file: string, ms: number])[]} */
const files = [];

/**
 * Runs mocha with `tests` as its arguments, and with `env` added to the environment. With `capture`, its output is shown when it
 * ends. With `yields`, it runs at low priority. A run without any test does not fail.
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
 * Runs each of `groups` ({ name, tests, lane, env }) in its own mocha process, in this order: a group starts when its lane has room.
 * The first group shows its output at once, each other group at its end.
 */
export async function mochaSideBySide(groups) {
  const broken = [];
  const isComputing = ({ lane }) => lane === 'computing';
  const yielding = !groups.every(isComputing);
  const runNext = async (queue) => {
    for (let group = queue.shift(); group !== undefined; group = queue.shift()) {
      const { tests, env } = group;
      const how = { env, yields: yielding && isComputing(group), capture: group !== groups[0] };
      const reason = await mocha(tests, how).catch((error) => error);
      if (reason !== undefined) broken.push({ name: group.name, reason });
    }
  };
  const runLane = ([lane, room]) => {
    const queue = groups.filter((group) => group.lane === lane);
    return Promise.all(Array.from({ length: room }, () => runNext(queue)));
  };
  await Promise.all(Object.entries(lanes).map(runLane));
  const unknown = broken.find(({ reason }) => !(reason instanceof StepFailed));
  if (unknown !== undefined) throw unknown.reason;
  if (broken.length > 0)
    throw new StepFailed(broken.map(({ name, reason }) => `${name}: ${reason.message}`).join('; '));
}

function readSummary(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** The first and last line of a long message: the subject, and the end of the difference. */
const ends = (message) => {
  const lines = message.split('\n');
  return lines.length < 2 ? message : `${lines[0]} ... ${lines.at(-1)}`;
};

/** The slowest files. A run of few files lists none. */
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
