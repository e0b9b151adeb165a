// Recognises messages that a stage has had before: reducers number their messages, and the questions of a worker have rising
// numbers. A repeated message is dropped and counted.
import { effect } from '../protocol/actor.js';
import type { Effect, ReplyTo } from '../protocol/actor.js';
import type { StageMessage } from '../protocol/pipeline.js';
import type { ReducerQueue, StageTurn, WorkerEntry } from './state.js';

export const repeated: Effect<StageMessage> = effect.count('repeatedMessages');

/** False for a repeated message: credit would be given back twice, or a punctuation counted as answered by two reducers. */
export function acceptNumber({ effects }: StageTurn, queue: ReducerQueue, number: number): boolean {
  if (number <= queue.received) {
    effects.push(repeated);
    return false;
  }
  queue.received = number;
  return true;
}

/**
 * False for a repeated message: records would be routed twice, or an answer given to a question that is closed, and its
 * content lost.
 */
export function acceptQuestion({ effects }: StageTurn, entry: WorkerEntry, { question }: ReplyTo<never>): boolean {
  if (question <= entry.asked) {
    effects.push(repeated);
    return false;
  }
  entry.asked = question;
  return true;
}
