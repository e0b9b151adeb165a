// Which messages a stage has had before: reducers number theirs, and the questions of a worker have rising numbers. A repeated
// one is dropped and counted.
import type { Effect, ReplyTo } from '../protocol/actor.js';
import type { StageMessage } from '../protocol/pipeline.js';
import type { Lane, WorkerEntry } from './lane.js';

export const repeated: Effect<StageMessage> = { type: 'count', what: 'repeatedMessages' };

/** Credit given back twice, or a punctuation answered for two reducers by one. */
export function isRepeated(lane: Lane, number: number, effects: Effect<StageMessage>[]): boolean {
  if (number <= lane.received) {
    effects.push(repeated);
    return true;
  }
  lane.received = number;
  return false;
}

/** Records routed twice, or an answer kept for a question that is closed: what it carries would settle nothing. */
export function askedBefore(
  entry: WorkerEntry,
  { question }: ReplyTo<never>,
  effects: Effect<StageMessage>[],
): boolean {
  if (question <= entry.asked) {
    effects.push(repeated);
    return true;
  }
  entry.asked = question;
  return false;
}
