// Runs mocha on compiled tests and adds up the counts that its reporter writes (scripts/mocha/reporter.cjs).
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { performance } from 'node:perf_hooks';
import { bin, root, run, say, StepFailed } from './steps.mjs';
import { lanes } from './test-groups.mjs';

/** @type {{ test: string, message: string }[]} */
const failures = [];
export const totals = { passed: 0, failed: 0, skipped: 0, failures };
/** @type {(readonly [file: string, ms: number])[]} */
const files = [];
/** When each group ran, in milliseconds from the start of the first: shows where a lane waits for another at the end. */
const spans = [];

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
 * Lanes: `computing` and `waiting` (scripts/test-groups.mjs).
 * The first group shows its output at once, each other group at its end.
 */
export async function mochaSideBySide(groups) {
  const broken = [];
  const startedAt = performance.now();
  const isComputing = ({ lane }) => lane === 'computing';
  const yielding = !groups.every(isComputing);
  const runNext = async (queue) => {
    for (let group = queue.shift(); group !== undefined; group = queue.shift()) {
      const { tests, env } = group;
      const how = { env, yields: yielding && isComputing(group), capture: group !== groups[0] };
      const from = performance.now() - startedAt;
      const reason = await mocha(tests, how).catch((error) => error);
      spans.push({
        name: `${group.lane}: ${group.name}, ${tests.length} files`,
        from,
        to: performance.now() - startedAt,
      });
      if (reason !== undefined) broken.push({ name: group.name, reason });
    }
  };
  const queueOf = (lane) => groups.filter((group) => group.lane === lane);
  const runLane = (lane, queue) => Promise.all(Array.from({ length: lanes[lane] }, () => runNext(queue)));
  const waiting = queueOf('waiting');
  // Once nothing computes, the processors have room for two more that wait.
  const computed = runLane('computing', queueOf('computing')).then(() =>
    Promise.all([runNext(waiting), runNext(waiting)]),
  );
  await Promise.all([computed, runLane('waiting', waiting)]);
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

/** The groups in the order of their ends. A run of few files lists none. */
function timesOfGroups() {
  if (files.length < 50) return [];
  const inSeconds = (ms) => (ms / 1000).toFixed(0).padStart(4);
  return ['groups:', ...spans.map(({ name, from, to }) => `   ${inSeconds(from)} to ${inSeconds(to)} s  ${name}`)];
}

export const testSummary = () => ({
  lines: [
    ...slowestFiles(),
    ...timesOfGroups(),
    ...failures.map(({ test, message }) => `failed test: ${test}: ${ends(message)}`),
  ],
  text: `${totals.passed} passed, ${totals.failed} failed${totals.skipped === 0 ? '' : `, ${totals.skipped} skipped`}`,
  data: totals,
});
