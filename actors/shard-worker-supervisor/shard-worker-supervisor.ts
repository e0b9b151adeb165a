// Keeps one shard worker per lease that is held and may start, and none for any other. It pulls: at its start it subscribes to
// every coordinator and gets the whole picture with a version number, so no start message can be missed. A worker that
// ends normally leaves; one that crashes takes this actor, and with it the whole pipeline, down.
import { send, spawn } from '../protocol/actor.js';
import type { Behaviour, Effect, Ending, Ref, Step } from '../protocol/actor.js';
import type { CoordinatorMessage, HeldLease, HeldLeases } from '../protocol/leasing.js';
import { KinactError } from '../../src/api/errors.js';

export interface ShardWorkerSupervisorOptions {
  readonly coordinators: readonly Ref<CoordinatorMessage>[];
  readonly makeWorker: (lease: HeldLease) => Behaviour<never, never>;
  /** How long a lease whose worker ended while it was still held is left alone before it gets another. */
  readonly againMs: number;
  /** A worker's own stop: it has no user effects, only requests to abort. */
  readonly stopDeadlineMs: number;
}

export type ShardWorkerSupervisorMessage =
  | HeldLeases
  | { readonly type: 'started'; readonly name: string; readonly worker: Ref<never> }
  | { readonly type: 'ended'; readonly name: string; readonly how: Ending }
  | { readonly type: 'again'; readonly name: string };

interface Slot {
  /** The keeper whose lease this worker reads under. */
  readonly lease: HeldLease;
  worker: Ref<never> | undefined;
  /** It has ended and may get a successor at the next `again`. */
  resting: boolean;
}

export interface ShardWorkerSupervisorState {
  readonly self: Ref<ShardWorkerSupervisorMessage>;
  readonly tables: Map<string, HeldLeases>;
  readonly slots: Map<string, Slot>;
}

type Effects = Effect<ShardWorkerSupervisorMessage>[];

export function shardWorkerSupervisor(
  options: ShardWorkerSupervisorOptions,
): Behaviour<ShardWorkerSupervisorState, ShardWorkerSupervisorMessage> {
  return {
    kind: 'shard-worker-supervisor',
    initial: (self): Step<ShardWorkerSupervisorState, ShardWorkerSupervisorMessage> => [
      { self, tables: new Map(), slots: new Map() },
      options.coordinators.map((to) => send(to, { type: 'subscribe', subscriber: self })),
    ],
    receive: (state, message) => {
      const effects: Effects = [];
      receive(options, state, message, effects);
      return [state, effects];
    },
    status: (state) => ({ workers: state.slots.size }),
  };
}

function receive(
  options: ShardWorkerSupervisorOptions,
  state: ShardWorkerSupervisorState,
  message: ShardWorkerSupervisorMessage,
  effects: Effects,
): void {
  switch (message.type) {
    case 'held': {
      const known = state.tables.get(message.table);
      if (known !== undefined && known.version >= message.version) return;
      state.tables.set(message.table, message);
      for (const lease of message.leases) startFor(options, state, nameOf(message.table, lease), lease, effects);
      break;
    }
    case 'started': {
      const slot = state.slots.get(message.name);
      if (slot !== undefined) slot.worker = message.worker;
      break;
    }
    case 'ended':
      ended(options, state, message.name, message.how, effects);
      break;
    case 'again':
      // A lease taken anew in the meantime has its worker already.
      if (state.slots.get(message.name)?.resting !== true) return;
      state.slots.delete(message.name);
      startIfHeld(options, state, message.name, effects);
      break;
    default:
      message satisfies never;
      effects.push({ type: 'count', what: 'unknownMessage' });
  }
}

/** Two streams, and two tables, may have a shard of the same name. */
function nameOf(table: string, lease: HeldLease): string {
  return `${table}/${lease.leaseKey}`;
}

function startFor(
  options: ShardWorkerSupervisorOptions,
  state: ShardWorkerSupervisorState,
  name: string,
  lease: HeldLease,
  effects: Effects,
): void {
  const slot = state.slots.get(name);
  // A worker of an earlier keeper is on its way out; its end starts the next one.
  if (!lease.startable || (slot !== undefined && (!slot.resting || slot.lease.keeper === lease.keeper))) return;
  state.slots.set(name, { lease, worker: undefined, resting: false });
  effects.push(
    spawn(
      lease.leaseKey,
      options.makeWorker(lease),
      (worker): ShardWorkerSupervisorMessage => ({ type: 'started', name, worker }),
      (_, how): ShardWorkerSupervisorMessage => ({ type: 'ended', name, how }),
    ),
  );
}

function ended(
  options: ShardWorkerSupervisorOptions,
  state: ShardWorkerSupervisorState,
  name: string,
  how: Ending,
  effects: Effects,
): void {
  const slot = state.slots.get(name);
  if (slot === undefined) return;
  if (how.reason === 'crash') {
    effects.push({
      type: 'fail',
      error: how.error ?? new KinactError('BROKEN_INVARIANT', `${name} crashed without an error`),
    });
    return;
  }
  slot.resting = true;
  // Still held, for instance because a suspended machine let the tenure die: it starts anew, but never in a hot loop.
  effects.push({ type: 'after', key: name, ms: options.againMs, message: { type: 'again', name } });
  startIfHeld(options, state, name, effects);
}

function startIfHeld(
  options: ShardWorkerSupervisorOptions,
  state: ShardWorkerSupervisorState,
  name: string,
  effects: Effects,
): void {
  for (const { table, leases } of state.tables.values()) {
    for (const lease of leases) {
      if (nameOf(table, lease) === name) startFor(options, state, name, lease, effects);
    }
  }
}
