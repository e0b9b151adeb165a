// What the lease keeper orders: to end at once (`revoked`), to drain and end (`drain`), or to pause for a hand-over. A pause is a drain
// that `resume` takes back, so the shard worker ends only when it is quiet (drain-condition.ts). Pauses are numbered, because a repeated or
// late order must not undo a newer one.
import { effect } from '../protocol/actor.js';
import type { ShardWorkerRequest } from '../protocol/lease-messages.js';
import type { ShardWorkerTurn } from './turn.js';
import { beginEnding, endWithTenure } from './shutdown.js';

/** Handles a message of the keeper. A message for another tenure is only counted. */
export function obeyKeeper(turn: ShardWorkerTurn, message: ShardWorkerRequest): void {
  const { state, effects } = turn;
  if (message.fence !== state.tenure?.fence) {
    effects.push(effect.count('staleControls'));
    return;
  }

  switch (message.type) {
    case 'revoked':
      return endWithTenure(turn);
    case 'drain':
      return beginEnding(turn, { type: 'drained', open: 0 });
    case 'pause':
      if (message.number <= state.lastPause) {
        effects.push(effect.count('repeatedMessages'));
        return;
      }
      state.lastPause = message.number;
      state.pausedForHandOver = true;
      return;
    case 'resume':
      if (message.number === state.lastPause) state.pausedForHandOver = false;
  }
}
