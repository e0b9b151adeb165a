// Attributes of DynamoDB in the JSON of the service, where a binary value is base64 text. This file writes them in one fixed form, and
// decodes them to plain values or to the SDK's form. Invariant: an attribute named `__proto__` is an attribute like any other. kinact
// does not use @aws-sdk/util-dynamodb: it rounds fractions without a word, makes a bigint of some numbers and not of others, and takes
// `__proto__` for the prototype of its result.
import { types } from 'node:util';
import type { ChangedAttribute } from '../../api/change.js';
import { canonicalNumber, readNumber, type NumberForm } from './number-text.js';

/** An attribute in the JSON of the service. */
export type WireAttribute = Readonly<Record<string, unknown>>;
export type WireAttributes = Readonly<Record<string, unknown>>;

/** DynamoDB nests 32 levels. */
const maxDepth = 100;

/** Sets a member of any name. An assignment to `__proto__` would set the prototype. */
export function setMember(target: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== '__proto__') target[name] = value;
  else Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
}

/** The attributes as JSON text, sorted by name, binary values as base64. `canonical`: numbers in canonical form, for keys. */
export function attributesJson(attributes: unknown, canonical = false, depth = 0): string {
  const members = membersOf(attributes, depth);
  const names = Object.keys(members).toSorted(byCodeUnit);
  return `{${names.map((name) => `${JSON.stringify(name)}:${attributeJson(members[name], canonical, depth)}`).join(',')}}`;
}

function byCodeUnit(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

/** An attribute without a value is written as `{}`, because a record must be read before `onFailure` can decide about it. */
function attributeJson(attribute: unknown, canonical: boolean, depth: number): string {
  const found = valueOf(attribute);
  if (found === undefined) return '{}';
  const [type, value] = found;
  switch (type) {
    case 'M':
      return `{"M":${attributesJson(value, canonical, depth + 1)}}`;
    case 'L':
      return `{"L":[${listOf(value)
        .map((each) => attributeJson(each, canonical, checked(depth + 1)))
        .join(',')}]}`;
    case 'B':
      return `{"B":${JSON.stringify(base64Of(value))}}`;
    case 'BS':
      return `{"BS":${JSON.stringify(listOf(value).map(base64Of))}}`;
    case 'N':
      return `{"N":${JSON.stringify(canonical ? canonicalNumber(value as string) : value)}}`;
    default:
      return `{${JSON.stringify(type)}:${JSON.stringify(value)}}`;
  }
}

/** The attributes as plain values. Throws a RangeError for a number that does not fit, and a TypeError for what is no attribute. */
export function decodeAttributes(attributes: unknown, numbers: NumberForm, depth = 0): Record<string, unknown> {
  const decoded: Record<string, unknown> = {};
  for (const [name, attribute] of Object.entries(membersOf(attributes, depth))) {
    setMember(decoded, name, decodeAttribute(attribute, numbers, depth));
  }
  return decoded;
}

/** Where the first attribute is that `decodeAttributes` does not take: `cents`, `lines[2].price`. Empty if there is none. */
export function faultyPath(attributes: unknown, numbers: NumberForm): string {
  for (const [name, attribute] of Object.entries(membersOf(attributes, 0))) {
    if (isFaulty(attribute, numbers)) return `${name}${pathInside(attribute, numbers)}`;
  }
  return '';
}

function pathInside(attribute: unknown, numbers: NumberForm): string {
  const [type, value] = valueOf(attribute) ?? [];
  if (type === 'M' && !Array.isArray(value) && typeof value === 'object') {
    const path = faultyPath(value, numbers);
    return path === '' ? '' : `.${path}`;
  }
  const index = type === 'L' && Array.isArray(value) ? value.findIndex((each) => isFaulty(each, numbers)) : -1;
  return index < 0 ? '' : `[${index}]${pathInside((value as unknown[])[index], numbers)}`;
}

function isFaulty(attribute: unknown, numbers: NumberForm): boolean {
  try {
    decodeAttribute(attribute, numbers, 0);
    return false;
  } catch {
    return true;
  }
}

function decodeAttribute(attribute: unknown, numbers: NumberForm, depth: number): unknown {
  const [type, value] = typeAndValue(attribute);
  switch (type) {
    case 'S':
    case 'BOOL':
      return value;
    case 'NULL':
      return null;
    case 'N':
      return readNumber(value as string, numbers);
    case 'B':
      return bytesOf(value);
    case 'SS':
      return new Set(listOf(value));
    case 'NS':
      return new Set(listOf(value).map((each) => readNumber(each as string, numbers)));
    case 'BS':
      return new Set(listOf(value).map(bytesOf));
    case 'L':
      return listOf(value).map((each) => decodeAttribute(each, numbers, checked(depth + 1)));
    case 'M':
      return decodeAttributes(value, numbers, depth + 1);
    default:
      throw new TypeError(`an attribute of the type ${JSON.stringify(type)} is unknown`);
  }
}

/** The attributes in the SDK's form: binary values as bytes. */
export function sdkAttributes(attributes: unknown, depth = 0): Record<string, ChangedAttribute> {
  const made: Record<string, ChangedAttribute> = {};
  for (const [name, attribute] of Object.entries(membersOf(attributes, depth))) {
    setMember(made, name, sdkAttribute(attribute, depth));
  }
  return made;
}

function sdkAttribute(attribute: unknown, depth: number): ChangedAttribute {
  const [type, value] = typeAndValue(attribute);
  switch (type) {
    case 'B':
      return { B: bytesOf(value) };
    case 'BS':
      return { BS: listOf(value).map(bytesOf) };
    case 'L':
      return { L: listOf(value).map((each) => sdkAttribute(each, checked(depth + 1))) };
    case 'M':
      return { M: sdkAttributes(value, depth + 1) };
    default:
      return { [type]: value } as ChangedAttribute;
  }
}

function checked(depth: number): number {
  if (depth > maxDepth) throw new TypeError(`attributes are nested more than ${maxDepth} levels deep`);
  return depth;
}

function membersOf(attributes: unknown, depth: number): WireAttributes {
  checked(depth);
  if (typeof attributes === 'object' && attributes !== null && !Array.isArray(attributes)) {
    return attributes as WireAttributes;
  }
  throw new TypeError('attributes are missing where a map of them was expected');
}

type TypeAndValue = readonly [type: string, value: unknown];

/** The one member of an attribute. A client of another version may set the others to undefined or null. */
function valueOf(attribute: unknown): TypeAndValue | undefined {
  if (typeof attribute !== 'object' || attribute === null) return undefined;
  return Object.entries(attribute).find(([, value]) => value !== undefined && value !== null);
}

function typeAndValue(attribute: unknown): TypeAndValue {
  const found = valueOf(attribute);
  if (found !== undefined) return found;
  throw new TypeError(
    'an attribute has no value. The SDK leaves out an attribute named __proto__: without the option client, kinact reads it',
  );
}

function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new TypeError('a list or set is no array');
}

function base64Of(value: unknown): string {
  if (types.isUint8Array(value))
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
  if (typeof value === 'string') return value;
  throw new TypeError('a binary value is neither bytes nor base64');
}

function bytesOf(value: unknown): Buffer {
  if (typeof value !== 'string') throw new TypeError('a binary value is no base64');
  // Not `Buffer.from`, whose small results share a pool of 8 KiB: an application may keep the value.
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(value, 'base64'));
  return bytes.subarray(0, bytes.write(value, 'base64'));
}
