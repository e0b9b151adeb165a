// The state of an origin, and its turn.
import type { Effect, Ref, ReplyTo } from '../protocol/actor.js';
import type { OriginRequest } from '../protocol/origin-messages.js';
import type { ReducerRequest } from '../protocol/pipeline-messages.js';
import type { Tenure } from '../protocol/tenure.js';
import type { Deque } from '../../src/core/deque.js';
import type { NumberRanges } from '../../src/core/number-ranges.js';
import type { Message, OriginMessage } from './messages.js';
import type { PipeOriginOptions } from './options.js';

/** A call that has come, with a number of its own. */
export interface NumberedCall {
  readonly number: number;
  readonly call: Message<'feed'> | Message<'flush'> | Message<'notifyUpstreamFailure'>;
}

/** The feed that the first node has not processed yet. */
export interface OpenFeed {
  readonly number: number;
  /** The offset of its last message. */
  readonly offset: number;
  /** How many of its messages are not processed. */
  left: number;
  /** Undefined: its deadline has passed. */
  replyTo: Message<'feed'>['replyTo'] | undefined;
}

export interface PipeOriginState {
  readonly self: Ref<OriginMessage>;
  readonly tenure: Tenure;
  /** Undefined until all nodes have started. */
  pipe: Ref<ReducerRequest | OriginRequest> | undefined;
  /** Who waits for the start. */
  readonly opening: ReplyTo<void>[];
  /** The calls that wait for their turn. */
  readonly calls: Deque<NumberedCall>;
  lastCall: number;
  feed: OpenFeed | undefined;
  /** The flushes on their way, by the number of the call. */
  readonly flushes: Map<number, Message<'flush'>>;
  /** The offsets that are done. */
  readonly settled: NumberRanges;
  /** The number of the last message to the pipe, and of the last one from it. */
  lastSent: number;
  lastReceived: number;
  /** The number of the last question from outside. */
  lastQuestion: number;
  /** The newest offset that `onSettled` was called with, and whether that call runs. */
  noticed: number;
  isNoticing: boolean;
  /** The end does not wait for `onSettled`. */
  isNoticeDue: boolean;
}

/** One call of `receive`. */
export interface OriginTurn {
  readonly options: PipeOriginOptions;
  readonly state: PipeOriginState;
  readonly effects: Effect<OriginMessage>[];
}
