// Tells the subscribers, which supervise shard workers, what leases are held and which of these may start.
import { effect } from '../../protocol/actor.js';
import type { HeldLease, HeldLeases } from '../../protocol/lease-messages.js';
import type { LeaseCoordinatorMessage, Message } from '../messages.js';
import { tellKeepersCallsEnded } from '../release.js';
import type { CoordinatorTurn } from '../turn.js';

export function subscribe(turn: CoordinatorTurn, { subscriber }: Message<'subscribe'>): void {
  const { state, effects } = turn;
  if (!state.publishing.subscribers.has(subscriber.id)) {
    // A new subscriber is a new pipeline. It begins only when the calls of the last pipeline have settled, or are orphans.
    tellKeepersCallsEnded(turn);
    state.publishing.subscribers.set(subscriber.id, subscriber);
    effects.push(
      effect.watch(subscriber, (): LeaseCoordinatorMessage => ({ type: 'subscriberDown', id: subscriber.id })),
    );
  }
  effects.push(effect.send(subscriber, heldLeases(turn)));
}

export function subscriberDown({ state }: CoordinatorTurn, { id }: Message<'subscriberDown'>): void {
  state.publishing.subscribers.delete(id);
}

/** Called at the end of each turn: informs every subscriber if the held leases have changed. */
export function publish(turn: CoordinatorTurn): void {
  const { state, effects } = turn;
  if (!state.publishing.changed) return;
  state.publishing.changed = false;
  state.publishing.version++;
  const held = heldLeases(turn);
  for (const subscriber of state.publishing.subscribers.values()) effects.push(effect.send(subscriber, held));
}

function heldLeases({ options, state }: CoordinatorTurn): HeldLeases {
  const leases: HeldLease[] = [];
  for (const { phase, keeper, leaseKey, shardId, stream, awaited } of state.leases.values()) {
    if (phase === 'held' && keeper !== undefined)
      leases.push({
        leaseKey,
        shardId,
        source: stream.sourceOptions.source.name,
        keeper,
        startable: awaited?.length === 0,
      });
  }
  return { type: 'held', table: options.store.tableName, version: state.publishing.version, leases };
}
