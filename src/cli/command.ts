// What a command of `kinact` is, and how its arguments are read. Every command gets streams and environment as arguments:
// main.ts passes the real ones, and tests run a command in their own process.
import { parseArgs } from 'node:util';
import type { Readable, Writable } from 'node:stream';
import { oneLine } from '../core/visible.js';
import { isKinactError } from '../api/errors.js';

/** Everything that a command may use of its process. */
export interface CommandIo {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts on SIGTERM or SIGINT. The command then finishes its work and ends by itself. */
  readonly signal: AbortSignal;
}

export interface Command {
  /** What `kinact <name> --help` prints. */
  readonly usage: string;
  /** False for a command that is to end at once on a signal, as programs do by default. */
  readonly handlesSignals: boolean;
  /** Resolves to the exit code. Throws UsageError (exit 2) or any other error (exit 1). */
  run(args: readonly string[], io: CommandIo): Promise<number>;
}

/** The arguments are wrong: exit code 2, and a pointer to the usage. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

type OptionTypes = Readonly<Record<string, 'string' | 'boolean'>>;
type Values<Types extends OptionTypes> = {
  readonly [Name in keyof Types]: Types[Name] extends 'boolean' ? boolean : string | undefined;
};

/** Reads `--name value` and `--flag`. Throws UsageError on anything else: unknown, repeated, valueless, positional. */
export function readOptions<const Types extends OptionTypes>(args: readonly string[], types: Types): Values<Types> {
  const options = Object.fromEntries(Object.entries(types).map(([name, type]) => [name, { type, multiple: true }]));
  let given: Record<string, unknown>;
  try {
    given = parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw new UsageError(oneLine((error as Error).message).replace(/\.$/, ''));
  }

  const values: Record<string, string | boolean | undefined> = {};
  for (const [name, type] of Object.entries(types)) {
    const all = (given[name] ?? []) as readonly (string | boolean)[];
    if (all.length > 1) throw new UsageError(`--${name} is given ${all.length} times`);
    if (all[0] === '') throw new UsageError(`--${name} is empty`);
    values[name] = type === 'boolean' ? all[0] === true : all[0];
  }

  return values as Values<Types>;
}

/** The value of an option that has to be there. */
export function required(value: string | undefined, name: string): string {
  if (value === undefined) throw new UsageError(`--${name} is missing`);
  return value;
}

/** The one line on stderr that reports a failure. */
export function errorLine(error: unknown): string {
  const { message } = error as { readonly message?: unknown };
  const text = typeof message === 'string' && message.trim() !== '' ? message : String(error);
  return `${isKinactError(error) ? error.code : 'UNEXPECTED'}: ${oneLine(text)}`;
}

/** One line on stderr, for people. */
export function say({ stderr }: { readonly stderr: Pick<Writable, 'write'> }, text: string): void {
  stderr.write(`${oneLine(text)}\n`);
}

/** A stream by its name, or by its ARN, which includes account and region. */
export type StreamReference =
  | { readonly streamName: string; readonly streamArn?: undefined; readonly tableName?: undefined }
  | { readonly streamArn: string; readonly streamName?: undefined; readonly tableName?: undefined };

/** By Kinesis's own rules for names and ARNs. Undefined if the text is neither. */
export function streamReference(text: string): StreamReference | undefined {
  if (/^[a-zA-Z0-9_.-]{1,128}$/.test(text)) return { streamName: text };
  if (/^arn:[\w-]+:kinesis:[\w-]+:\d{12}:stream\/[a-zA-Z0-9_.-]{1,128}$/.test(text)) return { streamArn: text };
  return undefined;
}

/** The value of `--stream`. */
export function streamOf(text: string): StreamReference {
  const reference = streamReference(text);
  if (reference !== undefined) return reference;
  const arn = 'an ARN, arn:aws:kinesis:REGION:ACCOUNT:stream/NAME';
  throw new UsageError(`--stream: expected a stream name (letters, digits, '_', '-', '.') or ${arn}, got '${text}'`);
}

/** DynamoDB's rule for table names: an application and its lease table have the same name. */
export function applicationOf(text: string): string {
  if (!/^[\w.-]{3,255}$/.test(text))
    throw new UsageError(`--application: expected 3 to 255 letters, digits, '_', '-' and '.', got '${text}'`);
  return text;
}

/** The formats that `timeOf` accepts, for error messages. */
export const timeExpected = 'a date (midnight UTC) or a time with its zone, such as 2026-01-31T12:00:00Z';

/** Throws for a time in the future or before 1970, because Kinesis refuses to begin there. */
export function pastTime(at: Date, text: string, option: string, nowMs: number): Date {
  if (at.getTime() > nowMs) throw new UsageError(`${option}: ${text} is in the future: LATEST begins now`);
  if (at.getTime() < 0) throw new UsageError(`${option}: ${text} is before 1970`);
  return at;
}

/** Parses an ISO 8601 date (midnight UTC), or date and time with zone. Undefined for any other text. */
export function timeOf(text: string): Date | undefined {
  const at = /^\d{4}-\d\d-\d\d(T[\d:.,]{1,40}(Z|[+-]\d\d:?\d\d))?$/.test(text) ? new Date(text) : new Date(Number.NaN);
  return Number.isNaN(at.getTime()) ? undefined : at;
}
