// The messages of a supervisor: requests of the application, and the supervisor's own messages about its children.
import type { Ending, Ref, ReplyTo } from './actor.js';
import type { ChildSpec } from './child-spec.js';

/** The answer to `startChild`. */
export type ChildStarted =
  | {
      readonly type: 'started';
      /** The child. */
      readonly ref: Ref<never>;
    }
  | {
      readonly type: 'failed';
      /** Why it did not start: its error, or that its id is taken. */
      readonly error: Error;
    };

/** One line of the answer to `children`. */
export interface ChildInfo {
  /** The child's id, as in its spec. */
  readonly id: string;
  /** Undefined for a transient child that ended without a crash. */
  readonly ref: Ref<never> | undefined;
}

/** The requests that a supervisor takes. */
export type SupervisorMessage =
  /** Adds a child after all others. It is not added if its id is taken or it does not start. */
  | {
      readonly type: 'startChild';
      /** The child. */
      readonly spec: ChildSpec;
      /** Gets whether the child has started. */
      readonly replyTo?: ReplyTo<ChildStarted>;
    }
  /** Stops a child and forgets its spec. The answer is its `Ending`; undefined if no child with this id was running. */
  | {
      readonly type: 'terminateChild';
      /** The child's id. */
      readonly id: string;
      /** Gets how the child ended. */
      readonly replyTo?: ReplyTo<Ending | undefined>;
    }
  /** Answered when no start, stop or restart is under way. */
  | {
      readonly type: 'children';
      /** Gets the children, in start order. */
      readonly replyTo: ReplyTo<readonly ChildInfo[]>;
    };

export type Message =
  | SupervisorMessage
  | { readonly type: 'childStarted'; readonly id: string; readonly ref: Ref<never> }
  | { readonly type: 'childEnding'; readonly id: string; readonly ref: Ref<never>; readonly how: Ending }
  | { readonly type: 'childDown'; readonly id: string; readonly ref: Ref<never>; readonly how: Ending }
  | { readonly type: 'childDidNotStart'; readonly id: string; readonly error: Error }
  /** The delay before a restart is over. */
  | { readonly type: 'delayOver' };
