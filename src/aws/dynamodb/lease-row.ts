// Converts lease rows between DynamoDB's attribute values and LeaseRow (KCL clause 1.1). Reading never throws: each item is a
// lease, a row of another kind, or malformed with a reason. Writing uses the KCL's types, and leaves an attribute out instead of
// writing an empty or NULL value. A row that could not be read back is not written.
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { HASH_KEY_DIGITS, isDecimal, readDecimal } from '../../core/decimal.js';
import type { LeaseRow } from '../../core/lease.js';
import { excerpt } from '../../core/visible.js';
import { KinactError } from '../../api/errors.js';
import type { HashKeyRange, MalformedRow } from '../../api/ports.js';

/** An item as DynamoDB returns it. */
export type Item = Record<string, AttributeValue>;

/** The result of reading an item of the lease table. */
export type ReadRow =
  | { readonly type: 'lease'; readonly row: LeaseRow }
  /** A row of another kind (KCL clause 1.5), which lease readers ignore. */
  | { readonly type: 'foreign'; readonly entityType: string; readonly key: string }
  | { readonly type: 'malformed'; readonly malformed: MalformedRow };

const sentinels: ReadonlySet<string> = new Set(['TRIM_HORIZON', 'LATEST', 'AT_TIMESTAMP', 'SHARD_END']);

/** Members of LeaseRow that are optional strings of the same name in the table. */
const optionalTexts = [
  'leaseOwner',
  'checkpointOwner',
  'entityType',
  'streamName',
  'shardId',
  'kinactWriter',
  'kinactFailover',
  'kinactWish',
  'kinactAnswer',
  'kinactStream',
] as const;

/** How many characters of a wrong value the reason shows. */
const maxShown = 64;

/** Counters above this are malformed. Renewals never reach it, and it leaves room for centuries of renewals below 2^53. */
const highestCounter = Number.MAX_SAFE_INTEGER - 2 ** 32;

/**
 * The end of the year 9999, epoch milliseconds. Larger numbers may not be dates: reading cannot start there, and they cannot
 * be shown.
 */
const latestTime = 253_402_300_799_999;

/** The reason why a row is malformed. Thrown and caught only in this file. */
class Unreadable extends Error {}

/** Reads one item of the lease table. Never throws, whatever the item holds. */
export function readLeaseRow(item: Item): ReadRow {
  if (typeof item !== 'object' || item === null)
    return { type: 'malformed', malformed: { leaseKey: '', reason: 'the item is no map' } };
  const key = keyOf(item);
  try {
    const entityType = textOf(item, 'entityType');
    if (entityType !== undefined && entityType !== 'LEASE') return { type: 'foreign', entityType, key };
    return { type: 'lease', row: leaseOf(item) };
  } catch (thrown) {
    if (!(thrown instanceof Unreadable)) throw thrown;
    const owner = item['leaseOwner']?.S;
    const leaseOwner = typeof owner === 'string' && owner !== '' ? { leaseOwner: owner } : {};
    return { type: 'malformed', malformed: { leaseKey: key, reason: thrown.message, ...leaseOwner } };
  }
}

/**
 * The item that creates a lease row.
 * @throws KinactError BROKEN_INVARIANT when the row could not be read back: no malformed row may reach the table.
 */
export function writeLeaseRow(row: LeaseRow): Item {
  const item: Item = {
    leaseKey: { S: row.leaseKey },
    leaseCounter: { N: String(row.leaseCounter) },
    ownerSwitchesSinceCheckpoint: { N: String(row.ownerSwitchesSinceCheckpoint) },
    checkpoint: { S: row.checkpoint },
    checkpointSubSequenceNumber: { N: String(row.checkpointSubSequenceNumber) },
  };

  if (row.parentShardIds.length > 0) item['parentShardId'] = textSet(row.parentShardIds);
  if (row.childShardIds.length > 0) item['childShardIds'] = textSet(row.childShardIds);
  if (row.startingHashKey !== undefined) item['startingHashKey'] = { S: row.startingHashKey };
  if (row.endingHashKey !== undefined) item['endingHashKey'] = { S: row.endingHashKey };
  for (const name of optionalTexts) {
    const value = row[name];
    if (value !== undefined) item[name] = { S: value };
  }
  if (row.kinactLatestAt !== undefined) item['kinactLatestAt'] = { N: String(row.kinactLatestAt) };
  if (row.kinactAutoAt !== undefined) item['kinactAutoAt'] = { N: String(row.kinactAutoAt) };

  const back = readLeaseRow(item);
  if (back.type === 'malformed') {
    throw new KinactError(
      'BROKEN_INVARIANT',
      `A lease row that cannot be read was to be written: ${back.malformed.reason}.`,
      {
        data: { leaseKey: row.leaseKey },
      },
    );
  }
  return item;
}

/** A string set; DynamoDB refuses one that names a member twice. */
export function textSet(members: readonly string[]): AttributeValue {
  return { SS: [...new Set(members)] };
}

/** Whether the attribute `checkpoint` may have this text. */
export function isCheckpoint(text: string): boolean {
  return sentinels.has(text) || isDecimal(text);
}

