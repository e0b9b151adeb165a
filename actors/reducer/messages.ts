// The messages that a reducer receives, including those that it sends to itself.
import type { MessageOf } from '../protocol/handlers.js';
import type { FailureMessage } from '../protocol/pending-failures.js';
import type { PipeNews } from '../protocol/pipe-feed.js';
import type { ReducerRequest } from '../protocol/pipeline-messages.js';
import type { ProcessCall } from './batches/batching.js';
import type { RawJob } from './calls/raw-behaviour.js';
import type { FlushJob, FoldJob } from './calls/user-calls.js';

export type ReducerActorMessage =
  | ReducerRequest
  | PipeNews
  | { readonly type: 'folded'; readonly job: FoldJob }
  | { readonly type: 'flushed'; readonly job: FlushJob }
  | { readonly type: 'behaved'; readonly job: RawJob }
  | { readonly type: 'processed'; readonly call: ProcessCall }
  /** A call may have taken longer than `timeoutMs`, or than `callDeadlineMs` after that. */
  | { readonly type: 'timeoutDue' }
  | { readonly type: 'broken'; readonly error: unknown }
  | { readonly type: 'flushDue' }
  /** The rate limit has changed: reserved tokens are void. */
  | { readonly type: 'limitChanged' }
  /** An attempt with a held key, or of the waiting call, or a reservation of tokens may be due. */
  | { readonly type: 'attemptDue' }
  | FailureMessage
  /** Application code has called `ctx.ack` or `ctx.fail`. */
  | { readonly type: 'contextCalled' };

export type Message<Type extends ReducerActorMessage['type']> = MessageOf<ReducerActorMessage, Type>;
