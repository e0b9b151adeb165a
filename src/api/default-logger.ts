// The logger of a consumer that is given none: it writes warnings and errors to stderr, so that nothing ends without a word. A
// terminal gets one readable line each, anything else JSON. A storm of one event is cut, and the lines left out are counted. It never
// throws, and a closed stderr does no harm.
import { describeError } from '../core/thrown.js';
import { visible } from '../core/visible.js';
import type { Logger, LogLevel } from './logger.js';

/** How many lines of one event are written in `windowMs`. */
export const linesPerWindow = 10;
export const windowMs = 60_000;

/** The lines of one event since `since`. */
interface Window {
  since: number;
  lines: number;
  leftOut: number;
  level: LogLevel;
}

type Fields = Readonly<Record<string, unknown>>;

export interface DefaultLoggerHost {
  /** Called for each line, because a program may replace its stderr. */
  readonly stream: () => NodeJS.WriteStream;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** The time of day, epoch milliseconds. */
  readonly wallNow: () => number;
}

const host: DefaultLoggerHost = {
  stream: () => process.stderr,
  now: () => performance.now(),
  wallNow: () => Date.now(),
};

/** Makes the default logger. It sets no timers: a later line of any event, or the event `closed`, says how many were left out. */
export function createDefaultLogger({ stream, now, wallNow }: DefaultLoggerHost = host): Logger {
  const windows = new Map<string, Window>();

  const write = (level: LogLevel, fields: Fields, message: string): void => {
    const to = stream();
    const at = new Date(wallNow()).toISOString();
    const text = to.isTTY === true ? readableLine(at, level, fields, message) : jsonLine(at, level, fields, message);
    writeHarmlessly(to, `${text}\n`);
  };
  const sayLeftOut = (isOver: (window: Window) => boolean): void => {
    for (const [event, window] of windows) {
      if (!isOver(window)) continue;
      windows.delete(event);
      const { leftOut, level, since } = window;
      const seconds = Math.round((now() - since) / 1_000);
      if (leftOut > 0) write(level, { event, leftOut }, `${event}: ${leftOut} more in ${seconds} s were left out`);
    }
  };
  const claimLine = (level: LogLevel, event: string): boolean => {
    const window = windows.get(event) ?? { since: now(), lines: 0, leftOut: 0, level };
    windows.set(event, window);
    if (window.lines < linesPerWindow) {
      window.lines += 1;
      return true;
    }
    window.leftOut += 1;
    return false;
  };

  const line =
    (level: LogLevel) =>
    (given: object, message: string): void => {
      try {
        const fields = given as Fields;
        const event = typeof fields['event'] === 'string' ? fields['event'] : message;
        sayLeftOut(({ since }) => event === 'closed' || now() - since >= windowMs);
        if (isWritten(level) && claimLine(level, event)) write(level, fields, message);
      } catch {
        // There is nowhere left to say it.
      }
    };
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
}

const ignore = (): void => {};
/** How many lines a stream has not written yet, and whether a write to it has failed. */
const pending = new WeakMap<NodeJS.WriteStream, { lines: number; broken: boolean }>();

/**
 * Writes so that a failure does no harm. A stream without a listener to `error` would end the process, some time after the write. So it
 * has one while a line is on its way, and no longer: errors of the application's own writes are the application's.
 */
function writeHarmlessly(to: NodeJS.WriteStream, text: string): void {
  const state = pending.get(to) ?? { lines: 0, broken: false };
  pending.set(to, state);
  if (state.broken) return;
  if (state.lines === 0) to.on('error', ignore);
  state.lines += 1;
  to.write(text, (error) => {
    state.lines -= 1;
    // The event of a failure comes after this call, so the listener stays.
    if (error !== undefined && error !== null) state.broken = true;
    else if (state.lines === 0 && !state.broken) to.off('error', ignore);
  });
}

const isWritten = (level: LogLevel): boolean => level === 'warn' || level === 'error';

function jsonLine(time: string, level: LogLevel, fields: Fields, message: string): string {
  const { err, ...rest } = fields;
  const described = 'err' in fields ? { err: describeError(err) } : {};
  return JSON.stringify({ time, level, message, ...rest, ...described });
}

/** The message has the event and the error already; the other fields follow. */
function readableLine(time: string, level: LogLevel, fields: Fields, message: string): string {
  const { event: _event, err: _err, ...rest } = fields;
  const shown = Object.entries(rest).flatMap(([name, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    // The message says `reason`, `operation` and the like.
    return value === undefined || message.includes(`: ${text}`) ? [] : [`${name}=${text}`];
  });
  const about = shown.length === 0 ? '' : ` (${shown.join(' ')})`;
  return visible(`${time} kinact ${level.toUpperCase()} ${message}${about}`);
}
