// A record as the application sees it, made of a raw record alone: its change is decoded at the first use. Until then only the bytes are
// in memory, which is what the byte budget counts. Called by the source's `unpack`, and by `kinact parked replay` with stored bytes.
import type { Change, ChangeAuthor, ChangeRecord, RawChange } from '../../api/change.js';
import type { RawRecord } from '../../api/ports.js';
import { excerpt } from '../../core/visible.js';
import { decodeAttributes, faultyPath, sdkAttributes } from './attribute-value.js';
import type { NumberForm } from './number-text.js';

/** A name or a key may be long. */
const maxPlaceCharacters = 200;

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
    this.#change ??= this.#decoded(storedIn(this.data));
    return this.#change;
  }

  #decoded(stored: StoredChange): Change {
    try {
      return changeOf(stored, this.#numbers);
    } catch (error) {
      throw withPlace(error, placeOf(stored, this.#numbers), this.partitionKey);
    }
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

/** The attribute that cannot be decoded, as a path in the change, from `newImage` on for example. Searched only after a failure. */
function placeOf({ dynamodb: { Keys, NewImage, OldImage } }: StoredChange, numbers: NumberForm): string | undefined {
  for (const [name, attributes] of Object.entries({ keys: Keys, newImage: NewImage, oldImage: OldImage })) {
    if (typeof attributes !== 'object' || attributes === null || Array.isArray(attributes)) continue;
    const path = faultyPath(attributes, numbers);
    if (path !== '') return excerpt(`${name}.${path}`, maxPlaceCharacters);
  }
  return undefined;
}

/** The error with the attribute and the key of the item before its message. */
function withPlace(error: unknown, place: string | undefined, key: string | undefined): unknown {
  if (place === undefined || !(error instanceof Error)) return error;
  const item = key === undefined ? '' : ` of the item ${excerpt(key, maxPlaceCharacters)}`;
  const message = `${place}${item}: ${error.message}`;
  return error instanceof RangeError ? new RangeError(message) : new TypeError(message);
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
