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
  /** `console.error` for everything: as good or bad as this process's stderr. */
  | 'stderr';

export function loggerTo(target: LogTarget): Logger {
  if (target === 'stderr') return new Console(process.stderr, process.stderr);
  if (target === 'stream') return new Console(createWriteStream(fullDevice));
  const file = openSync(fullDevice, 'w');
  const line = (fields: object, message: string): void => void writeSync(file, `${message} ${Object.keys(fields)}\n`);
  return { debug: line, info: line, warn: line, error: line };
}
