// The format `json`: values as JSON text. Invariant: what it writes comes back the same, or it throws.
import { NonRetryableError } from '../api/failure-policy.js';
import type { MessageFormat } from '../api/message-format.js';
import { show } from '../api/refusal.js';

/**
 * A format for values that JSON can hold: texts, finite numbers, booleans, null, and arrays and plain objects of these. For any other
 * value `serialize` throws a NonRetryableError that names the place: a Buffer, a Date, a Map, an object of a class, NaN, a BigInt. A member
 * that is undefined is left out, and -0 comes back as 0.
 *
 * @example
 * ```ts
 * import { json } from 'kinact';
 *
 * const totals = pipe({ format: json })
 *   .map((bytes) => JSON.parse(bytes.toString()) as { readonly cents: number })
 *   .to(({ cents }) => save(cents));
 * ```
 */
export const json: MessageFormat = Object.freeze({
  serialize: (value: unknown) => {
    const lost = lostAt(value, 'value', new Set());
    if (lost !== undefined) throw new NonRetryableError(`json cannot keep ${lost}: give the pipe another format`);
    return JSON.stringify(value);
  },
  deserialize: (bytes: Buffer) => JSON.parse(bytes.toString()) as unknown,
});

/** The first place that would not come back, with what is there. */
function lostAt(value: unknown, path: string, within: Set<object>): string | undefined {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return undefined;
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : `${path}, which is ${value}`;
  if (typeof value !== 'object') return `${path}, which is ${shown(value)}`;
  if (within.has(value)) return `${path}, which contains itself`;
  if (!isPlain(value)) return `${path}, which is ${shown(value)}`;
  within.add(value);
  for (const [name, member] of entriesOf(value)) {
    if (member === undefined && !Array.isArray(value)) continue;
    const lost = lostAt(member, Array.isArray(value) ? `${path}[${name}]` : `${path}.${name}`, within);
    if (lost !== undefined) return lost;
  }
  within.delete(value);
  return undefined;
}

/** A hole of an array is undefined here, so it is refused. */
function entriesOf(value: object): Iterable<readonly [number | string, unknown]> {
  return Array.isArray(value) ? (value as unknown[]).entries() : Object.entries(value);
}

function isPlain(value: object): boolean {
  if (typeof (value as { readonly toJSON?: unknown }).toJSON === 'function') return false;
  if (Object.getOwnPropertySymbols(value).length > 0) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (Array.isArray(value)) return prototype === Array.prototype && Object.keys(value).length === value.length;
  return prototype === null || prototype === Object.prototype;
}

function shown(value: unknown): string {
  if (typeof value !== 'object' || value === null) return typeof value === 'bigint' ? `${value}n` : show(value);
  const { name } = Object(value.constructor) as { readonly name?: unknown };
  if (Array.isArray(value)) return 'an array with holes, or with members of its own';
  return typeof name === 'string' && name !== '' && name !== 'Object' ? `a ${name}` : show(value);
}
