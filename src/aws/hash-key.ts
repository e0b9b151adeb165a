// Hash keys: the 128-bit numbers by which Kinesis assigns a record to a shard. Inside kinact they are 32 lower-case
// hexadecimal digits, because strings of one length compare as the numbers do; the service and the KPL write decimals.
// Used by the aggregation codec and by producers that group records by shard.
import { hash } from 'node:crypto';
import type { HashKeyRange } from '../ports.js';

/** 128 bits as 32 lower-case hexadecimal digits. */
export type HashKey = string;

const HASH_KEY_DIGITS = 32;
/** The service's own pattern for an explicit hash key: no sign, no leading zeros. */
const STRICT_DECIMAL = /^(?:0|[1-9][0-9]{0,38})$/;
/** What Java's BigInteger reads, as far as it is ASCII. */
const LENIENT_DECIMAL = /^([+-]?)0*([0-9]+)$/;

/** The hash key that the service derives from a partition key: the MD5 of its UTF-8 bytes, big-endian. */
export function hashKeyOf(partitionKey: string): HashKey {
  return hash('md5', partitionKey);
}

/** True when the service would accept this text as an ExplicitHashKey: a plain decimal below 2^128. */
export function isExplicitHashKey(text: string): boolean {
  return STRICT_DECIMAL.test(text) && BigInt(text).toString(16).length <= HASH_KEY_DIGITS;
}

/**
 * Reads an explicit hash key found in an aggregate, as leniently as the KCL does (sign, leading zeros).
 * 'outside' is a number that is no hash key, so that no shard's range contains it; 'invalid' is no number at all.
 */
export function readExplicitHashKey(text: string): HashKey | 'outside' | 'invalid' {
  const match = LENIENT_DECIMAL.exec(text);
  if (match === null) return 'invalid';
  const digits = match[2]!;
  // 2^128 has 39 digits. More of them are not even parsed: that would take more than linear time.
  if (digits.length > 39) return 'outside';
  const value = BigInt(digits);
  if (match[1] === '-' && value !== 0n) return 'outside';
  const hex = value.toString(16);
  return hex.length > HASH_KEY_DIGITS ? 'outside' : hex.padStart(HASH_KEY_DIGITS, '0');
}

/** What an answer says of a hash range. Nothing where it is no range: the service's own is in every shard it lists. */
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
  return start.length === HASH_KEY_DIGITS && end.length === HASH_KEY_DIGITS ? { start, end } : null;
}
