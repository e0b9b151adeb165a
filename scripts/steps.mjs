// The functions that the scripts of this folder share: they run programs and steps, and print the times and the last line.
// With --json, stdout gets exactly one JSON object, and all other output goes to stderr.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { performance } from 'node:perf_hooks';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const json = process.argv.includes('--json');
/** The arguments without --json. */
export const rest = process.argv.slice(2).filter((argument) => argument !== '--json');

/** The path of a program that a development dependency installs. */
export const bin = (name) => join(root, 'node_modules', '.bin', name);

/** Whether `path`, relative to the root, exists. */
export const has = (path) => existsSync(join(root, path));

export const say = (line) => (json ? process.stderr : process.stdout).write(`${line}\n`);

/**
 * Runs a program to its end. Resolves to the exit code and, with `capture`, the output. With `ownOutput` the program writes to
 * stdout even under `--json`. With `passInterrupt` the program gets the first Ctrl-C; otherwise a Ctrl-C kills it. A program that
 * still runs after `limitMs` is killed with all processes that it started, and counts as failed. With `yields` it runs at low
 * priority.
 */
export function run(
  command,
  args = [],
  {
    capture = false,
    ownOutput = false,
    env = {},
    limitMs = 600_000,
    cwd = root,
    passInterrupt = false,
    yields = false,
  } = {},
) {
  return new Promise((resolve, reject) => {
    const output = capture ? 'pipe' : json && !ownOutput ? 2 : 'inherit';
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', output, capture ? 'pipe' : 'inherit'],
      detached: true,
    });
    // A program that only computes must not delay programs that others wait for.
    if (yields && child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
    const stop = () => {
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // Already gone.
      }
    };
    let printed = '';
    let late = false;
    child.stdout?.on('data', (chunk) => (printed += chunk));
    child.stderr?.on('data', (chunk) => (printed += chunk));
    const timer = setTimeout(() => {
      late = true;
      stop();
    }, limitMs);
    // The program has its own process group, which does not get our Ctrl-C: pass it on.
    let waits = passInterrupt;
    const interrupted = (signal) => {
      if (waits) {
        waits = false;
        process.kill(-child.pid, signal);
        return;
      }
      stop();
      process.exit(130);
    };
    process.on('SIGINT', interrupted).on('SIGTERM', interrupted);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
      if (late) say(`${command} was still running after ${limitMs / 1000} s and was killed`);
      resolve({ code: late ? 124 : (code ?? 1), signal, printed });
    });
  });
}

/** Thrown by a step that fails. The last line shows the message as the reason. */
export class StepFailed extends Error {}

/** Runs a program as (part of) a step: a non-zero exit fails the step. */
export async function must(command, args, options) {
  const { code, printed } = await run(command, args, options);
  if (code === 0) return printed;
  if (printed !== '') say(printed.trimEnd());
  throw new StepFailed(`exit code ${code}`);
}

const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

/**
 * Runs steps one after the other and stops at the first that fails. A step is `[name, work]`. `work` may return
 * `{ skipped: reason }` if there is nothing to do. A step `{ sideBySide: [steps, steps, …] }` runs several such lists at the same
 * time. If one list fails, the others still run to their ends.
 */
export async function runSteps(title, steps, summary = () => ({})) {
  const startedAt = performance.now();
  const done = [];
  let failed;
  const runStep = async ([name, work]) => {
    const from = performance.now();
    say(`── ${title}: ${name}`);
    try {
      const result = await work();
      const ms = Math.round(performance.now() - from);
      done.push({ name, ms, ...(result?.skipped ? { skipped: result.skipped } : {}) });
      say(`   ${name}: ${result?.skipped ? `skipped, ${result.skipped}` : `ok, ${seconds(ms)}`}`);
      return true;
    } catch (error) {
      say(error instanceof StepFailed ? `   ${name}: FAILED, ${error.message}` : error.stack);
      failed ??= { name, reason: error.message };
      return false;
    }
  };
  const runList = async (list) => {
    for (const step of list) {
      const ends = 'sideBySide' in step ? await Promise.all(step.sideBySide.map(runList)) : [await runStep(step)];
      if (ends.includes(false)) return false;
    }
    return true;
  };
  await runList(steps);
  const ms = Math.round(performance.now() - startedAt);
  const extra = summary();
  const text = extra.text ? `${extra.text}, ` : '';
  // These lines come last, because people read only the end of a long output.
  for (const each of extra.lines ?? []) say(each);
  const skipped = done.filter((step) => step.skipped).length;
  const counts = `${done.length - skipped} steps${skipped === 0 ? '' : `, ${skipped} skipped`}`;
  const line =
    failed === undefined
      ? `${title}: ok, ${text}${counts} in ${seconds(ms)}`
      : `${title}: FAILED at ${failed.name} (${failed.reason}), ${text}${seconds(ms)}`;
  if (json)
    console.log(JSON.stringify({ ok: failed === undefined, line, ms, steps: done, failedAt: failed, ...extra.data }));
  else console.log(line);
  process.exitCode = failed === undefined ? 0 : 1;
}
