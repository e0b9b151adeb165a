// Numbers of DynamoDB: decimal text of up to 38 digits, with or without an exponent. Invariant: no number changes its value here. Two
// texts of one number have the same canonical text. Used by the decoder and by the key of an item.
import { isDecimal, readDecimal, withoutLeadingZeros } from '../../core/decimal.js';

/** What the numbers of a change become. */
export type NumberForm = 'number' | 'string' | 'bigint';

/** DynamoDB's largest number has 126 digits. */
const maxDigits = 130;
const maxCharacters = 400;

interface Parts {
  readonly isNegative: boolean;
  /** The significant digits, without zeros at either end; empty for zero. */
  readonly digits: string;
  /** The number is `digits` × 10^`exponent`. */
  readonly exponent: number;
}

/** Throws a RangeError for a number that the form cannot hold unchanged, and a TypeError for text that is no number. */
export function readNumber(text: string, form: NumberForm): number | string | bigint {
  switch (form) {
    case 'string':
      partsOf(text);
      return text;
    case 'bigint':
      return bigintOf(text);
    case 'number':
      return numberOf(text);
  }
}

/** One text for each number: `1.10`, `1.1` and `11E-1` give the same. */
export function canonicalNumber(text: string): string {
  const { isNegative, digits, exponent } = partsOf(text);
  if (digits === '') return '0';
  const sign = isNegative ? '-' : '';
  return exponent === 0 ? `${sign}${digits}` : `${sign}${digits}E${exponent}`;
}

function numberOf(text: string): number {
  const number = Number(text);
  // Most numbers need no closer look. `String(-0)` is '0'.
  if (String(number) === text && Number.isFinite(number)) return number;
  const canonical = canonicalNumber(text);
  if (!Number.isFinite(number) || canonicalNumber(String(number)) !== canonical) {
    throw new RangeError(
      `The number ${shortened(text)} is no JavaScript number without a loss. Set numbers: ${wholeOf(partsOf(text)) === undefined ? "'string'" : "'string' or 'bigint'"} in dynamodbStream.`,
    );
  }
  return number === 0 ? 0 : number;
}

function bigintOf(text: string): bigint {
  const parts = partsOf(text);
  const whole = wholeOf(parts);
  if (whole === undefined) {
    throw new RangeError(
      `The number ${shortened(text)} is no integer. Set numbers: 'string' in dynamodbStream, or 'number' if it fits.`,
    );
  }
  return parts.isNegative ? -whole : whole;
}

/** Undefined for a fraction. */
function wholeOf({ digits, exponent }: Parts): bigint | undefined {
  if (digits === '') return 0n;
  return exponent >= 0 && exponent <= maxDigits ? readDecimal(digits + '0'.repeat(exponent), maxDigits) : undefined;
}

function partsOf(text: string): Parts {
  const wrong = (): TypeError => new TypeError(`${shortened(JSON.stringify(text))} is no number of DynamoDB`);
  if (typeof text !== 'string' || text.length > maxCharacters) throw wrong();
  const isNegative = text.startsWith('-');
  const unsigned = isNegative || text.startsWith('+') ? text.slice(1) : text;
  const [mantissa = '', power, ...more] = unsigned.toUpperCase().split('E');
  const [before = '', after = '', ...rest] = mantissa.split('.');

  const powerDigits = power?.replace(/^[+-]/, '') ?? '0';
  if (more.length > 0 || rest.length > 0 || !isDecimal(before + after)) throw wrong();
  if (!isDecimal(powerDigits) || powerDigits.length > 4) throw wrong();

  const significant = withoutLeadingZeros(before + after);
  let end = significant.length;
  while (end > 0 && significant[end - 1] === '0') end -= 1;
  const exponent = Number(power ?? 0) - after.length + (significant.length - end);
  return { isNegative, digits: significant.slice(0, end), exponent };
}

function shortened(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 60)}…`;
}
