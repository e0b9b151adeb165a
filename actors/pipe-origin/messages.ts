// The messages that an origin receives, including those that it sends to itself.
import type { Ending, Ref, ReplyTo } from '../protocol/actor.js';
import type { MessageOf } from '../protocol/handlers.js';
import type { OriginRequest } from '../protocol/origin-messages.js';
import type { ReducerRequest, StageMessage } from '../protocol/pipeline-messages.js';

/** A message from outside. */
export interface FedValue {
  readonly value: unknown;
  readonly key: string;
}

/**
 * `done`: for a feed, with the offset of its last message. `overdue`: the deadline has passed; `begun` says that it goes on. `ended`: the
 * origin ends, and `begun` says whether the call had its turn.
 */
export type CallAnswer =
  | { readonly type: 'done'; readonly offset: number }
  | { readonly type: 'overdue'; readonly begun: boolean; readonly offset: number }
  | { readonly type: 'ended'; readonly begun: boolean };

interface Call {
  /** Milliseconds from now. */
  readonly deadlineMs: number | undefined;
  readonly replyTo: ReplyTo<CallAnswer>;
}

/** The messages from outside. Feeds, flushes and the end are carried out in the order in which they come. */
export type OriginCall =
  /** Answered when the pipe has started. */
  | { readonly type: 'open'; readonly replyTo: ReplyTo<void> }
  /** Answered when the first node has processed all of it. */
  | (Call & { readonly type: 'feed'; readonly values: readonly FedValue[] })
  /** Answered when the last node has flushed. */
  | (Call & { readonly type: 'flush' })
  /** Nothing more comes. The origin ends when its pipe has drained. */
  | { readonly type: 'notifyUpstreamFailure' };

export type OriginMessage =
  | OriginCall
  | Extract<StageMessage, { readonly type: 'join' | 'disposed' | 'punctuated' }>
  | { readonly type: 'pipeStarted'; readonly pipe: Ref<ReducerRequest | OriginRequest> }
  | { readonly type: 'pipeDown'; readonly how: Ending }
  /** The deadline of a call has passed. */
  | { readonly type: 'overdue'; readonly call: number }
  /** `onSettled` has returned, or its promise has settled. */
  | { readonly type: 'noticed'; readonly failure?: { readonly error: unknown } }
  /** The end does not wait for `onSettled` any longer. */
  | { readonly type: 'noticeDue' };

export type Message<Type extends OriginMessage['type']> = MessageOf<OriginMessage, Type>;
