// Takes the items that nodes have settled, and forgets those of tenures that have ended.
import { effect } from '../protocol/actor.js';
import { dispositionsFor } from '../protocol/stage-reports.js';
import { dropQueued } from './feeding.js';
import { noteLeft } from './left-items.js';
import type { Message } from './messages.js';
import { tellNodes } from './nodes.js';
import { noteSettled, takeEnded } from './open-records.js';
import type { PipeState, PipeTurn } from './state.js';

/** An item whose tenure has ended is not settled: the next owner processes it, too. */
export function settled({ options, state, effects }: PipeTurn, message: Message<'settled'>): void {
  let stale = 0;
  for (const { tenure, stage, ordinals, items } of message.settled) {
    const dispositions = dispositionsFor(state.reports, stage, tenure.workerNumber);
    if (tenure.ended) {
      dispositions.ended = true;
      state.open.delete(tenure.workerNumber);
      continue;
    }
    for (const [place, ordinal] of ordinals.entries()) {
      if (noteSettled(state.open, tenure.workerNumber, ordinal)) {
        dispositions.ordinals.push(ordinal);
        dispositions.items.push(items[place] as number);
        options.progress.settled += 1;
      } else stale += 1;
    }
  }
  if (stale > 0) effects.push(effect.count('staleSettles', stale));
}

/** What is open of the shard worker is forgotten. The nodes drop what belongs to it alone, and count what was processed after the loss. */
export function revoked(turn: PipeTurn, { worker }: Message<'revoked'>): void {
  const { options, state } = turn;
  noteLeft(options, state, worker);
  dropQueued(state, worker);
  state.open.delete(worker);
  tellNodes(turn, { type: 'revoked', worker });
}

/** Tells the stages of ended tenures with open records here. A node may have ended them: by `stopShard`, or because they are late. */
export function reportEndedTenures({ open, reports }: PipeState): void {
  for (const { tenure, stage } of takeEnded(open)) dispositionsFor(reports, stage, tenure.workerNumber).ended = true;
}
