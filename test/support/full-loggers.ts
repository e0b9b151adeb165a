// Loggers of an application with a full log device. A library can meet this in three ways: a call that throws, a stream that fails after
// the call, or `console` on a stderr that is a full device.
import { Console } from 'node:console';
import { createWriteStream, openSync, writeSync } from 'node:fs';
import type { Logger } from '../../src/index.js';

/** Every write to it fails with ENOSPC. */
export const fullDevice = '/dev/full';

export type LogTarget =
  /** Writes synchronously, and throws the error of the write. */
  | 'throws'
  /** A `Console` over a file stream. Its failures come later, as events. */
  | 'stream'
  /** A `Console` over this process's stderr, for which the parent process uses the full device. */
  | 'stderr'
  /** The same, but without a listener to the errors of stderr. Node then ends the process. */
  | 'stderr, unheard';

/** `failed` is called with the first error of the stream, unless the target is 'stderr, unheard'. */
export function loggerTo(target: LogTarget, failed: (error: Error) => void): Logger {
  if (target !== 'throws') {
    const stream = target === 'stream' ? createWriteStream(fullDevice) : process.stderr;
    if (target !== 'stderr, unheard') stream.once('error', failed).on('error', () => {});
    return new Console(stream);
  }
  const file = openSync(fullDevice, 'w');
  const line = (fields: object, message: string): void =>
    void writeSync(file, `${message} ${Object.keys(fields).join()}\n`);
  return { debug: line, info: line, warn: line, error: line };
}
