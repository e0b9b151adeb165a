// Records as a source delivers them, and as the application sees them.

/**
 * A record as the service delivered it: possibly an aggregate. A source may give any bytes; `unpack` gets them as a Buffer over the
 * same memory.
 */
export interface RawRecord<Data extends Uint8Array = Uint8Array> {
  /** The place in the shard: decimal digits. */
  readonly sequenceNumber: string;
  /** Absent if the producer gave none, which streams with `RecordDistributionStrategy: 'AUTO'` allow. */
  readonly partitionKey?: string | undefined;
  /** The bytes. */
  readonly data: Data;
  /** When the record arrived, epoch milliseconds; absent if the service does not report it. */
  readonly arrivedAt?: number | undefined;
}

/** The records of an answer, in order: an array, or a list that makes a record when somebody looks at it. */
export interface RecordList<Entry extends RawRecord = RawRecord> extends Iterable<Entry> {
  readonly length: number;
  /** The record at `index`, as of an array: a negative index counts from the end. */
  at(index: number): Entry | undefined;
}

/** A record as the application sees it: a plain record, or one user record of an aggregate. */
export interface UserRecord {
  /** The place in the shard. All records of one aggregate have the same sequence number. */
  readonly sequenceNumber: string;
  /** Index inside the aggregate; absent for a plain record. */
  readonly subSequenceNumber?: number;
  /** Absent if the producer gave none, which streams with `RecordDistributionStrategy: 'AUTO'` allow. */
  readonly partitionKey?: string | undefined;
  /** The producer's hash key, decimal, if it gave one. */
  readonly explicitHashKey?: string;
  /**
   * The bytes, not a copy. The bytes of an aggregated record are a view of the whole aggregate, and any such view keeps the
   * aggregate in memory. Other records share a buffer of 64 KiB with their neighbors. To keep bytes beyond the call, keep
   * `Uint8Array.prototype.slice.call(data)`, not `data`. `data.slice()` is no copy, because `data` is a Buffer.
   */
  readonly data: Buffer;
  /** When Kinesis received the record, milliseconds since the epoch; absent if the service does not report it. */
  readonly arrivedAt?: number | undefined;
}
