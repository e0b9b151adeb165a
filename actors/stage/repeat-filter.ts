// Recognizes messages that a stage has received before. Reducers number their messages, and the questions of a worker have rising
// numbers. A repeated message is dropped and counted.
import { effect, type Effect, type ReplyTo } from '../protocol/actor.js';
import type { StageMessage } from '../protocol/pipeline.js';
import type { ReducerQueue, StageTurn, WorkerEntry } from './state.js';

export const repeated: Effect<StageMessage> = effect.count('repeatedMessages');

/** Returns false for a repeated message. Otherwise credit would return twice, or one answer to a punctuation would count as two. */
export function acceptNumber({ effects }: StageTurn, queue: ReducerQueue, number: number): boolean {
  if (number <= queue.received) {
    effects.push(repeated);
    return false;
  }
  queue.received = number;
  return true;
}

/**
 * Returns false for a repeated message. Otherwise records would be routed twice, or dispositions would be lost in the answer to a
 * closed question.
 */
export function acceptQuestion({ effects }: StageTurn, entry: WorkerEntry, { question }: ReplyTo<never>): boolean {
  if (question <= entry.asked) {
    effects.push(repeated);
    return false;
  }
  entry.asked = question;
  return true;
}
