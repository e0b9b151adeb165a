// Hash keys: the 128-bit numbers by which Kinesis assigns a record to a shard. Inside kinact they are 32 lower-case hexadecimal
// digits, because strings of one length compare like the numbers. The service and the KPL write decimals. Used by the aggregation
// codec, by producers that group records by shard, and by sources that read ranges.
import { hash } from 'node:crypto';
import { HASH_KEY_DIGITS, isDecimal, readDecimal } from '../../core/decimal.js';
import type { HashKeyRange } from '../../api/ports.js';

/** 128 bits as 32 lower-case hexadecimal digits. */
export type HashKey = string;

const HEXADECIMAL_DIGITS = 32;
/** The service's own pattern for an explicit hash key: no sign, no leading zeros. */
const STRICT_DECIMAL = /^(?:0|[1-9][0-9]{0,38})$/;

/** The hash key that the service derives from a partition key: the MD5 of its UTF-8 bytes, big-endian. */
export function hashKeyOf(partitionKey: string): HashKey {
  return hash('md5', partitionKey);
}

/** Whether the service accepts this text as an ExplicitHashKey: a plain decimal below 2^128. */
export function isExplicitHashKey(text: string): boolean {
  return STRICT_DECIMAL.test(text) && hexadecimal(text) !== undefined;
}

/**
 * Reads an explicit hash key found in an aggregate, as leniently as the KCL's BigInteger does (sign, leading zeros). It passes
 * once over a text of any length. 'outside': a number that is not a hash key, so no shard's range contains it. 'invalid': not a
 * number.
 */
export function readExplicitHashKey(text: string): HashKey | 'outside' | 'invalid' {
  const isSigned = text.startsWith('-') || text.startsWith('+');
  const digits = isSigned ? text.slice(1) : text;
  if (!isDecimal(digits)) return 'invalid';
  const hashKey = hexadecimal(digits);
  return hashKey === undefined || (text.startsWith('-') && hashKey !== ZERO) ? 'outside' : hashKey;
}

const ZERO = '0'.repeat(HEXADECIMAL_DIGITS);

function hexadecimal(decimal: string): HashKey | undefined {
  const hex = readDecimal(decimal, HASH_KEY_DIGITS)?.toString(16).padStart(HEXADECIMAL_DIGITS, '0');
  return hex?.length === HEXADECIMAL_DIGITS ? hex : undefined;
}

/** The hash range in an answer. Empty if it has no valid range; every shard that AWS lists has one. */
export function hashKeyRangeOf(
  answered: { readonly StartingHashKey?: unknown; readonly EndingHashKey?: unknown } | null | undefined,
): { readonly hashKeyRange?: HashKeyRange } {
  const { StartingHashKey: startingHashKey, EndingHashKey: endingHashKey } = answered ?? {};
  if (typeof startingHashKey !== 'string' || typeof endingHashKey !== 'string') return {};
  if (!isExplicitHashKey(startingHashKey) || !isExplicitHashKey(endingHashKey)) return {};
  return { hashKeyRange: { startingHashKey, endingHashKey } };
}

/** An inclusive range, ready for comparisons. */
export interface HashKeySpan {
  readonly start: HashKey;
  readonly end: HashKey;
}

const spans = new WeakMap<HashKeyRange, HashKeySpan | null>();

/** The range for comparisons, read once per range object. Undefined when its texts are not hash keys. */
export function spanOf(range: HashKeyRange): HashKeySpan | undefined {
  let span = spans.get(range);
  if (span === undefined) {
    span = readSpan(range);
    spans.set(range, span);
  }
  return span ?? undefined;
}

/** Whether the hash key lies in the range, both ends included. */
export function spanContains(span: HashKeySpan, hashKey: HashKey): boolean {
  return hashKey >= span.start && hashKey <= span.end;
}

function readSpan(range: HashKeyRange): HashKeySpan | null {
  const start = readExplicitHashKey(range.startingHashKey);
  const end = readExplicitHashKey(range.endingHashKey);
  return start.length === HEXADECIMAL_DIGITS && end.length === HEXADECIMAL_DIGITS ? { start, end } : null;
}
