// The shape of a logger: `pino()`, `console` and any wrapper of the same shape will do. kinact logs nothing unless it is given
// one. A logger that throws, or rejects, is counted and never harms the work that it was to report.
import { callGuarded } from '../core/callback.js';
import { visible } from '../core/visible.js';

/** One line: fields first, then the message, as pino takes them. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export type LogLevel = keyof Logger;

const nothing = (): void => {};

/** The default logger, which logs nothing. */
export const silentLogger: Logger = Object.freeze({ debug: nothing, info: nothing, warn: nothing, error: nothing });

/**
 * Wraps a logger so that it cannot throw, each line has `fields`, and no text is raw. `failed` gets the errors that the wrapped
 * logger throws; it must not log.
 */
export function guardLogger(logger: Logger, fields: object, failed: (error: unknown) => void): Logger {
  if (logger === silentLogger) return silentLogger;
  const line =
    (level: LogLevel) =>
    (more: object, message: string): void => {
      callGuarded(() => logger[level](shown({ ...fields, ...more }), message) as unknown, failed);
    };
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
}

/**
 * A log line is for people: shard ids, keys and owners may hold anything. Nested values (errors) are for the logger to
 * print.
 */
function shown(fields: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? visible(value) : value]),
  );
}
