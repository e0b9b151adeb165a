// Sends what calls have emitted, and what else the pipe behind the reducer must know. In one turn all values go in one message.
import { effect } from '../../protocol/actor.js';
import type { PipeFeed } from '../../protocol/pipe-feed.js';
import type { PipeBehind } from './pipe-behind.js';
import type { ReducerTurn } from '../state.js';

/** Sends what was emitted in this turn. */
export function sendEmitted({ state, effects }: ReducerTurn): void {
  const { behind, self } = state;
  if (behind === undefined || behind.outbox.length === 0) return;
  const messages = behind.outbox;
  behind.outbox = [];
  sendToPipe(effects, behind, (number) => ({ type: 'emitted', number, reducer: self, messages }));
}

export function sendToPipe(
  effects: ReducerTurn['effects'],
  behind: PipeBehind,
  message: (number: number) => PipeFeed,
): void {
  behind.lastSent += 1;
  effects.push(effect.send(behind.ref, message(behind.lastSent)));
}
