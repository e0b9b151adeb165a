// The messages of a supervisor: requests of the application, and its own about its children.
import type { Ending, Ref, ReplyTo } from './actor.js';
import type { ChildSpec } from './child-spec.js';

/** The answer to `startChild`. */
export type ChildStarted =
  | { readonly type: 'started'; readonly ref: Ref<never> }
  | { readonly type: 'failed'; readonly error: Error };

/** One line of the answer to `children`. */
export interface ChildInfo {
  readonly id: string;
  /** Undefined for a transient child that ended normally. */
  readonly ref: Ref<never> | undefined;
}

/** What a supervisor answers to. */
export type SupervisorMessage =
  /** Adds a child after all others. Under an id that is taken, or when it does not start, it is not added. */
  | { readonly type: 'startChild'; readonly spec: ChildSpec; readonly replyTo?: ReplyTo<ChildStarted> }
  /** Stops a child and forgets its spec. The answer says how it ended; undefined when there was none of this id. */
  | { readonly type: 'terminateChild'; readonly id: string; readonly replyTo?: ReplyTo<Ending | undefined> }
  /** Answered when no start or restart is under way. */
  | { readonly type: 'children'; readonly replyTo: ReplyTo<readonly ChildInfo[]> };

export type Message =
  | SupervisorMessage
  | { readonly type: 'childStarted'; readonly id: string; readonly ref: Ref<never> }
  | { readonly type: 'childEnding'; readonly id: string; readonly ref: Ref<never>; readonly how: Ending }
  | { readonly type: 'childDown'; readonly id: string; readonly ref: Ref<never> | undefined; readonly how: Ending }
  | { readonly type: 'childDidNotStart'; readonly id: string; readonly error: Error };
