// Any value can be thrown, but code that handles a failure needs an error, its message, or a plain description of it. An error's
// causes may be many, and may form a cycle: at most `maxCauses` are followed.
import { oneLine, visible } from './visible.js';

/** How many causes of an error are shown. */
export const maxCauses = 8;

/** Whether it is an error. No function here throws, whatever was thrown: a revoked proxy, or an object whose getters throw. */
export function isError(thrown: unknown): thrown is Error {
  return readOr(() => thrown instanceof Error, false);
}

/** Whether it has the member `brand`, as the errors of every copy of the package have. */
export function isBranded(thrown: unknown, brand: symbol): boolean {
  const isObject = typeof thrown === 'object' && thrown !== null;
  return isObject && readOr(() => (thrown as Readonly<Record<symbol, unknown>>)[brand] === true, false);
}

function readOr<Value, Otherwise>(read: () => Value, otherwise: Otherwise): Value | Otherwise {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

/** The thrown error itself, or an error whose cause is the thrown value. */
export function asError(thrown: unknown): Error {
  return isError(thrown) ? thrown : new Error(textOf(thrown), { cause: thrown });
}

/** The message of the error, or the thrown value as text. */
export function messageOf(thrown: unknown): string {
  if (!isError(thrown)) return textOf(thrown);
  const message: unknown = readOr(() => thrown.message, unreadable);
  // Anything may have been assigned to it.
  return typeof message === 'string' ? message : textOf(message);
}

/**
 * The message of an error, for people. Node gives no message to the failure of a connection to a host with several addresses, only
 * one error for each address.
 */
export function fullMessageOf(thrown: unknown): string {
  const message = messageOf(thrown);
  if (message !== '' || !isError(thrown)) return message;
  const all: unknown = readOr(
    () => (thrown instanceof AggregateError ? thrown.errors.map(messageOf).join('; ') : ''),
    '',
  );
  // Anything may have been assigned to `errors`.
  return typeof all === 'string' && all !== '' ? all : '(no message)';
}

const unreadable = '(cannot be read)';

/** Text of any value. `String` itself throws for an object without a prototype. */
function textOf(value: unknown): string {
  return readOr(
    () => String(value),
    readOr(() => Object.prototype.toString.call(value), unreadable),
  );
}

/** The value and its causes, in order: at most `maxCauses` of them, and none twice. */
export function causesOf(thrown: unknown): readonly unknown[] {
  const chain: unknown[] = [];
  for (let at = thrown; chain.length <= maxCauses && !chain.includes(at); at = causeOf(at)) {
    if (at === undefined && chain.length > 0) break;
    chain.push(at);
  }
  return chain;
}

function causeOf(thrown: unknown): unknown {
  return isError(thrown) ? readOr(() => thrown.cause, undefined) : undefined;
}

/** An error and its causes in one line, escaped. A cause whose message is part of the text already is left out. */
export function chainText(thrown: unknown): string {
  let text = '';
  for (const each of causesOf(thrown)) {
    const message = oneLine(fullMessageOf(each));
    if (text === '') text = message;
    else if (!text.includes(message)) text = `${text.replace(/\.$/, '')}: ${message}`;
  }
  return text;
}

/** An error as a plain object that JSON can show. Members that the error does not have are absent. */
export interface DescribedError {
  readonly name: string;
  readonly code?: string | number;
  readonly message: string;
  readonly stack?: string;
  readonly cause?: DescribedError | string;
}

/** Describes an error with its causes, nested. A thrown value that is not an error becomes its text. */
export function describeError(thrown: unknown): DescribedError | string {
  let described: DescribedError | string | undefined;
  for (const each of causesOf(thrown).toReversed()) {
    if (!isError(each)) {
      described = visible(textOf(each));
      continue;
    }
    const name: unknown = readOr(() => each.name, unreadable);
    const stack: unknown = readOr(() => each.stack, undefined);
    const code: unknown = readOr(() => (each as { readonly code?: unknown }).code, undefined);
    described = {
      name: visible(textOf(name)),
      ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
      message: visible(fullMessageOf(each)),
      ...(typeof stack === 'string' ? { stack: stack.split('\n').map(visible).join('\n') } : {}),
      ...(described === undefined ? {} : { cause: described }),
    };
  }
  return described as DescribedError | string;
}
