// Loggers of an application whose log has no room left, in the ways in which that reaches a library: a call that throws, a
// stream that fails behind the call, and `console` on a stderr that is such a file.
import { Console } from 'node:console';
import { createWriteStream, openSync, writeSync } from 'node:fs';
import type { Logger } from '../../src/index.js';

/** Every write to it fails with ENOSPC. */
export const fullDevice = '/dev/full';

export type LogTarget =
  /** Writes by itself, and throws what the write throws. */
  | 'throws'
  /** A `Console` over a file stream, whose failures come later, as events. */
  | 'stream'
  /** A `Console` over this process's stderr, which its parent process makes that device. */
  | 'stderr'
  /** The same, and nobody listens to the errors of stderr: for Node a reason to end the process. */
  | 'stderr, unheard';

/** `failed` is called with the first that a stream says of itself, where somebody listens. */
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
