#!/usr/bin/env node
// The `kinact` process: its streams, signals and exit code. command-line.ts runs the command.
import { stopSignals } from '../core/stop-signal.js';
import { say } from './command.js';
import { isClosedPipe } from './record-lines.js';
import { run } from './command-line.js';

// The SDK's notice about future Node versions is for people who install packages. It would appear between our own lines.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

/** How long a pipe without a reader may delay the exit. */
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
// Without stdout the command has nothing left to do. If the reader has gone, it ends as on SIGTERM. Any other error, such as a
// full disk, is a failure.
let outputError: Error | undefined;
process.stdout.on('error', (error) => {
  if (!isClosedPipe(error)) outputError = error;
  stopping.abort();
});
process.stderr.on('error', () => undefined);

const { stdin, stdout, stderr, env } = process;
let code = await run(process.argv.slice(2), { stdin, stdout, stderr, env, signal: stopping.signal }, restoreSignals);
if (outputError !== undefined) {
  if (code === 0) say({ stderr }, `OUTPUT: cannot write to stdout (${outputError.message}); the output is incomplete`);
  code = 1;
}
process.exitCode = code;
// Unread input does not delay the exit. Unwritten output does, at most for `lastWordsMs`.
stdin.destroy();
// The second signal of one stop request may come only now. It must not change a clean exit.
if (!stopping.signal.aborted) restoreSignals();
setTimeout(() => process.exit(code), lastWordsMs).unref();
