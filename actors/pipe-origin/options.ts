// The options of an origin.
import type { Behaviour, Ending, Ref } from '../protocol/actor.js';
import type { OriginRequest } from '../protocol/origin-messages.js';
import type { ReducerRequest, StageMessage } from '../protocol/pipeline-messages.js';
import type { Clock } from '../../src/api/ports.js';

/** What has been fed, and up to where it is done. The origin writes it, and it outlives the origin. */
export interface Offsets {
  /** The offset of the first message. */
  readonly first: number;
  /** The offset that the next message gets. */
  next: number;
  /** Everything before this offset is done: the first one that is not, or `next`. */
  firstOpen: number;
  /** How many messages are not done. */
  open: number;
  /** How the pipe has ended. */
  ending: Ending | undefined;
}

export function createOffsets(first: number): Offsets {
  return { first, next: first, firstOpen: first, open: 0, ending: undefined };
}

export interface PipeOriginOptions {
  /** The name that items have as their source and their shard. */
  readonly name: string;
  readonly clock: Clock;
  readonly offsets: Offsets;
  /** Called with the newest offset up to which everything is done. Calls do not overlap. */
  readonly onSettled?: (offset: number) => unknown;
  /** How long the end waits for the pipe, and then for calls of `onSettled`. */
  readonly callDeadlineMs: number;
  /** Aborts when the pipe has ended: the signal of its items. */
  readonly signal: AbortSignal;
  readonly makePipe: (origin: Ref<StageMessage>) => Behaviour<never, ReducerRequest | OriginRequest>;
}
