// The state of a shard worker.
import type { Ref } from '../protocol/actor.js';
import type { RepeatedFailure } from '../protocol/repeated-failure.js';
import type { StageMessage } from '../protocol/pipeline-messages.js';
import type { LeaseKeeperRequest } from '../protocol/lease-messages.js';
import type { HookCall } from '../protocol/hook-call.js';
import type { Fetch } from '../protocol/item.js';
import type { Tenure, ShardWorkerEnd } from '../protocol/tenure.js';
import type { ByteAccount } from '../../src/core/byte-budget.js';
import type { RecordQueue } from '../../src/core/record-queue.js';
import type { Ledger } from '../../src/core/ledger.js';
import type { Position } from '../../src/core/position.js';
import type { RawRecord, ShardReader, Unpacked, UserRecord } from '../../src/api/ports.js';
import type { RetrievalReason, RetrievalWay } from '../../src/api/retrieval.js';
import type { PendingFailures } from '../protocol/pending-failures.js';
import type { ConsumerEvents } from '../../src/api/events.js';
import type { ShardWorkerMessage } from './messages.js';

export interface ShardWorkerState {
  readonly self: Ref<ShardWorkerMessage>;
  readonly keeper: Ref<LeaseKeeperRequest>;
  tenure: Tenure | undefined;
  reader: ShardReader | undefined;
  /** The shard worker's account in the byte budget. It is opened together with the reader. */
  account: ByteAccount | undefined;
  readonly ledger: Ledger;
  admission: Admission;
  /** The number of the last slice of admission that was asked for, and whether it is still to come. */
  lastSlice: number;
  sliceIsDue: boolean;
  readonly channels: readonly Channel[];
  reading: boolean;
  /** The call of `onShardStarted`: see start-hook.ts. */
  readonly startHook: HookCall;
  /** The end of the shard that a read has found. It waits while the application has paused the intake. */
  foundEnd: Extract<ShardWorkerEnd, { readonly type: 'shardEnd' }> | undefined;
  /** Ends the messages `intakeChanged`. */
  unwatchIntake: (() => void) | undefined;
  /** What is known about the checkpoint at which the shard worker began; undefined once it is known to be of this shard. */
  startCheck: StartCheck | undefined;
  /** The calls of the reader that have failed in a row. */
  failing: RepeatedFailure | undefined;
  /** Whether a read has succeeded under this tenure, since when (monotonic) reads fail, and when that is reported next. */
  hasRead: boolean;
  failingSince: number | undefined;
  reportFailingAt: number;
  /** Why the shard worker fetches nothing more. The shard worker ends once everything admitted is settled. */
  ending: ShardWorkerEnd | undefined;
  /** Nothing more is fetched or admitted for now, because the lease is to be handed over. */
  pausedForHandOver: boolean;
  /** The number of the last pause. */
  lastPause: number;
  /**
   * The last punctuation and when it was sent, with the counts of records handed out and settled by then. Another of that kind is
   * sent only when a count has grown.
   */
  lastPunctuation: {
    readonly kind: 'flush' | 'drain' | undefined;
    readonly handedOut: number;
    readonly settled: number;
    readonly at: number;
  };
  /** How many records the stages have got. */
  handedOut: number;
  reportedOrdinal: number;
  advancedAt: number;
  settledAt: number;
  /** How many of the settled records and bytes the meter's tally has counted. */
  readonly tallied: { records: number; bytes: number };
  millisBehindLatest: number | undefined;
  /** The read that brought the records that are being admitted. */
  fetch: Fetch;
  /** The record that no actor held when the watchdog last asked, and since when. */
  unlocated: { readonly ordinal: number | undefined; readonly since: number } | undefined;
  /** How the reader fetches records, and since when (monotonic). */
  retrieval: {
    readonly by: RetrievalWay;
    readonly since: number;
    readonly why?: RetrievalReason;
    readonly error?: unknown;
  };
  /** When the service gave the last answer that the shard worker has, or the tenure began. */
  readAt: number;
  /** The same by the wall clock: the monotonic one may stand still while the machine sleeps. */
  readAtWall: number;
  /** The oldest record that was read and dropped because the shard worker ends: see lag.ts. */
  dropped: { readonly arrivedAt: number; readonly at: number } | undefined;
  /** What is known about a record that may expire: see retention.ts. */
  atRisk: ConsumerEvents['retentionAtRisk'] | undefined;
  /** Whether reading has stopped because records wait: see reading-stop.ts. */
  readonly readingStop: ReadingStop;
  /**
   * Since when the ledger has been full, whether a timer or a question about that is under way, and whether the shard worker has warned.
   */
  readonly pendingLimit: { fullSince: number | undefined; watching: boolean; warned: boolean };
  finished: boolean;
  /** The last pause that cannot succeed, as the keeper has been told. 0 before the first one. */
  pauseGivenUp: number;
  readonly pendingFailures: PendingFailures<UndecodedPart>;
}

