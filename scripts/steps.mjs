// What every script of this folder shares: running a program, telling the time it took, and the last word on stdout.
// With --json stdout is exactly one JSON object, so whatever a program prints goes to stderr then.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { performance } from 'node:perf_hooks';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const json = process.argv.includes('--json');
/** The arguments that are not ours. */
export const rest = process.argv.slice(2).filter((argument) => argument !== '--json');

/** The path of a program that a development dependency brings. */
export const bin = (name) => join(root, 'node_modules', '.bin', name);

/** True when `path`, relative to the root, is there. */
export const has = (path) => existsSync(join(root, path));

export const say = (line) => (json ? process.stderr : process.stdout).write(`${line}\n`);

/**
 * Runs a program to its end. Resolves to its exit code, and what it printed when `capture` is set. With `ownOutput` stdout
 * is the program's own, `--json` or not. With `passInterrupt` a Ctrl-C is the program's to answer, the first time. A program
 * still running after `limitMs` is killed with everything it started, and counts as failed. With `yields` it has a lower
 * priority than what runs beside it.
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
    // What only computes leaves the processors to what others wait for.
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
    // Its own process group does not get our Ctrl-C: pass it on.
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

/** Thrown by a step that failed; the message is the reason people read. */
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
 * Runs steps one after the other and stops at the first that fails. A step is `[name, work]`; `work` returns text or data
 * for the report, `{ skipped: reason }` when there is nothing to do yet.
 */
export async function runSteps(title, steps, summary = () => ({})) {
  const startedAt = performance.now();
  const done = [];
  let failed;
  for (const [name, work] of steps) {
    const from = performance.now();
    say(`── ${title}: ${name}`);
    try {
      const result = await work();
      const ms = Math.round(performance.now() - from);
      done.push({ name, ms, ...(result?.skipped ? { skipped: result.skipped } : {}) });
      say(`   ${name}: ${result?.skipped ? `skipped, ${result.skipped}` : `ok, ${seconds(ms)}`}`);
    } catch (error) {
      if (!(error instanceof StepFailed)) say(error.stack);
      failed = { name, reason: error.message };
      break;
    }
  }
  const ms = Math.round(performance.now() - startedAt);
  const extra = summary();
  const text = extra.text ? `${extra.text}, ` : '';
  // What is read of a long output is its end.
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
