// Reads whole numbers from decimal text that comes from outside: sequence numbers, hash keys, counters. Invariant: reading a
// text takes linear time, whatever it contains. `BigInt()` takes more than linear time, so it gets a bounded number of digits.
// No other file calls `BigInt()` on text from outside.

const ZERO = 48;
const NINE = 57;

/** The number of digits of 2^128 - 1, the largest hash key. */
export const HASH_KEY_DIGITS = 39;

/** Whether the text is one or more decimal digits and nothing else. */
export function isDecimal(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < ZERO || code > NINE) return false;
  }
  return text.length > 0;
}

/** The decimal without its leading zeros; an empty string for zero. */
export function withoutLeadingZeros(decimal: string): string {
  let start = 0;
  while (start < decimal.length && decimal.charCodeAt(start) === ZERO) start++;
  return start === 0 ? decimal : decimal.slice(start);
}

/** The number in the text; undefined if the text is not decimal, or has more than `maxDigits` digits after its leading zeros. */
export function readDecimal(text: string, maxDigits: number): bigint | undefined {
  if (!isDecimal(text)) return undefined;
  const digits = withoutLeadingZeros(text);
  return digits.length > maxDigits ? undefined : BigInt(digits === '' ? '0' : digits);
}
