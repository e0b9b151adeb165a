// The messages of the pipeline: from shard workers and reducers to a stage, and from stages to a reducer.
import type { Ref, ReplyTo } from './actor.js';
import type { Disposed, Dispositions, Whereabouts } from './disposition.js';
import type { FailureMessage } from './pending-failures.js';
import type { DeliveredItem, Fetch } from './item.js';
import type { Tenure } from './tenure.js';
import type { UserRecord } from '../../src/api/ports.js';

export type StageMessage =
  /** A reducer has started and grants its first credit. */
  | { readonly type: 'join'; readonly reducer: number; readonly ref: Ref<ReducerRequest>; readonly credit: number }
  /**
   * Hands over records, in order. The answer signals demand: all items of the batch have left the stage, or few of the shard worker's
   * records wait there.
   */
  | {
      readonly type: 'notify';
      readonly tenure: Tenure;
      readonly shardWorkerRef: Ref<never>;
      readonly ordinals: readonly number[];
      readonly records: readonly UserRecord[];
      /** The read that brought each record. */
      readonly fetches: readonly Fetch[];
      readonly replyTo: ReplyTo<Dispositions>;
    }
  /** A stage's message to itself: extract the next slice. */
  | { readonly type: 'extract'; readonly slice: number }
  /** A shard worker with open records asks for dispositions. The answer comes as soon as there is one. */
  | { readonly type: 'collect'; readonly shardWorker: number; readonly replyTo: ReplyTo<Dispositions> }
  /**
   * Puts punctuation behind this shard worker's data. The answer comes once every reducer has answered the punctuation. It names the
   * shard worker's records that wait for another attempt: before the answer to a `drain`, they were tried once more.
   */
  | {
      readonly type: 'punctuate';
      readonly shardWorker: number;
      readonly kind: 'flush' | 'drain';
      readonly replyTo: ReplyTo<readonly number[]>;
    }
  /**
   * Asks where this record is; without an ordinal, where the shard worker's last punctuation is. The stage or the reducer that holds it
   * answers.
   */
  | {
      readonly type: 'locate';
      readonly shardWorker: number;
      readonly ordinal: number | undefined;
      readonly replyTo: ReplyTo<Whereabouts>;
    }
  /**
   * Asks for how long all open records of this shard worker have waited for the application's acknowledgement alone, in milliseconds. 0:
   * some record waits for something else, or a reducer runs a call. The stages are asked in turn, then the reducers.
   */
  | {
      readonly type: 'waitsForAck';
      readonly shardWorker: number;
      readonly nextStages: readonly Ref<StageMessage>[];
      readonly replyTo: ReplyTo<number>;
    }
  /** The shard worker's tenure has ended: drop what is queued for it and inform the reducers. */
  | { readonly type: 'retire'; readonly shardWorker: number }
  | Disposed
  /** `waiting`: the ordinals of the shard worker's records that wait for another attempt in this reducer. */
  | {
      readonly type: 'punctuated';
      readonly reducer: number;
      readonly number: number;
      readonly id: number;
      readonly waiting: readonly number[];
    }
  | { readonly type: 'shardWorkerDown'; readonly shardWorker: number }
  | { readonly type: 'beat' }
  /** A policy, or a sink, has answered about a record whose `extract` or `key` failed. */
  | FailureMessage;

/**
 * The messages of other actors to a reducer. Each stage numbers its messages. One whose number is not above the last is dropped
 * and counted.
 */
export type ReducerRequest =
  | {
      readonly type: 'items';
      readonly stage: Ref<StageMessage>;
      readonly number: number;
      readonly items: readonly DeliveredItem[];
    }
  | {
      readonly type: 'punctuation';
      readonly stage: Ref<StageMessage>;
      readonly number: number;
      readonly id: number;
      readonly shardWorker: number;
      readonly kind: 'flush' | 'drain';
    }
  /**
   * A stage sends every reducer a heartbeat once per `flushIntervalMs`; only a raw behaviour gets to see it. Heartbeats have no number,
   * because a repeated heartbeat is harmless.
   */
  | { readonly type: 'heartbeat' }
  | {
      readonly type: 'revoked';
      readonly stage: Ref<StageMessage>;
      readonly number: number;
      readonly shardWorker: number;
      readonly source: string;
      readonly shardId: string;
      readonly fence: number;
    }
  /** These questions need no number: the first answer closes a question, so a second answer has no effect. */
  | (LocateTarget & {
      readonly type: 'locate';
      readonly replyTo: ReplyTo<Whereabouts>;
      readonly next: readonly Ref<ReducerRequest>[];
      /** It is still in the stage's queue for this reducer. */
      readonly queued: boolean;
    })
  /**
   * `heldForMs`: the answer of the reducers asked so far; Infinity if they hold nothing. `ordinal`: a reducer asks the pipe behind it about
   * this record.
   */
  | {
      readonly type: 'waitsForAck';
      readonly shardWorker: number;
      readonly ordinal?: number;
      readonly heldForMs: number;
      readonly next: readonly Ref<ReducerRequest>[];
      readonly replyTo: ReplyTo<number>;
    };

/** A record, or a punctuation. */
export type LocateTarget =
  | { readonly shardWorker: number; readonly ordinal: number }
  | { readonly stage: Ref<StageMessage>; readonly punctuation: number };
