// What the application learns about a failure: the record or item, and where its code has failed.

/** The facts about a failure, as `onFailure` gets them. */
export interface FailedItem {
  /** The source's name. */
  readonly source: string;
  /** The shard that the record came from. */
  readonly shardId: string;
  /** The record's sequence number in its shard. */
  readonly sequenceNumber: string;
  /** Index inside an aggregated record; absent for a plain one. */
  readonly subSequenceNumber?: number | undefined;
  /** The record's bytes, not a copy; for `decode`, those of the whole aggregate. Absent if a raw call failed without an item. */
  readonly data?: Buffer | undefined;
  /** When Kinesis received the record, milliseconds since the epoch; absent if the service does not report it. */
  readonly arrivedAt?: number | undefined;
  /** Absent when no key was known yet (`extract`, `key`, decoding). */
  readonly key?: string | undefined;
  /** The value that `extract` made; absent if there is no item yet. */
  readonly value?: unknown;
  /**
   * Where the failure happened.
   * - `decode`: some user records of an aggregate cannot be decoded.
   * - `key`, `extract`: this function threw, or returned a value that it must not return. Without either, `extract` means that the source
   *   could not make an item: a change of a table with a number that does not fit.
   * - `reduce`: `reduce` threw, or a raw behaviour threw at `items`.
   * - `flush`: `flush` threw, or a raw behaviour threw at another message.
   * - `process`: `process` threw, or called `ctx.fail` for this item.
   * - `node`: a callback of a pipe's node threw; `node` names it.
   * - `ack`: the application called `ctx.fail`, in a reducer of another kind.
   */
  readonly at: 'decode' | 'key' | 'extract' | 'reduce' | 'flush' | 'process' | 'node' | 'ack';
  /** The node of the pipe where the failure happened, such as `aggregate/2`; absent elsewhere. */
  readonly node?: string | undefined;
  /**
   * The number of failed items: after a failed flush all items that it covered, after a failed raw call those that are not
   * acknowledged. After a failed call of `process`: all its items, or 1 if an item has failed alone. The other members name the
   * oldest. If a raw call fails without an item, this is 0, and they may be empty.
   */
  readonly items: number;
}
