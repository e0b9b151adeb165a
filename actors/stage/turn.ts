// A turn is one call of `receive`, with its inputs and its effects.
import type { Effect } from '../protocol/actor.js';
import type { StageMessage } from '../protocol/pipeline-messages.js';
import type { StageOptions } from './options.js';
import type { StageState } from './state.js';

export interface StageTurn {
  readonly options: StageOptions;
  readonly state: StageState;
  /** Monotonic: when the call began. Extraction may take long, so it reads the clock itself. */
  readonly now: number;
  readonly effects: Effect<StageMessage>[];
}
