// The options of a reducer.
import type { Ref } from '../protocol/actor.js';
import type { FailureOptions } from '../protocol/pending-failures.js';
import type { StageMessage } from '../protocol/pipeline-messages.js';
import type { PipeBehindRef } from './emitting/pipe-behind.js';
import type { ReducerActorMessage } from './messages.js';
import type { CallTally } from '../../src/core/call-tally.js';
import type { RateLimit } from '../../src/core/rate-limit.js';
import type { ReducerDefinition } from '../../src/api/reducer.js';

export interface ReducerOptions extends FailureOptions {
  readonly index: number;
  readonly definition: ReducerDefinition;
  readonly stages: readonly Ref<StageMessage>[];
  /** How many items a stage may have sent to this reducer that are not folded yet. */
  readonly credit: number;
  readonly batchSize: number;
  readonly batchIntervalMs: number;
  /** Counts the items that this and other reducers have settled after a call. */
  readonly progress: { settled: number };
  /** Counts the calls that have ended, by kind (call-meter.ts). Absent, or empty, without a meter. */
  readonly calls?: ReadonlyMap<string, CallTally>;
  /** The rate limit that all reducers of the process share. Default: there is none. */
  readonly limit?: RateLimit;
  /** The pipe behind the reducer. Default: there is none, and nothing can be emitted. */
  readonly pipe?: PipeBehindRef;
  /** Sends a message from outside any behaviour: `ctx.ack` may be called at any time. */
  readonly sendFromOutside: (to: Ref<ReducerActorMessage>, message: ReducerActorMessage) => void;
}
