// A turn is one call of `receive`, with its inputs and its effects.
import type { Effect } from '../protocol/actor.js';
import type { ShardWorkerMessage } from './messages.js';
import type { ShardWorkerOptions } from './options.js';
import type { ShardWorkerState } from './state.js';

export interface ShardWorkerTurn {
  readonly options: ShardWorkerOptions;
  readonly state: ShardWorkerState;
  /** Monotonic: when the call began. */
  readonly now: number;
  readonly effects: Effect<ShardWorkerMessage>[];
}