/** What is known about the checkpoint at which the shard worker began: see start-check.ts. */
export interface StartCheck {
  /** The number of the record at the checkpoint. */
  readonly checkpoint: string;
  /** The last record that came, while all have lower numbers than the checkpoint. */
  newest: string | undefined;
  /** When an answer from the tip came first, monotonic. */
  tipSince: number | undefined;
  /** The source has said that a shard is behind. So if it says that this one is not, that is the tip. */
  knowsBacklog: boolean;
  /** The checkpoint is not of this shard: what is wrong, in words. */
  refutation: string | undefined;
}

/** A part of an aggregate that cannot be decoded. */
export interface UndecodedPart {
  /** Its place in the ledger, which holds the checkpoint back. */
  readonly ordinal: number;
  /** Where the part begins. */
  readonly position: Position;
  /** The whole aggregate. */
  readonly record: RawRecord<Buffer>;
  /** Monotonic milliseconds. */
  readonly since: number;
}

/** What the shard worker knows about a stop of its reading. */
export interface ReadingStop {
  /** Since when nothing more could be admitted; undefined if something can. */
  since: number | undefined;
  /** How many records had been admitted by then. */
  admitted: number;
  /** A timer or a question is under way. */
  watching: boolean;
  /** Since when the stop that was reported has lasted; undefined if none was. */
  reportedSince: number | undefined;
}

/** The conversation with one stage: at most one open question of each kind. */
export interface Channel {
  readonly stage: Ref<StageMessage>;
  ordinals: number[];
  records: UserRecord[];
  /** The read that brought each record. */
  fetches: Fetch[];
  notifying: boolean;
  collecting: boolean;
  /** A notify was sent. Before the first, the stage answers no collect. */
  hasNotified: boolean;
  /** The stage has not answered the last punctuation. */
  punctuating: boolean;
  /** The ordinals that waited for another attempt at the answer to the last punctuation. */
  waiting: readonly number[];
}

/** The raw record that is being admitted. */
export interface CurrentRecord {
  readonly record: RawRecord<Buffer>;
  readonly unpacked: Unpacked;
  /** The index of the first user record that is not admitted. */
  next: number;
  /** The index in `unpacked.filtered` of the next record that is out of range. */
  nextFiltered: number;
}

/** The records that were read and are not admitted yet. */
export interface Admission {
  readonly rawRecords: RecordQueue<RawRecord>;
  /**
   * Bytes of `rawRecords`, and of a plain record that is being admitted. An aggregate that is being admitted counts in the
   * ledger: its buffer is pinned there.
   */
  rawBytes: number;
  current: CurrentRecord | undefined;
  /** Everything up to here was settled before this start; undefined once a later record has come. */
  startPosition: Position | undefined;
  reportedOutOfRange: boolean;
  reportedMalformed: boolean;
  duplicates: number;
}

/** How a shard worker must end at a record, because a policy requires it. */
export type AdmissionEnd =
  | { readonly type: 'crash'; readonly error: Error }
  | { readonly type: 'stopShard'; readonly error: Error };
