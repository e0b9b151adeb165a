// The order of sequence numbers: decimal strings of 56 digits and more. Every admitted record is compared, so no BigInt is made.
// The functions compare the lengths, and then the texts: for digits this is the order of the numbers.
import { isDecimal, withoutLeadingZeros } from './decimal.js';
import type { Position } from './position.js';

const ZERO = 48;

/** Whether the text is a sequence number: one or more decimal digits and nothing else. */
export function isSequenceNumber(text: string): boolean {
  return isDecimal(text);
}

/**
 * Returns a negative number, zero or a positive number if `left` is less than, equal to or greater than `right`. Leading zeros are
 * ignored. Both must be sequence numbers (`isSequenceNumber`). The function does not check that, because it runs for every record.
 */
export function compareSequenceNumbers(left: string, right: string): number {
  if (left === right) return 0;
  if (left.charCodeAt(0) === ZERO || right.charCodeAt(0) === ZERO) {
    return compareStripped(withoutLeadingZeros(left), withoutLeadingZeros(right));
  }
  return compareStripped(left, right);
}

/** The order of records in a shard: by sequence number, then by sub-sequence number. */
export function comparePositions(left: Position, right: Position): number {
  return (
    compareSequenceNumbers(left.sequenceNumber, right.sequenceNumber) ||
    left.subSequenceNumber - right.subSequenceNumber
  );
}

function compareStripped(left: string, right: string): number {
  if (left.length !== right.length) return left.length - right.length;
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
