// What a stage is made with and what it keeps.
import type { Ref, ReplyTo } from '../protocol/actor.js';
import type { StageMessage } from '../protocol/pipeline.js';
import type { Lane, WorkerEntry } from './lane.js';
import type { Deque } from '../../src/core/deque.js';
import type { Clock, UserRecord } from '../../src/api/ports.js';
import type { Extract, OnFailure } from '../../src/api/reducer.js';

export interface StageOptions {
  readonly index: number;
  readonly reducers: number;
  readonly clock: Clock;
  readonly extract?: Extract | undefined;
  readonly key?: ((record: UserRecord) => string) | undefined;
  readonly opaqueOf: (source: string) => unknown;
  readonly onFailure: OnFailure;
  readonly maxPending: number;
  readonly flushIntervalMs: number;
}

interface Punctuation {
  readonly worker: number;
  readonly replyTo: ReplyTo<true>;
  missing: number;
}

export interface StageState {
  readonly self: Ref<StageMessage>;
  readonly lanes: readonly Lane[];
  readonly workers: Map<number, WorkerEntry>;
  /** Who has records that are not items yet, the next first. */
  readonly extracting: Deque<WorkerEntry>;
  /** Turns of extraction asked for, and whether the last one is still to come. */
  turns: number;
  turnIsDue: boolean;
  readonly punctuations: Map<number, Punctuation>;
  nextPunctuation: number;
}
