// The items that the policy `park` sets aside, and the sinks that keep them. `park` (src/options/park-policy.ts) makes the policy.
import type { FailedItem } from './failed-item.js';

/** The part of a parked message of one lease. */
export interface ParkedRange {
  /** The source's name. */
  readonly source: string;
  /** The identity of the stream, as in `ParkedItem`. */
  readonly stream?: string | undefined;
  /** The shard that the records came from. */
  readonly shardId: string;
  /** The fencing token of the lease. */
  readonly fence: number;
  /** The sequence number of the first record. Others between `first` and `last` may not belong to it. */
  readonly first: string;
  /** The sequence number of the last record. */
  readonly last: string;
  /** How many items. An item of which the message is one of several shares counts, too. */
  readonly items: number;
}

/** Where a parked message of a pipe failed, and what it stands for. */
export interface ParkedMessage {
  /** The name of the node on which it failed, without its number. */
  readonly node: string;
  /** The place of this node among `nodes`. */
  readonly index: number;
  /** The names of all nodes of the pipe. */
  readonly nodes: readonly string[];
  /** The heads of its route, the newest last. */
  readonly route: readonly string[];
  /** What it stands for, by lease. None if it stands for nothing. */
  readonly standsFor: readonly ParkedRange[];
  /**
   * The idempotency key of the item that it stands for, if the entry has a key of its own: for a message of `openPipe`, because its
   * offset may come again.
   */
  readonly itemKey?: string | undefined;
  /**
   * How many bytes of `data` each value has, in order: one value, or those of a batch that has failed. Absent: `data` is the bytes of the
   * record, and the value is the item that `extract` makes of it.
   */
  readonly valueBytes?: readonly number[] | undefined;
}

/** A failed item, or a failed message of a pipe, that is set aside, with all that a replay needs. */
export interface ParkedItem {
  /**
   * The same as `token.idempotencyKey` of the item, for every delivery on any machine. A record that gave no item (`decode`, `key`,
   * `extract`) has `-` in place of the item's index. A message of a pipe that does not stand for one whole item has the key of its first
   * item. The node, and a hash of route and value, follow it. That of a message of `openPipe` ends in a text of its own.
   */
  readonly idempotencyKey: string;
  /** The application that parked the item. */
  readonly application: string;
  /** The source's name. Of a message that stands for several items, this and the place that follows are those of the first of them. */
  readonly source: string;
  /**
   * The identity of the stream: `<arn>#<creation epoch seconds>`, or the ARN alone for a table's stream. Absent if the service has not
   * told it.
   */
  readonly stream?: string | undefined;
  /** The shard that the record came from. */
  readonly shardId: string;
  /** The record's sequence number in its shard. */
  readonly sequenceNumber: string;
  /** Index inside an aggregated record; absent for a plain one. */
  readonly subSequenceNumber?: number | undefined;
  /**
   * Index among the items that `extract` made of the record, from 0. Absent if the record gave no item, and for a message that does not
   * stand for one whole item.
   */
  readonly itemIndex?: number | undefined;
  /** The key of the item. Absent where `itemIndex` is. */
  readonly key?: string | undefined;
  /** The partition key of the record; absent if the producer gave none. */
  readonly partitionKey?: string | undefined;
  /** The producer's hash key, decimal, if it gave one. */
  readonly explicitHashKey?: string | undefined;
  /**
   * The bytes of the record, not a copy: keep a copy if you keep them beyond the call. For a message with `valueBytes`: the bytes of its
   * values, one after the other.
   */
  readonly data: Buffer;
  /** When Kinesis received the record, milliseconds since the epoch; absent if the service does not report it. */
  readonly arrivedAt?: number | undefined;
  /** Where the failure happened. */
  readonly at: FailedItem['at'];
  /** How often the call has failed in this incarnation of the pipeline. */
  readonly attempts: number;
  /** The error of the last attempt, as the application threw it. */
  readonly error: unknown;
  /** When the item first failed, milliseconds since the epoch. */
  readonly failedAt: number;
  /** When this attempt to park it began, milliseconds since the epoch. */
  readonly parkedAt: number;
  /** Only for what failed in a pipe: where it goes on, and what it stands for. */
  readonly message?: ParkedMessage | undefined;
}

/** What a sink gets beside the item. */
export interface ParkContext {
  /** Aborts when nobody waits for this call any more: its deadline has passed, its lease has ended, or the pipeline stops. */
  readonly signal: AbortSignal;
}

/**
 * Keeps a parked item. The item counts as parked when the promise is fulfilled: it must be durable by then. A throw or a rejection means
 * that it is not parked. So does a result that is no promise, because then the write is not awaited. An item may be parked more than
 * once, with the same `idempotencyKey`.
 */
export interface ParkingSink {
  (item: ParkedItem, context: ParkContext): PromiseLike<unknown>;
  /**
   * Looks whether the sink can keep anything. `start()` of the consumer calls it, before it reads or takes anything, and `openPipe`
   * before a node starts. They reject with its error if it throws or rejects. It has `callDeadlineMs`. Absent: nothing is looked at. The
   * sinks that a function as `onFailure` picks are not known at the start, so they are not checked.
   */
  readonly check?: ((context: ParkingSinkCheck) => PromiseLike<unknown>) | undefined;
  /** The stream that the sink puts items into, if it is one. A consumer refuses one that it reads itself. */
  readonly stream?: NamedStream | undefined;
}

/** What the check of a sink gets. */
export interface ParkingSinkCheck {
  /** Aborts when nobody waits for the check any more: its deadline has passed, or the consumer stops. */
  readonly signal: AbortSignal;
  /** Says what could not be found out, or is temporary: an event `warning`. The start goes on. */
  readonly warn: (message: string, error?: Error) => void;
}

/** A stream as the application has named it. */
export interface NamedStream {
  /** The name of the stream; the last part of its ARN. */
  readonly streamName: string;
  /** The ARN, if it was given. */
  readonly streamArn?: string | undefined;
  /** The region, if it was given, or if the ARN says it. */
  readonly region?: string | undefined;
  /** The client that the application has given. */
  readonly client?: unknown;
}
