// The messages that a node receives, including those that it sends to itself.
import type { MessageOf } from '../protocol/handlers.js';
import type { FailureMessage } from '../protocol/pending-failures.js';
import type { NodeRequest } from '../protocol/pipe-messages.js';

export type NodeMessage =
  | NodeRequest
  /** The run of calls with this number has ended, or gives way. */
  | { readonly type: 'ran'; readonly run: number }
  /** kinact's own code has thrown in a run. */
  | { readonly type: 'broken'; readonly error: unknown }
  /** The next node has processed what it was fed. */
  | { readonly type: 'fed' }
  /** The next node has drained and ended. */
  | { readonly type: 'nextEnded' }
  /** The next node has stopped. The pipe fails with it, so this node only waits. */
  | { readonly type: 'nextStopped' }
  /** A call may have taken longer than `timeoutMs`, or than `answerDeadlineMs` after that. */
  | { readonly type: 'callDue' }
  /** The delay after a failed call may be over. */
  | { readonly type: 'attemptDue' }
  /** Timers of states may be due, or routes idle. */
  | { readonly type: 'routesDue' }
  | FailureMessage;

export type Message<Type extends NodeMessage['type']> = MessageOf<NodeMessage, Type>;
