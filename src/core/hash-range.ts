// Finds the hash keys that a set of ranges does not cover (KCL clause 2.10). The shard sync uses it to check that a listing is
// complete, and the audit to check that every key is leased. Bigints are fast enough: this runs every few minutes, not per record.
import { HASH_KEY_DIGITS, readDecimal } from './decimal.js';

/** An inclusive range of hash keys in decimal. */
export interface HashRangeText {
  readonly startingHashKey: string;
  readonly endingHashKey: string;
}

const lowest = 0n;
const highest = (1n << 128n) - 1n;

interface Range {
  readonly start: bigint;
  readonly end: bigint;
}

function parse(text: HashRangeText): Range | undefined {
  const start = readDecimal(text.startingHashKey, HASH_KEY_DIGITS);
  const end = readDecimal(text.endingHashKey, HASH_KEY_DIGITS);
  return start !== undefined && end !== undefined && start <= end ? { start, end } : undefined;
}

/**
 * The gaps that `ranges` leave in 0 … 2^128−1, lowest first; empty when every key is covered. The ranges may overlap and come
 * in any order. A range that cannot be parsed covers nothing.
 */
export function gapsIn(ranges: Iterable<HashRangeText>): HashRangeText[] {
  const sorted: Range[] = [];
  for (const text of ranges) {
    const range = parse(text);
    if (range !== undefined) sorted.push(range);
  }
  sorted.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
  const holes: HashRangeText[] = [];
  let next = lowest;
  for (const range of sorted) {
    if (range.start > next) holes.push(text(next, range.start - 1n));
    if (range.end >= next) next = range.end + 1n;
  }
  if (next <= highest) holes.push(text(next, highest));
  return holes;
}

function text(start: bigint, end: bigint): HashRangeText {
  return { startingHashKey: start.toString(), endingHashKey: end.toString() };
}
