// The interface of a logger: `pino()`, `console` and any wrapper with the same methods fit. default-logger.ts has the default.
// A logger that throws or rejects is counted, and has no other effect.
import { callGuarded } from '../core/callback.js';
import { visible } from '../core/visible.js';

/** Each method writes one line. The fields come first, then the message, as in pino. */
export interface Logger {
  /** What helps to follow a consumer step by step, such as checkpoints. */
  debug(fields: object, message: string): void;
  /** What happens in a healthy consumer, such as leases that are taken. */
  info(fields: object, message: string): void;
  /** What a person should look at if it comes often, such as failed calls. */
  warn(fields: object, message: string): void;
  /** What a person should look at now, such as a restart. */
  error(fields: object, message: string): void;
}

export type LogLevel = keyof Logger;

const nothing = (): void => {};

/** The logger for `logger: false`, which logs nothing. */
export const silentLogger: Logger = Object.freeze({ debug: nothing, info: nothing, warn: nothing, error: nothing });

/**
 * Wraps a logger. The wrapper never throws, adds `fields` to each line, and escapes fields that are strings. `failed` gets the
 * errors that the wrapped logger throws; `failed` must not log.
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
 * Escapes strings, because shard ids, keys and owners may contain any characters. Nested values (errors) are left to the
 * logger.
 */
function shown(fields: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? visible(value) : value]),
  );
}
