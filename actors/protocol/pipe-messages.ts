// The messages between a pipe and its nodes, and between neighbouring nodes.
import type { Ref, ReplyTo } from './actor.js';
import type { Disposed, Whereabouts } from './disposition.js';
import { SentMessage } from './pipe-message.js';
import type { Tenure } from './tenure.js';

/** Travels through the pipe like a message: each node flushes when it comes, and passes it on behind what it has emitted. */
export interface FlushMark {
  readonly type: 'flushMark';
  /** Unique in the pipe. */
  readonly number: number;
}

/** What one node sends to the next, in order. */
export type Entry = SentMessage | FlushMark;

export function isFlushMark(entry: Entry): entry is FlushMark {
  // Not by its members: user code may give a message any.
  return !SentMessage.isMessage(entry);
}

/** The messages to a node. */
export type NodeRequest =
  /**
   * Hands over entries, in order. At most one feed of a neighbour is open. The answer says that this node has processed them all, and not
   * that they are done.
   */
  | { readonly type: 'feed'; readonly entries: readonly Entry[]; readonly replyTo: ReplyTo<void> }
  /**
   * Nothing more comes: process what is here, flush, drain, let the next node do the same, answer, and end. A node that has reported
   * `nodeEnds` gets it, too: with an error, it only drains what it has emitted.
   */
  | { readonly type: 'upstreamFailed'; readonly replyTo: ReplyTo<void> }
  /** Stop at once: nothing can be sent on. What is queued is dropped, and a call that runs is aborted and waited for. Then answer. */
  | { readonly type: 'downstreamFailed'; readonly error: Error; readonly replyTo: ReplyTo<void> }
  /** The tenure of a shard worker has ended: drop what belongs to it alone. */
  | { readonly type: 'revoked'; readonly shardWorker: number }
  /**
   * A drain waits: make an attempt that is pending now, once, and then answer. If none is pending, answer when no call runs: at the end
   * of the call that runs now, or at once.
   */
  | { readonly type: 'attemptNow'; readonly replyTo: ReplyTo<AttemptAnswer> }
  /** Where is this record? Undefined: not in this node. It may look at everything the node holds. */
  | {
      readonly type: 'locateRecord';
      readonly shardWorker: number;
      readonly ordinal: number;
      readonly replyTo: ReplyTo<Whereabouts | undefined>;
    };

/** Whether a failed call still holds the node. */
export interface AttemptAnswer {
  readonly isWaiting: boolean;
}

/**
 * Items that are done, of one shard worker and stage. `ordinals[i]` and `items[i]` name one item. If the tenure has ended, the pipe settles
 * nothing, and tells the stage that it has ended.
 */
export interface SettledItems {
  readonly tenure: Tenure;
  readonly stage: Ref<Disposed>;
  readonly ordinals: number[];
  readonly items: number[];
}

/** The messages of a node to its pipe. Each node numbers its messages from 1; one whose number is not above the last is dropped. */
export type NodeReport =
  | {
      readonly type: 'settled';
      readonly node: number;
      readonly number: number;
      readonly settled: readonly SettledItems[];
    }
  /** The last node has flushed for this mark: so have all. */
  | { readonly type: 'flushed'; readonly node: number; readonly number: number; readonly mark: number }
  /** A failed call begins to hold the node, or holds it no more. */
  | { readonly type: 'nodeWaits'; readonly node: number; readonly number: number; readonly isWaiting: boolean }
  /** The policy says `crash`, a call is overdue, or a callback has asked for the end of the pipe. `error` is absent in the last case. */
  | { readonly type: 'nodeEnds'; readonly node: number; readonly number: number; readonly error?: Error };
