// A pipe behind a reducer gets messages in place of items. It tells the reducer what its first node has processed and what is settled.
// Only the reducer knows which items are open here, because it may hold a share of each.
import { effect } from '../protocol/actor.js';
import type { PipeFeed } from '../protocol/pipe-feed.js';
import type { Message } from './messages.js';
import { isWaiting } from './nodes.js';
import type { Feeder, PipeTurn } from './state.js';

export function createFeeder(): Feeder {
  return {
    ref: undefined,
    lastReceived: 0,
    lastSent: 0,
    taken: 0,
    takenBytes: 0,
    settled: [],
    isWaiting: false,
  };
}

/** Returns false for a repeated message. Otherwise values would go through the pipe twice. */
export function acceptFeed({ state: { feeder }, effects }: PipeTurn, { number, reducer }: PipeFeed): boolean {
  if (feeder === undefined || number <= feeder.lastReceived) {
    effects.push(effect.count('repeatedMessages'));
    return false;
  }
  feeder.lastReceived = number;
  feeder.ref = reducer;
  return true;
}

export function queueEmitted({ state }: PipeTurn, { messages }: Message<'emitted'>): void {
  for (const message of messages) state.queue.push(message);
}

/** The first node has processed these, or they were dropped: the reducer may emit more. */
export function noteTaken(feeder: Feeder, messages: number, sizeBytes: number): void {
  feeder.taken += messages;
  feeder.takenBytes += sizeBytes;
}

/** Tells the reducer what is new since the last message to it. */
export function sendNews({ state, now, effects }: PipeTurn): void {
  const { feeder } = state;
  if (feeder?.ref === undefined) return;
  const waits = isWaiting(state);
  const { taken, takenBytes, settled } = feeder;
  if (taken === 0 && settled.length === 0 && waits === feeder.isWaiting) return;
  if (settled.length > 0) state.settledAt = now;
  Object.assign(feeder, { taken: 0, takenBytes: 0, settled: [], isWaiting: waits });
  feeder.lastSent += 1;
  const number = feeder.lastSent;
  effects.push(effect.send(feeder.ref, { type: 'pipeNews', number, taken, takenBytes, settled, isWaiting: waits }));
}

/** Answers a mark of the reducer, behind all that was settled before. */
export function sendMarkPassed(turn: PipeTurn, { mark, reducer }: Message<'emittedMark'>): void {
  // `acceptFeed` accepts no mark without one.
  const feeder = turn.state.feeder as Feeder;
  sendNews(turn);
  feeder.lastSent += 1;
  turn.effects.push(effect.send(reducer, { type: 'markPassed', number: feeder.lastSent, mark }));
}
