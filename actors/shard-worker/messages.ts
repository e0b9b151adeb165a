// The messages that a shard worker receives, including those that it sends to itself.
import type { Dispositions, Whereabouts } from '../protocol/disposition.js';
import type { MessageOf } from '../protocol/handlers.js';
import type { HookMessage } from '../protocol/hook-call.js';
import type { ShardWorkerRequest } from '../protocol/lease-messages.js';
import type { FailureMessage } from '../protocol/pending-failures.js';
import type { TenureAnswer } from '../protocol/tenure.js';
import type { ReadResult, SourceNotice } from '../../src/api/ports.js';

export type ShardWorkerMessage =
  | ShardWorkerRequest
  | { readonly type: 'tenure'; readonly answer: TenureAnswer }
  | { readonly type: 'readDone'; readonly result: ReadResult }
  | { readonly type: 'readFailed'; readonly error: unknown }
  | { readonly type: 'notice'; readonly notice: SourceNotice }
  /** The application has paused or resumed the intake: `options.intake` says which. */
  | { readonly type: 'intakeChanged' }
  | { readonly type: 'notified'; readonly channel: number; readonly dispositions: Dispositions }
  | { readonly type: 'collected'; readonly channel: number; readonly dispositions: Dispositions }
  /** `waiting`: the ordinals of records that wait for another attempt. */
  | { readonly type: 'punctuated'; readonly channel: number; readonly waiting: readonly number[] }
  | FailureMessage
  | HookMessage
  /** The shard worker's message to itself: admit the next slice. */
  | { readonly type: 'admit'; readonly slice: number }
  /** The byte budget of the process is full, and this shard worker holds much of it or waits for some. */
  | { readonly type: 'askedToFlush' }
  /** Where the record of this ordinal is. If `ordinal` is undefined: where the unanswered punctuation is. */
  | { readonly type: 'locatedForWatchdog'; readonly ordinal: number | undefined; readonly whereabouts: Whereabouts }
  | { readonly type: 'watchdog' }
  /** The ledger may have been full for too long: see pending-limit.ts. */
  | { readonly type: 'limitDue' }
  | { readonly type: 'ackWaitReported'; readonly heldForMs: number }
  /** The age of the oldest record is to be compared with the stream's retention: see retention.ts. */
  | { readonly type: 'ageDue' }
  | { readonly type: 'locatedForAge'; readonly ordinal: number; readonly whereabouts: Whereabouts }
  /** Nothing may have been admitted for too long: see reading-stop.ts. */
  | { readonly type: 'readingStopDue' }
  | { readonly type: 'locatedForReadingStop'; readonly ordinal: number; readonly whereabouts: Whereabouts }
  /** A stage has died. */
  | { readonly type: 'askFailed' };

export type Message<Type extends ShardWorkerMessage['type']> = MessageOf<ShardWorkerMessage, Type>;
