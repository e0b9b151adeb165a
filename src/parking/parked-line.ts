// The format of a parked item: one line of JSON, the data as base64. docs/parked.md describes it for other readers. Both sinks write it,
// and the command `parked` reads it. Version 1: the data is a record. Version 2: it is the values of a pipe's message. A reader that
// knows only version 1 would take these for a record, so it must refuse them.
import { causesOf, describeError } from '../core/thrown.js';
import type { ParkedItem, ParkedMessage, ParkedRange } from '../api/parking.js';
import type { StoredError, StoredFault, StoredItem } from './stored-item.js';

/** A message or stack may be of any length, but the error is only a hint. */
const maxErrorCharacters = 10_000;

/** A longer line is reported, and not kept. */
export const maxLineBytes = 64 * 1024 * 1024;

/** The line of an item, with its newline. It has a copy of the data. */
export function parkedLine(item: ParkedItem): Buffer {
  const { data, error, ...rest } = item;
  const version = item.message?.valueBytes === undefined ? 1 : 2;
  const stored = { version, ...rest, data: bytesOf(data).toString('base64'), error: storedError(error) };
  return Buffer.from(`${JSON.stringify(stored)}\n`);
}

function bytesOf(data: Uint8Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

/** The error as plain data. It never throws, whatever the application has thrown. */
export function storedError(error: unknown): StoredError {
  try {
    const [own, ...causes] = causesOf(error).map(storedFault);
    return { ...(own as StoredFault), causes };
  } catch {
    return { name: 'Error', message: '(an error that cannot be read)', causes: [] };
  }
}

function storedFault(thrown: unknown): StoredFault {
  const described = describeError(thrown);
  if (typeof described === 'string') return { name: typeof thrown, message: shortened(described) };
  const { name, message, code, stack } = described;
  return {
    name: shortened(name),
    message: shortened(message),
    ...(code === undefined ? {} : { code: typeof code === 'string' ? shortened(code) : code }),
    ...(stack === undefined ? {} : { stack: shortened(stack) }),
  };
}

function shortened(text: string): string {
  return text.length <= maxErrorCharacters ? text : `${text.slice(0, maxErrorCharacters)}…`;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The members of a line of JSON, or why it has none. */
export function lineMembers(line: Uint8Array): Readonly<Record<string, unknown>> | string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(utf8.decode(line));
  } catch {
    return 'it is not JSON';
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return 'it is no JSON object';
  const { version } = parsed as { readonly version?: unknown };
  if (version === undefined) return 'it is no parked item: it has no version';
  if (version !== 1 && version !== 2)
    return `its version is ${JSON.stringify(version)}; this kinact reads the versions 1 and 2`;
  return parsed as Readonly<Record<string, unknown>>;
}

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string';
const isTime: Check = (value) => typeof value === 'number' && Number.isFinite(value);
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const maybe =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);

const members: Readonly<Record<keyof StoredItem, Check>> = {
  idempotencyKey: isText,
  application: isText,
  source: isText,
  stream: maybe(isText),
  shardId: isText,
  sequenceNumber: isText,
  subSequenceNumber: maybe(isCount),
  itemIndex: maybe(isCount),
  key: maybe(isText),
  partitionKey: maybe(isText),
  explicitHashKey: maybe(isText),
  data: (value) => isText(value) && /^[A-Za-z0-9+/]*={0,2}$/.test(value as string),
  arrivedAt: maybe(isTime),
  // Any text: a newer version may know more places, and its items must come back, too.
  at: isText,
  attempts: isCount,
  error: (value) => isFault(value) && Array.isArray(value.causes) && value.causes.every(isFault),
  failedAt: isTime,
  parkedAt: isTime,
  message: maybe(isMessage),
};

function isMessage(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { node, index, nodes, route, standsFor, itemKey, valueBytes } = value as Partial<ParkedMessage>;
  if (!isText(node) || !isCount(index) || !isList(isText)(nodes) || !isList(isText)(route)) return false;
  return isList(isRange)(standsFor) && maybe(isText)(itemKey) && maybe(isList(isCount))(valueBytes);
}

function isRange(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { source, stream, shardId, fence, first, last, items } = value as Partial<ParkedRange>;
  return [source, shardId, first, last].every(isText) && maybe(isText)(stream) && isCount(fence) && isCount(items);
}

function isList(check: Check): Check {
  return (value) => Array.isArray(value) && value.every((each) => check(each));
}

function isFault(value: unknown): value is StoredFault & { readonly causes?: unknown } {
  if (typeof value !== 'object' || value === null) return false;
  const { name, message, code, stack } = value as Partial<StoredFault>;
  return (
    isText(name) && isText(message) && maybe(isText)(stack) && maybe((it) => isText(it) || typeof it === 'number')(code)
  );
}

/** The item of a line, or why it is none. Members that this version does not know are left out. */
export function readParkedLine(line: Uint8Array): StoredItem | string {
  const read = lineMembers(line);
  return typeof read === 'string' ? read : storedItem(read);
}

/** The item that these members describe, or why they describe none. */
export function storedItem(read: Readonly<Record<string, unknown>>): StoredItem | string {
  const item: Record<string, unknown> = {};
  for (const [name, isValid] of Object.entries(members)) {
    const value = read[name];
    if (!isValid(value)) return value === undefined ? `it has no ${name}` : `its ${name} is not valid`;
    if (value !== undefined) item[name] = value;
  }
  const stored = { ...item, data: Buffer.from(item['data'] as string, 'base64') } as unknown as StoredItem;
  return isOfVersion(stored, read['version']) ? stored : 'its message is not valid';
}

/** Whether the data is what the version says: a record, or as many bytes as the values have. */
function isOfVersion({ data, message }: StoredItem, version: unknown): boolean {
  const bytes = message?.valueBytes;
  if (bytes === undefined) return version === 1;
  return version === 2 && bytes.length > 0 && bytes.reduce((sum, each) => sum + each, 0) === data.length;
}
