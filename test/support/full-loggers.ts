// Loggers of an application whose log has no room left, in the ways in which that reaches a library: pino, whose call
// throws; a stream that fails behind the call; and `console` on a stderr that is such a file.
import { Console } from 'node:console';
import { createWriteStream } from 'node:fs';
import { destination, pino } from 'pino';
import type { Logger } from '../../src/index.js';

/** Every write to it fails with ENOSPC. */
export const fullDevice = '/dev/full';

export type LogTarget =
  /** As it comes: it writes at once, and throws what the write throws. */
  | 'pino'
  /** A `Console` over a file stream, whose failures come later, as events. */
  | 'stream'
  /** A `Console` over this process's stderr, which whoever starts it makes that device. */
  | 'stderr';

export function loggerTo(target: LogTarget): Logger {
  if (target === 'pino') return pino({ level: 'debug' }, destination(fullDevice));
  return new Console(target === 'stderr' ? process.stderr : createWriteStream(fullDevice));
}
