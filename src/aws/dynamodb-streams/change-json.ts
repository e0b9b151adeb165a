// The JSON of a change: the `data` of its record, in the shape of the Java adapter. Invariant: one record has the same bytes at every
// read, whichever client has read it. So an item parked as bytes is the same change when it is replayed. Called by changes-answer.ts;
// change-record.ts reads this JSON.
import type { RawRecord } from '../../api/ports.js';
import { isSequenceNumber } from '../../core/sequence-number.js';
import { attributesJson } from './attribute-value.js';

/** A record of GetRecords, from the JSON of the service or from the SDK; any member may be missing. */
interface AnyRecord {
  readonly eventID?: unknown;
  readonly eventName?: unknown;
  readonly eventVersion?: unknown;
  readonly eventSource?: unknown;
  readonly awsRegion?: unknown;
  readonly dynamodb?: {
    readonly ApproximateCreationDateTime?: unknown;
    readonly Keys?: unknown;
    readonly NewImage?: unknown;
    readonly OldImage?: unknown;
    readonly SequenceNumber?: unknown;
    readonly SizeBytes?: unknown;
    readonly StreamViewType?: unknown;
  } | null;
  readonly userIdentity?: { readonly PrincipalId?: unknown; readonly Type?: unknown } | null;
}

/** The raw record of a change. Throws a SyntaxError if it has no sequence number. */
export function rawRecordOf(given: unknown): RawRecord<Buffer> {
  const record = (given ?? {}) as AnyRecord;
  const dynamodb = record.dynamodb ?? {};
  const { SequenceNumber: sequenceNumber, Keys: keys } = dynamodb;
  if (typeof sequenceNumber !== 'string' || !isSequenceNumber(sequenceNumber)) {
    throw new SyntaxError('GetRecords was answered with something that is no record');
  }

  const arrivedAt = timeOf(dynamodb.ApproximateCreationDateTime);
  return {
    sequenceNumber,
    data: Buffer.from(changeJson(record, arrivedAt)),
    ...(isMap(keys) ? { partitionKey: itemKey(keys) } : {}),
    ...(arrivedAt === undefined ? {} : { arrivedAt }),
  };
}

/** The primary key of an item as text: its attributes sorted by name, with their types. Two items have two keys. */
export function itemKey(keys: object): string {
  return attributesJson(keys, true);
}

function changeJson({ dynamodb, userIdentity, ...event }: AnyRecord, arrivedAt: number | undefined): string {
  const { Keys, NewImage, OldImage, SequenceNumber, SizeBytes, StreamViewType } = dynamodb ?? {};
  const change = membersJson([
    ['ApproximateCreationDateTime', textOf(arrivedAt)],
    ['Keys', imageJson(Keys)],
    ['NewImage', imageJson(NewImage)],
    ['OldImage', imageJson(OldImage)],
    ['SequenceNumber', textOf(SequenceNumber)],
    ['SizeBytes', textOf(SizeBytes)],
    ['StreamViewType', textOf(StreamViewType)],
  ]);
  const author = membersJson([
    ['principalId', textOf(userIdentity?.PrincipalId)],
    ['type', textOf(userIdentity?.Type)],
  ]);
  return membersJson([
    ['awsRegion', textOf(event.awsRegion)],
    ['dynamodb', change],
    ['eventID', textOf(event.eventID)],
    ['eventName', textOf(event.eventName)],
    ['eventSource', textOf(event.eventSource)],
    ['eventVersion', textOf(event.eventVersion)],
    ['userIdentity', author === '{}' ? undefined : author],
  ]);
}

function membersJson(members: readonly (readonly [name: string, json: string | undefined])[]): string {
  const present = members.filter(([, json]) => json !== undefined);
  return `{${present.map(([name, json]) => `"${name}":${json}`).join(',')}}`;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? JSON.stringify(value) : undefined;
}

function imageJson(image: unknown): string | undefined {
  return isMap(image) ? attributesJson(image) : undefined;
}

function isMap(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Epoch milliseconds: the SDK gives a Date, the service seconds. */
function timeOf(created: unknown): number | undefined {
  const ms = created instanceof Date ? created.getTime() : typeof created === 'number' ? created * 1_000 : Number.NaN;
  return Number.isFinite(ms) ? Math.round(ms) : undefined;
}
