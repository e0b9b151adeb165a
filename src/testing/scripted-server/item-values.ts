// The attribute values of the scripted tables, in the form of the wire: checks, normal form, equality, size. The normal form is that
// of DynamoDB: numbers at the top and in sets lose needless digits, sets are sorted. Called by scripted-items.ts.
import { AwsAnswerError } from './answer-errors.js';

/** A value as DynamoDB's JSON writes it: `{ S: 'text' }`, `{ N: '1' }`, `{ B: 'base64' }`, `{ M: … }` and so on. */
export type ScriptedValue = Readonly<Record<string, unknown>>;

/** An item, or its key: values by attribute name. */
export type ScriptedItem = Readonly<Record<string, ScriptedValue>>;

export const validation = (message: string): AwsAnswerError => new AwsAnswerError('ValidationException', message);

const numberForm = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?$/;
const maxDigits = 38;

/** The number as DynamoDB stores it: without needless zeros, sign and exponent. */
export function normalNumber(text: unknown): string {
  const match = typeof text === 'string' ? numberForm.exec(text) : null;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match ?? [];
  if (match === null || whole + fraction === '')
    throw validation('The parameter cannot be converted to a numeric value');

  const digits = (whole + fraction).replace(/^0+/, '');
  if (digits === '') return '0';
  let length = digits.length;
  while (digits[length - 1] === '0') length -= 1;
  const significant = digits.slice(0, length);
  // The value is `significant` times ten to the power of `scale`.
  const scale = Number(exponent) - fraction.length + (digits.length - significant.length);
  const magnitude = scale + significant.length;
  if (significant.length > maxDigits)
    throw validation('Attempting to store more than 38 significant digits in a Number');
  if (magnitude > 126)
    throw validation('Number overflow. Attempting to store a number with magnitude larger than supported range');
  if (magnitude < -129)
    throw validation('Number underflow. Attempting to store a number with magnitude smaller than supported range');

  return `${sign === '-' ? '-' : ''}${plainDecimal(significant, scale)}`;
}

function plainDecimal(significant: string, scale: number): string {
  if (scale >= 0) return significant + '0'.repeat(scale);
  const point = significant.length + scale;
  return point > 0
    ? `${significant.slice(0, point)}.${significant.slice(point)}`
    : `0.${'0'.repeat(-point)}${significant}`;
}

/** The value in its normal form. A number inside a list or a map stays as it came. */
export function normalValue(value: ScriptedValue): ScriptedValue {
  const [[type, content] = ['', undefined], more] = Object.entries(value);
  if (more !== undefined || type === '')
    throw validation('Supplied AttributeValue is empty or has more than one datatypes set');

  switch (type) {
    case 'N':
      return { N: normalNumber(content) };
    case 'S':
    case 'B':
      if (typeof content !== 'string') throw validation(`Unexpected value for ${type}`);
      return value;
    case 'BOOL':
    case 'NULL':
    case 'L':
    case 'M':
      checkNested(type, content);
      return value;
    case 'SS':
    case 'NS':
    case 'BS':
      return { [type]: normalSet(type, content) };
    default:
      throw validation('Supplied AttributeValue is empty, must contain exactly one of the supported datatypes');
  }
}

function checkNested(type: string, content: unknown): void {
  const parts =
    type === 'L' ? (content as ScriptedValue[]) : type === 'M' ? Object.values(content as ScriptedItem) : [];
  for (const part of parts) normalValue(part);
}

function normalSet(type: 'SS' | 'NS' | 'BS', content: unknown): readonly string[] {
  const parts = (content as readonly string[]).map((part) => (type === 'NS' ? normalNumber(part) : part));
  if (parts.length === 0) throw validation('An string set  may not be empty');
  if (new Set(parts).size < parts.length) throw validation('Input collection contains duplicates.');
  return type === 'NS' ? parts.toSorted((a, b) => Number(a) - Number(b)) : parts.toSorted();
}

/** A whole item in its normal form, with its attributes in the order of their names. */
export function normalItem(item: ScriptedItem): ScriptedItem {
  const entries = Object.entries(item).map(([name, value]): [string, ScriptedValue] => [name, normalValue(value)]);
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** One text for each value: equal texts, equal values. The members of maps are in the order of their names. */
export function textOf(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(textOf).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'undefined';
  const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${textOf(member)}`).join()}}`;
}

/** The size by which DynamoDB counts an item: the UTF-8 bytes of names and values, about. */
export function itemBytes(item: ScriptedItem): number {
  return Object.entries(item).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + valueBytes(value), 0);
}

function valueBytes(value: ScriptedValue): number {
  const [[type, content] = ['', undefined]] = Object.entries(value);
  switch (type) {
    case 'S':
      return Buffer.byteLength(content as string);
    case 'B':
      return Buffer.byteLength(content as string, 'base64');
    case 'N':
      return numberBytes(content as string);
    case 'SS':
    case 'NS':
    case 'BS':
      return (content as string[]).reduce((sum, part) => sum + valueBytes({ [type[0]!]: part }), 0);
    case 'L':
      return (content as ScriptedValue[]).reduce((sum, part) => sum + 1 + valueBytes(part), 3);
    case 'M':
      return 3 + itemBytes(content as ScriptedItem);
    default:
      return 1;
  }
}

/** One byte, and one for each pair of digits, counted from the decimal point, without the pairs of zeros at both ends. */
function numberBytes(number: string): number {
  const [whole = '', fraction = ''] = number.replace('-', '').split('.');
  const even = (length: number): number => length + (length % 2);
  const digits = whole.padStart(even(whole.length), '0') + fraction.padEnd(even(fraction.length), '0');
  const pairs = digits.match(/../g) ?? [];
  const [first, last] = [pairs.findIndex((pair) => pair !== '00'), pairs.findLastIndex((pair) => pair !== '00')];
  return first < 0 ? 1 : last - first + 2;
}
