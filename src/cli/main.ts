#!/usr/bin/env node
// The command `kinact` as a process: its streams, signals and exit code. What it does is in run.ts.
import { stopSignals } from '../core/stop-signal.js';
import { say } from './command.js';
import { isClosedPipe } from './record-lines.js';
import { run } from './run.js';

// The SDK's notice about future Node versions is for people who install packages, and would stand between our own
// lines.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

/** How long a pipe that nobody reads may hold up the end. */
const lastWordsMs = 2_000;

const stopping = new AbortController();
const judge = stopSignals(() => performance.now());
const onSignal = (signal: NodeJS.Signals, number: number): void => {
  if (judge(signal) === 'atOnce') process.exit(128 + number);
  stopping.abort();
};

function restoreSignals(): void {
  process.off('SIGTERM', onSignal).off('SIGINT', onSignal);
}

process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
// Without stdout there is nothing left to do. A reader that went away ends the command as SIGTERM does; a full disk is
// a failure.
let outputError: Error | undefined;
process.stdout.on('error', (error) => {
  if (!isClosedPipe(error)) outputError = error;
  stopping.abort();
});
process.stderr.on('error', () => undefined);

const { stdin, stdout, stderr, env } = process;
let code = await run(process.argv.slice(2), { stdin, stdout, stderr, env, signal: stopping.signal }, restoreSignals);
if (outputError !== undefined) {
  if (code === 0) say({ stderr }, `OUTPUT: stdout cannot be written (${outputError.message}); not everything came out`);
  code = 1;
}
process.exitCode = code;
// What is still to be read is not waited for. What is still to be written is, unless nobody reads it.
stdin.destroy();
// A signal that comes twice may come a second time only now: it must not turn a clean end into another one.
if (!stopping.signal.aborted) restoreSignals();
setTimeout(() => process.exit(code), lastWordsMs).unref();
