// What a record of a DynamoDB stream says: one item of the table was put, changed or removed. `dynamodbStream` makes these values, and
// applications read them. The SDK's types are described by shape, because its package is an optional peer.
import type { UserRecord } from './ports.js';

/** Who made a change that no application made. Absent for the changes of applications. */
export interface ChangeAuthor {
  /** `dynamodb.amazonaws.com` if the table's TTL removed the item. */
  readonly principalId: string;
  /** `Service` if the table's TTL removed the item. */
  readonly type: string;
}

/**
 * A change of one item of a table, as plain values: text, numbers, booleans, `null`, arrays, objects, a `Set` for a set, a `Buffer` for
 * binary. `Image` is the type of the table's items. kinact does not check it: it is what you know about the table. The option `numbers`
 * of `dynamodbStream` says what a number becomes.
 */
export interface Change<Image = Readonly<Record<string, unknown>>> {
  /** `INSERT`: the item is new. `MODIFY`: it was there. `REMOVE`: it is gone, by a delete or by TTL. */
  readonly eventName: 'INSERT' | 'MODIFY' | 'REMOVE';
  /**
   * The primary key of the item: one attribute, or two. The type does not say which ones. You know them:
   * `change.keys as Pick<Order, 'id'>`.
   */
  readonly keys: Partial<Image>;
  /** The item after the change. Absent at `REMOVE`, and if the stream's view type has no new images. */
  readonly newImage?: Image;
  /** The item before the change. Absent at `INSERT`, and if the stream's view type has no old images. */
  readonly oldImage?: Image;
  /** When the change was made, milliseconds since the epoch, cut to the second by DynamoDB. NaN if the service does not report it. */
  readonly at: number;
  /** The size of the record as DynamoDB counts it, in bytes. 0 if the service does not report it. */
  readonly sizeBytes: number;
  /** Who made the change, if it was not an application: see {@link isTtlRemoval}. */
  readonly userIdentity?: ChangeAuthor;
}

/** An attribute as DynamoDB writes it: one member, named after the type. A number is text. */
export interface ChangedAttribute {
  /** Text. */
  readonly S?: string;
  /** A number, as text. */
  readonly N?: string;
  /** Bytes. */
  readonly B?: Uint8Array;
  /** A set of texts. */
  readonly SS?: readonly string[];
  /** A set of numbers, as texts. */
  readonly NS?: readonly string[];
  /** A set of bytes. */
  readonly BS?: readonly Uint8Array[];
  /** A map. */
  readonly M?: Readonly<Record<string, ChangedAttribute>>;
  /** A list. */
  readonly L?: readonly ChangedAttribute[];
  /** True: the attribute is null. */
  readonly NULL?: boolean;
  /** A boolean. */
  readonly BOOL?: boolean;
}

/** A record as the SDK's client for DynamoDB Streams gives it: its type `_Record`, by shape. */
export interface RawChange {
  /** Identifies the event. */
  readonly eventID?: string;
  /** `INSERT`, `MODIFY` or `REMOVE`. */
  readonly eventName?: string;
  /** The version of the record's format. */
  readonly eventVersion?: string;
  /** `aws:dynamodb`. */
  readonly eventSource?: string;
  /** The region of the table. */
  readonly awsRegion?: string;
  /** The change. */
  readonly dynamodb?: {
    /** When the change was made, to the second. */
    readonly ApproximateCreationDateTime?: Date;
    /** The primary key of the item. */
    readonly Keys?: Readonly<Record<string, ChangedAttribute>>;
    /** The item after the change. */
    readonly NewImage?: Readonly<Record<string, ChangedAttribute>>;
    /** The item before the change. */
    readonly OldImage?: Readonly<Record<string, ChangedAttribute>>;
    /** The place in the shard. */
    readonly SequenceNumber?: string;
    /** The size of the record, in bytes. */
    readonly SizeBytes?: number;
    /** Which images the stream has. */
    readonly StreamViewType?: string;
  };
  /** Who made the change, if no application did. */
  readonly userIdentity?: {
    /** `dynamodb.amazonaws.com` for TTL. */
    readonly PrincipalId?: string;
    /** `Service` for TTL. */
    readonly Type?: string;
  };
}

/**
 * A record of a DynamoDB stream, as `extract` gets it. `partitionKey` is the item's primary key as text, the same for all changes of the
 * item. `data` is the record as JSON. The members are getters of a class, so a copy by spreading lacks them.
 */
export interface ChangeRecord<Image = Readonly<Record<string, unknown>>> extends UserRecord {
  /**
   * The change as plain values, decoded at the first use.
   *
   * @throws RangeError if a number does not fit the option `numbers`. TypeError if the record cannot be decoded. In `extract`, and
   * without one, both go to `onFailure`.
   */
  readonly change: Change<Image>;
  /** The record as the SDK gives it: types beside values, numbers as text. Made at the first use. */
  readonly raw: RawChange;
}

/**
 * Whether the table's TTL (time to live) has removed the item, and no application.
 *
 * @example
 * ```ts
 * const reduce = (expired: number, { value }: Item<Change>) => expired + (isTtlRemoval(value) ? 1 : 0);
 * ```
 */
export function isTtlRemoval({ eventName, userIdentity }: Pick<Change, 'eventName' | 'userIdentity'>): boolean {
  return (
    eventName === 'REMOVE' && userIdentity?.type === 'Service' && userIdentity.principalId === 'dynamodb.amazonaws.com'
  );
}
