// Takes the items that nodes have settled, and forgets those of tenures that have ended.
import { effect } from '../protocol/actor.js';
import { dropLostMessages, dropQueued } from './feeding.js';
import { noteLeft } from './left-items.js';
import type { Message } from './messages.js';
import { tellNodes } from './nodes.js';
import { reportEndedOf, reportSettled } from '../protocol/open-records.js';
import type { PipeState, PipeTurn } from './state.js';

export function settled({ options, state, effects }: PipeTurn, message: Message<'settled'>): void {
  if (state.feeder !== undefined) {
    state.feeder.settled.push(...message.settled);
    return;
  }
  const { done, stale } = reportSettled(state.open, state.reports, message.settled);
  options.progress.settled += done;
  if (stale > 0) effects.push(effect.count('staleSettles', stale));
}

/** What is open of the shard worker is forgotten. The nodes drop what belongs to it alone, and count what was processed after the loss. */
export function revoked(turn: PipeTurn, { shardWorker }: Message<'revoked'>): void {
  const { options, state } = turn;
  noteLeft(options, state, shardWorker);
  dropQueued(state, shardWorker);
  state.open.delete(shardWorker);
  tellNodes(turn, { type: 'revoked', shardWorker });
}

/** The reducer says the same of what it has emitted. */
export function emittedLost(turn: PipeTurn, { shardWorker }: Message<'emittedLost'>): void {
  noteLeft(turn.options, turn.state, shardWorker);
  const dropped = dropLostMessages(turn.state);
  if (dropped > 0) turn.effects.push(effect.count('droppedMessages', dropped));
  tellNodes(turn, { type: 'revoked', shardWorker });
}

/** A node may have ended tenures: by `stopShard`, or because they are late. */
export function reportEndedTenures({ open, reports }: PipeState): void {
  reportEndedOf(open, reports);
}
