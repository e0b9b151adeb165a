// The state of a stage.
import type { Ref, ReplyTo } from '../protocol/actor.js';
import type { Dispositions, HeldRecord } from '../protocol/disposition.js';
import type { DeliveredItem, Fetch } from '../protocol/item.js';
import type { ReducerRequest, StageMessage } from '../protocol/pipeline-messages.js';
import type { Tenure } from '../protocol/tenure.js';
import type { Deque } from '../../src/core/deque.js';
import type { UserRecord } from '../../src/api/ports.js';
import type { PendingFailures } from '../protocol/pending-failures.js';
import type { WaitingSnapshot } from '../../src/api/status.js';

/** The stage's entry for one shard worker. */
export interface ShardWorkerEntry {
  readonly tenure: Tenure;
  /** How many records have at least one item in a queue. */
  recordsQueued: number;
  /** The dispositions for this shard worker, kept until the stage answers one of its questions. */
  outbox: Dispositions;
  /** The questions of the shard worker that have no answer yet. */
  openNotify: { readonly replyTo: ReplyTo<Dispositions>; readonly batch: Batch } | undefined;
  /** Punctuation that waits for records before it to be extracted. */
  readonly deferredPunctuation: Punctuation[];
  /** When the stage last received or extracted records of this shard worker, monotonic milliseconds. */
  extractedAt: number;
  openCollect: ReplyTo<Dispositions> | undefined;
  /** The number of the shard worker's last question: a repeated question is dropped. */
  lastQuestion: number;
}

/** The records of one notify. */
export interface Batch {
  readonly entry: ShardWorkerEntry;
  readonly ordinals: readonly number[];
  readonly records: readonly UserRecord[];
  /** The read that brought each record. */
  readonly fetches: readonly Fetch[];
  /** The index of the first record that has not been extracted. */
  next: number;
  /** How many of the records have an item in a queue. */
  recordsQueued: number;
  /** By ordinal: how many items of the record are in a queue. Only of records that have several. */
  readonly itemsQueued: Map<number, number>;
}

export interface Punctuation {
  readonly punctuation: number;
  readonly shardWorker: number;
  readonly kind: 'flush' | 'drain';
}

export type QueueEntry = DeliveredItem | Punctuation;

export interface ReducerQueue {
  ref: Ref<ReducerRequest> | undefined;
  credit: number;
  /** The number of the last numbered message to this reducer: `items`, `punctuation` or `revoked`. */
  lastSent: number;
  /** The number of the last message from this reducer: a repeated message is dropped. */
  lastReceived: number;
  readonly entries: Deque<QueueEntry>;
  /** For each of the `entries` the batch that it came with; undefined for punctuation. Another object for each item would cost more. */
  readonly batches: Deque<Batch | undefined>;
  /** When this reducer last settled anything, monotonic milliseconds. */
  settledAt: number;
}

/** A shard worker's request for a flush or a drain, and how many reducers have not answered it. */
interface OpenPunctuation {
  readonly kind: 'flush' | 'drain';
  readonly shardWorkerNumber: number;
  readonly replyTo: ReplyTo<readonly number[]>;
  /** The ordinals of the shard worker's records that wait for another attempt. */
  readonly waiting: number[];
  missing: number;
}

export interface StageState {
  readonly self: Ref<StageMessage>;
  readonly queues: readonly ReducerQueue[];
  /** By shard worker number. */
  readonly shardWorkerEntries: Map<number, ShardWorkerEntry>;
  /** The shard workers with records to extract, the next one first. */
  readonly extractionQueue: Deque<ShardWorkerEntry>;
  /** The number of the last slice of extraction that was asked for, and whether it is still to come. */
  lastSlice: number;
  sliceIsDue: boolean;
  readonly punctuations: Map<number, OpenPunctuation>;
  nextPunctuationId: number;
  readonly pendingFailures: PendingFailures<FailedRecord>;
}

/** A record whose `extract` or `key` has failed. It stays open until a policy has decided, and a sink has kept it. */
export interface FailedRecord {
  readonly entry: ShardWorkerEntry;
  readonly ordinal: number;
  readonly record: UserRecord;
  /** Monotonic milliseconds. */
  readonly since: number;
}

/** A stage as `status()` shows it. */
export interface StageStatus {
  /** How many shard workers have an entry in the stage. */
  readonly shardWorkers: number;
  /** The oldest record of each shard worker in this stage. */
  readonly holding: readonly HeldRecord[];
  /** The records that have failed and that a sink does not keep yet. */
  readonly waiting: readonly WaitingSnapshot[];
  readonly queues: readonly { readonly reducer: number; readonly queued: number; readonly credit: number }[];
}
