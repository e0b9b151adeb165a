// `runUntilSignal`: the last line of a service. It is opt-in, because a library must not take over the signals of a process, or
// its last output.
import { isMainThread } from 'node:worker_threads';
import type { Consumer, StopReport } from './consumer.js';
import { sameStopMs, stopSignals } from '../core/stop-signal.js';
import { errorReport } from './error-report.js';
import { isKinactError } from '../api/errors.js';
import type { RunOptions } from '../api/options.js';
import { resolveTable, shaped } from '../options/option-table.js';
import { runTable } from '../options/stop-option-tables.js';

/**
 * Starts the consumer and runs it until a signal comes. Then it drains, checkpoints and releases. Resolves with the report;
 * `process.exitCode` is 0 if everything was drained, otherwise 1. A signal during the start ends the start.
 *
 * Signals within 2 s of the first ask for the same stop, because `timeout`, npm and terminals send several. A later signal ends the
 * process at once, with the exit code that shells give to that signal. A SIGQUIT among `signals` that follows a weaker signal
 * does so even within the 2 s.
 *
 * If the promise rejects, `process.exitCode` is 1. A KinactError that the application does not catch is printed in a few lines: code,
 * message, causes and what to do.
 *
 * @throws the errors that `consumer.start()` and `consumer.closed` reject with; KinactError INVALID_OPTION.
 */
export async function runUntilSignal(consumer: Consumer, options: RunOptions = {}): Promise<StopReport> {
  shaped('a consumer made by createConsumer', ['start', 'stop']).parse(consumer, 'consumer');
  const { signals, deadlineMs } = resolveTable(runTable, options, '');
  const judge = stopSignals(() => performance.now());

  let signalled = false;
  let wake = (): void => {};
  const signalReceived = new Promise<void>((resolve) => (wake = resolve));

  const onSignal = (signal: NodeJS.Signals, number: number): void => {
    if (judge(signal) === 'atOnce') process.exit(128 + number);
    signalled = true;
    wake();
  };
  const unlisten = (): void => {
    for (const signal of signals) process.off(signal, onSignal);
  };
  for (const signal of signals) process.on(signal, onSignal);

  try {
    const ended = consumer.start().then(() => consumer.closed);
    const stopped = signalReceived.then(() => consumer.stop({ deadlineMs }));
    // If the signal ends the start, `start` rejects with STOPPED. That is not a failure.
    await Promise.race([ended.catch((error: unknown) => ignoreWhen(signalled, error)), stopped]);
    const report = await (signalled ? stopped : consumer.stop({ deadlineMs }));
    process.exitCode = report.drained ? 0 : 1;
    return report;
  } catch (error) {
    process.exitCode = 1;
    tellWhenUncaught(error);
    throw error;
  } finally {
    // After a quick drain, the second signal of the same stop may still be on its way.
    if (signalled) setTimeout(unlisten, sameStopMs).unref();
    else unlisten();
  }
}

function ignoreWhen(signalled: boolean, error: unknown): void {
  if (!(signalled && isKinactError(error) && error.code === 'STOPPED')) throw error;
}

/** Errors that `runUntilSignal` has rejected with. */
const rejected = new WeakSet<object>();

/** Only for errors of kinact. For any other error people need the stack, and Node prints it. */
function tellWhenUncaught(error: unknown): void {
  if (!isMainThread || !isKinactError(error)) return;
  rejected.add(error);
  if (!process.listeners('uncaughtExceptionMonitor').includes(onUncaught)) {
    process.on('uncaughtExceptionMonitor', onUncaught);
  }
}

function onUncaught(error: unknown): void {
  if (!isKinactError(error) || !rejected.has(error)) return;
  // The application has its own handler of uncaught errors.
  if (process.listenerCount('uncaughtException') > 0 || process.hasUncaughtExceptionCaptureCallback()) return;
  process.stderr.write(`${errorReport(error).join('\n')}\n`);
  process.exit(1);
}
