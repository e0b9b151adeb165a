// Tells the subscribers, which supervise shard workers, what leases are held and which of these may start.
import { effect } from '../../protocol/actor.js';
import type { HeldLease, HeldLeases } from '../../protocol/lease-messages.js';
import type { LeaseCoordinatorMessage, Message } from '../messages.js';
import { tellKeepersCallsEnded } from '../release.js';
import { mayStart, type Lease } from '../state.js';
import type { CoordinatorTurn } from '../turn.js';

export function subscribe(turn: CoordinatorTurn, { subscriber }: Message<'subscribe'>): void {
  const { state, effects } = turn;
  if (!state.publishing.subscribers.has(subscriber.id)) {
    // A new subscriber is a new pipeline. It begins only when the calls of the last pipeline have ended, or are orphans.
    tellKeepersCallsEnded(turn);
    state.publishing.subscribers.set(subscriber.id, subscriber);
    effects.push(
      effect.watch(subscriber, (): LeaseCoordinatorMessage => ({ type: 'subscriberDown', id: subscriber.id })),
    );
  }
  effects.push(effect.send(subscriber, allHeld(turn)));
}

export function subscriberDown({ state }: CoordinatorTurn, { id }: Message<'subscriberDown'>): void {
  state.publishing.subscribers.delete(id);
}

/** Called at the end of each turn: informs every subscriber of the held leases that have changed. Its cost is that of the changes. */
export function publish(turn: CoordinatorTurn): void {
  const { options, state, effects } = turn;
  const { publishing } = state;
  if (publishing.changed.size === 0) return;
  const leases: HeldLease[] = [];
  const gone: string[] = [];
  for (const leaseKey of publishing.changed) {
    const held = heldLease(state.leases.get(leaseKey));
    if (held === undefined) gone.push(leaseKey);
    else leases.push(held);
  }
  publishing.changed.clear();

  const since = publishing.version;
  publishing.version += 1;
  const { tableName: table } = options.store;
  const held: HeldLeases = { type: 'held', table, version: publishing.version, change: { since, gone }, leases };
  for (const subscriber of publishing.subscribers.values()) effects.push(effect.send(subscriber, held));
}

function allHeld({ options, state }: CoordinatorTurn): HeldLeases {
  const leases = [...state.leases.values()].map(heldLease).filter((lease) => lease !== undefined);
  return { type: 'held', table: options.store.tableName, version: state.publishing.version, leases };
}

function heldLease(lease: Lease | undefined): HeldLease | undefined {
  if (lease?.phase !== 'held' || lease.keeper === undefined) return undefined;
  const { keeper, leaseKey, shardId, stream } = lease;
  return { leaseKey, shardId, source: stream.sourceOptions.source.name, keeper, startable: mayStart(lease) };
}
