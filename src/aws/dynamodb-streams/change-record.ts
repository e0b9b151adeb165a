// A record as the application sees it, made of a raw record alone: its change is decoded at the first use. Until then only the bytes are
// in memory, which is what the byte budget counts. Called by the source's `unpack`, and by `kinact parked replay` with stored bytes.
import type { Change, ChangeAuthor, ChangeRecord, RawChange } from '../../api/change.js';
import type { RawRecord } from '../../api/ports.js';
import { decodeAttributes, sdkAttributes } from './attribute-value.js';
import type { NumberForm } from './number-text.js';

/** The JSON that change-json.ts writes. */
interface StoredChange {
  readonly awsRegion?: string;
  readonly dynamodb: {
    readonly ApproximateCreationDateTime?: number;
    readonly Keys?: unknown;
    readonly NewImage?: unknown;
    readonly OldImage?: unknown;
    readonly SequenceNumber?: string;
    readonly SizeBytes?: number;
    readonly StreamViewType?: string;
  };
  readonly eventID?: string;
  readonly eventName?: string;
  readonly eventSource?: string;
  readonly eventVersion?: string;
  readonly userIdentity?: { readonly principalId?: string; readonly type?: string };
}

const eventNames: ReadonlySet<unknown> = new Set<Change['eventName']>(['INSERT', 'MODIFY', 'REMOVE']);

/** The adapter between the bytes and the application. The members are those of `UserRecord`, and two that are made when asked for. */
class DecodedRecord implements ChangeRecord {
  readonly sequenceNumber: string;
  readonly partitionKey?: string;
  readonly data: Buffer;
  readonly arrivedAt?: number;
  readonly #numbers: NumberForm;
  #change: Change | undefined;
  #raw: RawChange | undefined;

  constructor({ sequenceNumber, partitionKey, data, arrivedAt }: RawRecord<Buffer>, numbers: NumberForm) {
    this.sequenceNumber = sequenceNumber;
    if (partitionKey !== undefined) this.partitionKey = partitionKey;
    this.data = data;
    if (arrivedAt !== undefined) this.arrivedAt = arrivedAt;
    this.#numbers = numbers;
  }

  get change(): Change {
    this.#change ??= changeOf(storedIn(this.data), this.#numbers);
    return this.#change;
  }

  get raw(): RawChange {
    this.#raw ??= rawChangeOf(storedIn(this.data));
    return this.#raw;
  }
}

export function changeRecord(record: RawRecord<Buffer>, numbers: NumberForm): ChangeRecord {
  return new DecodedRecord(record, numbers);
}

/** Throws a TypeError if the bytes are no change: an application may have replayed bytes of another source. */
function storedIn(data: Buffer): StoredChange {
  const stored = JSON.parse(data.toString()) as Partial<StoredChange> | null;
  if (typeof stored !== 'object' || typeof stored?.dynamodb !== 'object') {
    throw new TypeError('the data of the record is not the JSON of a change');
  }
  return stored as StoredChange;
}

function changeOf({ dynamodb, eventName, userIdentity }: StoredChange, numbers: NumberForm): Change {
  if (!eventNames.has(eventName)) throw new TypeError(`the event ${JSON.stringify(eventName)} is unknown`);
  const { ApproximateCreationDateTime: at = Number.NaN, Keys, NewImage, OldImage, SizeBytes: sizeBytes = 0 } = dynamodb;
  return {
    eventName: eventName as Change['eventName'],
    keys: decodeAttributes(Keys, numbers),
    ...(NewImage === undefined ? {} : { newImage: decodeAttributes(NewImage, numbers) }),
    ...(OldImage === undefined ? {} : { oldImage: decodeAttributes(OldImage, numbers) }),
    at,
    sizeBytes,
    ...(userIdentity === undefined ? {} : { userIdentity: authorOf(userIdentity) }),
  };
}

function authorOf({ principalId = '', type = '' }: NonNullable<StoredChange['userIdentity']>): ChangeAuthor {
  return { principalId, type };
}

function rawChangeOf({ dynamodb, userIdentity, ...event }: StoredChange): RawChange {
  const { ApproximateCreationDateTime: created, Keys, NewImage, OldImage, ...rest } = dynamodb;
  return {
    ...event,
    dynamodb: {
      ...(created === undefined ? {} : { ApproximateCreationDateTime: new Date(created) }),
      ...(Keys === undefined ? {} : { Keys: sdkAttributes(Keys) }),
      ...(NewImage === undefined ? {} : { NewImage: sdkAttributes(NewImage) }),
      ...(OldImage === undefined ? {} : { OldImage: sdkAttributes(OldImage) }),
      ...rest,
    },
    ...(userIdentity === undefined ? {} : { userIdentity: identityOf(userIdentity) }),
  };
}

function identityOf({
  principalId,
  type,
}: NonNullable<StoredChange['userIdentity']>): NonNullable<RawChange['userIdentity']> {
  return {
    ...(principalId === undefined ? {} : { PrincipalId: principalId }),
    ...(type === undefined ? {} : { Type: type }),
  };
}
