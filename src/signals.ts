// `runUntilSignal`: the last line of a service. Opt-in, because a library must not take over a process's signals by itself.
import { constants } from 'node:os';
import type { Consumer, StopReport } from './consumer.js';
import { isKinactError } from './errors.js';
import { checkMembers, kind, milliseconds, shaped } from './option-table.js';
import type { Kind } from './option-table.js';

export interface RunOptions {
  /** Default SIGTERM and SIGINT. */
  readonly signals?: readonly NodeJS.Signals[] | undefined;
  /** For draining, in milliseconds. Default 20,000. */
  readonly deadlineMs?: number | undefined;
}

const runKinds: Readonly<Record<keyof RunOptions, Kind<unknown>>> = {
  signals: kind('a list of signals of this system, at least one', (value) => {
    return Array.isArray(value) && value.length > 0 && value.every((name) => Object.hasOwn(constants.signals, name));
  }),
  deadlineMs: milliseconds(0),
};

/**
 * Starts the consumer and runs it until a signal comes: then drains, checkpoints and releases. Resolves with the report, with
 * `process.exitCode` 0 when everything was drained and 1 when not. A signal during the start ends the start; a second one
 * ends the process at once, with the exit code shells give to that signal.
 * @throws what `consumer.start()` and `consumer.closed` reject with; KinactError INVALID_OPTION.
 */
export async function runUntilSignal(consumer: Consumer, options: RunOptions = {}): Promise<StopReport> {
  shaped('a consumer, as createConsumer makes it', ['start', 'stop']).parse(consumer, 'consumer');
  checkMembers(runKinds, options);
  const { signals = ['SIGTERM', 'SIGINT'], deadlineMs = 20_000 } = options;
  let signalled = false;
  let wake = (): void => {};
  const asked = new Promise<void>((resolve) => (wake = resolve));
  const onSignal = (_: NodeJS.Signals, number: number): void => {
    if (signalled) process.exit(128 + number);
    signalled = true;
    wake();
  };
  for (const signal of signals) process.on(signal, onSignal);
  try {
    const ended = consumer.start().then(() => consumer.closed);
    const stopped = asked.then(() => consumer.stop({ deadlineMs }));
    // Whichever comes first: `start` rejects with STOPPED when the signal ended it, and that is no failure.
    await Promise.race([ended.catch((error: unknown) => ignoreWhen(signalled, error)), stopped]);
    const report = await (signalled ? stopped : consumer.stop({ deadlineMs }));
    process.exitCode = report.drained ? 0 : 1;
    return report;
  } finally {
    for (const signal of signals) process.off(signal, onSignal);
  }
}

function ignoreWhen(signalled: boolean, error: unknown): void {
  if (!(signalled && isKinactError(error) && error.code === 'STOPPED')) throw error;
}