function leaseOf(item: Item): LeaseRow {
  const leaseKey = required(textOf(item, 'leaseKey'), 'leaseKey');
  const checkpoint = required(textOf(item, 'checkpoint'), 'checkpoint');
  if (!isCheckpoint(checkpoint)) {
    throw new Unreadable(`checkpoint is neither a sequence number nor a sentinel: "${excerpt(checkpoint, maxShown)}"`);
  }

  const kinactLatestAt = timeOf(item, 'kinactLatestAt');
  const kinactAutoAt = timeOf(item, 'kinactAutoAt');
  const texts: Partial<Record<(typeof optionalTexts)[number], string>> = {};
  for (const name of optionalTexts) {
    const value = textOf(item, name);
    if (value !== undefined) texts[name] = value;
  }

  return {
    leaseKey,
    leaseCounter: counterOf(item),
    ownerSwitchesSinceCheckpoint: countOf(item, 'ownerSwitchesSinceCheckpoint') ?? 0,
    checkpoint,
    checkpointSubSequenceNumber: countOf(item, 'checkpointSubSequenceNumber') ?? 0,
    parentShardIds: setOf(item, 'parentShardId'),
    childShardIds: setOf(item, 'childShardIds'),
    ...rangeOf(item),
    ...texts,
    ...(kinactLatestAt === undefined ? {} : { kinactLatestAt }),
    ...(kinactAutoAt === undefined ? {} : { kinactAutoAt }),
  };
}

/** Every write of a holder raises the counter. If it cannot rise, the lease could never be taken or renewed. */
function counterOf(item: Item): number {
  const counter = required(countOf(item, 'leaseCounter'), 'leaseCounter');
  if (counter > highestCounter)
    throw new Unreadable(
      `leaseCounter is ${counter}, so close to 2^53 that it cannot rise: stop the workers and set it lower`,
    );
  return counter;
}

/**
 * Reads a range that no shard can have (one end missing, not decimal, start ≥ end) as none. It is then filled in from ListShards
 * like a missing one (KCL clause 2.10). DynamoDB Streams rows have a dummy range anyway.
 */
function rangeOf(item: Item): Partial<HashKeyRange> {
  const startingHashKey = textOf(item, 'startingHashKey');
  const endingHashKey = textOf(item, 'endingHashKey');
  if (startingHashKey === undefined || endingHashKey === undefined) return {};
  const [start, end] = [hashKeyOf(startingHashKey), hashKeyOf(endingHashKey)];
  return start !== undefined && end !== undefined && start < end ? { startingHashKey, endingHashKey } : {};
}

function hashKeyOf(text: string): bigint | undefined {
  return text.length <= HASH_KEY_DIGITS ? readDecimal(text, HASH_KEY_DIGITS) : undefined;
}

function required<Value>(value: Value | undefined, name: string): Value {
  if (value === undefined) throw new Unreadable(`${name} is missing`);
  return value;
}

function textOf(item: Item, name: string): string | undefined {
  const attribute = attributeOf(item, name);
  if (attribute === undefined) return undefined;
  const value: unknown = attribute['S'];
  if (typeof value !== 'string') throw new Unreadable(`${name} is not of type S but ${typeNames(attribute)}`);
  if (value === '') throw new Unreadable(`${name} is an empty string`);
  return value;
}

function countOf(item: Item, name: string): number | undefined {
  const attribute = attributeOf(item, name);
  if (attribute === undefined) return undefined;
  const text: unknown = attribute['N'];
  if (typeof text !== 'string') throw new Unreadable(`${name} is not of type N but ${typeNames(attribute)}`);
  const value = isDecimal(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value))
    throw new Unreadable(`${name} is not an integer of 0 to 2^53 - 1: "${excerpt(text, maxShown)}"`);
  return value;
}

function timeOf(item: Item, name: string): number | undefined {
  const at = countOf(item, name);
  if (at !== undefined && at > latestTime) throw new Unreadable(`${name} is no time in epoch milliseconds: ${at}`);
  return at;
}

function setOf(item: Item, name: string): readonly string[] {
  const attribute = attributeOf(item, name);
  if (attribute === undefined) return [];
  const members: unknown = attribute['SS'];
  if (!Array.isArray(members)) throw new Unreadable(`${name} is not of type SS but ${typeNames(attribute)}`);
  for (const member of members) {
    if (typeof member !== 'string' || member === '') throw new Unreadable(`${name} holds a member that is no shard id`);
  }
  return members as readonly string[];
}

function attributeOf(item: Item, name: string): Record<string, unknown> | undefined {
  if (!Object.hasOwn(item, name)) return undefined;
  const attribute: unknown = item[name];
  if (attribute === undefined) return undefined;
  if (typeof attribute !== 'object' || attribute === null) throw new Unreadable(`${name} is no attribute value`);
  return attribute as Record<string, unknown>;
}

/** The key for a report; empty if the key itself is wrong. */
function keyOf(item: Item): string {
  const key: unknown = Object.hasOwn(item, 'leaseKey') ? item['leaseKey'] : undefined;
  const text: unknown = typeof key === 'object' && key !== null ? (key as { S?: unknown }).S : undefined;
  return typeof text === 'string' ? text : '';
}

function typeNames(attribute: Record<string, unknown>): string {
  return Object.keys(attribute).slice(0, 2).join(', ').slice(0, 40) || 'nothing';
}
