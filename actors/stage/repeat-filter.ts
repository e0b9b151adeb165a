// Recognizes messages that a stage has received before. Reducers number their messages, and the questions of a shard worker have rising
// numbers. A repeated message is dropped and counted.
import { effect, type Effect, type ReplyTo } from '../protocol/actor.js';
import type { StageMessage } from '../protocol/pipeline-messages.js';
import type { ReducerQueue, ShardWorkerEntry } from './state.js';
import type { StageTurn } from './turn.js';

export const countRepeat: Effect<StageMessage> = effect.count('repeatedMessages');

/** Returns false for a repeated message. Otherwise credit would return twice, or one answer to a punctuation would count as two. */
export function acceptNumber({ effects }: StageTurn, queue: ReducerQueue, number: number): boolean {
  if (number <= queue.lastReceived) {
    effects.push(countRepeat);
    return false;
  }
  queue.lastReceived = number;
  return true;
}

/**
 * Returns false for a repeated message. Otherwise records would be routed twice, or dispositions would be lost in the answer to a
 * closed question.
 */
export function acceptQuestion({ effects }: StageTurn, entry: ShardWorkerEntry, { question }: ReplyTo<never>): boolean {
  if (question <= entry.lastQuestion) {
    effects.push(countRepeat);
    return false;
  }
  entry.lastQuestion = question;
  return true;
}
