// The messages between a reducer and the pipe behind it. Only the reducer speaks with the stages: it reports what the pipe has settled.
// Invariant: what one call has emitted is sent in one message, and a mark behind all that was emitted before it.
import type { Ref } from './actor.js';
import type { SentMessage } from './pipe-message.js';
import type { SettledItems } from './pipe-messages.js';

/** The messages of a reducer to the pipe behind it, numbered from 1. A message whose number is not above the last is dropped. */
export type PipeFeed =
  | {
      readonly type: 'emitted';
      readonly number: number;
      readonly reducer: Ref<PipeNews>;
      readonly messages: readonly SentMessage[];
    }
  /** A punctuation that the reducer is done with: flush, and answer with `markPassed`. */
  | {
      readonly type: 'emittedMark';
      readonly number: number;
      readonly reducer: Ref<PipeNews>;
      readonly mark: number;
      readonly kind: 'flush' | 'drain';
    }
  /** The tenure of this shard worker has ended: drop what belongs to it alone. */
  | {
      readonly type: 'emittedLost';
      readonly number: number;
      readonly reducer: Ref<PipeNews>;
      readonly shardWorker: number;
    };

/** The messages of the pipe to its reducer, numbered likewise. */
export type PipeNews =
  | {
      readonly type: 'pipeNews';
      readonly number: number;
      /** How many emitted messages the first node has processed since the last news, or the pipe has dropped; and their bytes. */
      readonly taken: number;
      readonly takenBytes: number;
      /** The items that are done in the pipe. */
      readonly settled: readonly SettledItems[];
      /** Whether a failed call holds a node. */
      readonly isWaiting: boolean;
    }
  /** All nodes have flushed for this mark, or a failed call holds a node, also after one more attempt. */
  | { readonly type: 'markPassed'; readonly number: number; readonly mark: number };
