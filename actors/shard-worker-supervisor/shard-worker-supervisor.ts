// The actor that runs one shard worker for each held lease that may start. At its start it subscribes to every coordinator. Each
// update of the held leases of a table has a version number. After a gap the actor subscribes again, so it misses no start message.
// A shard worker that ends normally leaves the tree. A shard worker that crashes also crashes this actor, and with it the whole pipeline.
import { effect, type Behaviour, type Effect, type Ending, type Ref, type Step } from '../protocol/actor.js';
import { handle, type Handlers, type MessageOf } from '../protocol/handlers.js';
import type { LeaseCoordinatorRequest, HeldLease, HeldLeases } from '../protocol/lease-messages.js';
import { KinactError } from '../../src/api/errors.js';

export interface ShardWorkerSupervisorOptions {
  /** The coordinators at the start of this actor. */
  readonly coordinators: () => readonly Ref<LeaseCoordinatorRequest>[];
  /** Undefined if the source of the lease was removed: the news that the lease is gone is on its way. */
  readonly makeShardWorker: (lease: HeldLease) => Behaviour<never, never> | undefined;
  /** How long to wait before a lease that is still held gets another shard worker. */
  readonly againMs: number;
}

export type ShardWorkerSupervisorMessage =
  | HeldLeases
  /** From the consumer: this table has a coordinator for a source that was added. An earlier one, if any, has ended. */
  | {
      readonly type: 'tableAdded';
      readonly table: string;
      readonly coordinator: Ref<LeaseCoordinatorRequest>;
    }
  | { readonly type: 'started' }
  | { readonly type: 'ended'; readonly name: string; readonly how: Ending }
  | { readonly type: 'again'; readonly name: string };

/** A lease, with the shard worker that reads it, or has just ended. */
interface ShardEntry {
  /** The lease, with its keeper, that this shard worker reads under. */
  readonly lease: HeldLease;
  readonly table: string;
  /** The shard worker has ended, and may get a successor at the next `again`. */
  resting: boolean;
}

/** The held leases of a table as of a version, by lease key. */
interface HeldTable {
  version: number;
  readonly leases: Map<string, HeldLease>;
}

export interface ShardWorkerSupervisorState {
  readonly self: Ref<ShardWorkerSupervisorMessage>;
  readonly tables: Map<string, HeldTable>;
  readonly entries: Map<string, ShardEntry>;
}

/** One call of `receive`. No clock: nothing here depends on the time. */
interface SupervisorTurn {
  readonly options: ShardWorkerSupervisorOptions;
  readonly state: ShardWorkerSupervisorState;
  readonly effects: Effect<ShardWorkerSupervisorMessage>[];
}

export function shardWorkerSupervisor(
  options: ShardWorkerSupervisorOptions,
): Behaviour<ShardWorkerSupervisorState, ShardWorkerSupervisorMessage> {
  return {
    kind: 'shard-worker-supervisor',
    initial: (self): Step<ShardWorkerSupervisorState, ShardWorkerSupervisorMessage> => [
      { self, tables: new Map(), entries: new Map() },
      options.coordinators().map((to) => effect.send(to, { type: 'subscribe', subscriber: self })),
    ],
    receive: (state, message) => {
      const turn: SupervisorTurn = { options, state, effects: [] };
      handle(handlers, turn, message);
      return [state, turn.effects];
    },
    status: (state) => ({ shardWorkers: state.entries.size }),
  };
}

type Message<Type extends ShardWorkerSupervisorMessage['type']> = MessageOf<ShardWorkerSupervisorMessage, Type>;

const handlers: Handlers<SupervisorTurn, ShardWorkerSupervisorMessage> = {
  held,
  tableAdded,
  // Nothing to do: `startFor` has started the next shard worker already.
  started: () => undefined,
  ended,
  again,
};

function held(turn: SupervisorTurn, message: HeldLeases): void {
  const { tables } = turn.state;
  const { table, version, change, leases } = message;
  const known = tables.get(table);
  if (known !== undefined && known.version >= version) return;
  // An update was lost, or the list that the changes belong to. The answer lists all leases.
  if (change !== undefined && change.since !== known?.version) return subscribe(turn);

  const now = change === undefined || known === undefined ? { version, leases: new Map() } : known;
  now.version = version;
  for (const leaseKey of change?.gone ?? []) now.leases.delete(leaseKey);
  for (const lease of leases) now.leases.set(lease.leaseKey, lease);
  tables.set(table, now);
  for (const lease of leases) startFor(turn, table, lease);
}

function subscribe({ options, state, effects }: SupervisorTurn): void {
  for (const to of options.coordinators()) effects.push(effect.send(to, { type: 'subscribe', subscriber: state.self }));
}

function tableAdded({ state, effects }: SupervisorTurn, { table, coordinator }: Message<'tableAdded'>): void {
  // A new coordinator counts its versions from the start.
  state.tables.delete(table);
  effects.push(effect.send(coordinator, { type: 'subscribe', subscriber: state.self }));
}

function again(turn: SupervisorTurn, { name }: Message<'again'>): void {
  const { entries } = turn.state;
  // A lease that was taken again in the meantime has its shard worker already.
  const entry = entries.get(name);
  if (entry?.resting !== true) return;
  entries.delete(name);
  startIfHeld(turn, entry);
}

/** The name of a lease in this actor. It has the table and the lease key, because two streams or tables may share shard ids. */
function nameOf(table: string, lease: HeldLease): string {
  return `${table}/${lease.leaseKey}`;
}

function startFor({ options, state, effects }: SupervisorTurn, table: string, lease: HeldLease): void {
  const name = nameOf(table, lease);
  const entry = state.entries.get(name);
  // If a shard worker of an earlier keeper still runs, its end starts the next one.
  if (!lease.startable || (entry !== undefined && (!entry.resting || entry.lease.keeper === lease.keeper))) return;

  const shardWorker = options.makeShardWorker(lease);
  if (shardWorker === undefined) return;
  state.entries.set(name, { table, lease, resting: false });
  effects.push(
    effect.spawn(lease.leaseKey, shardWorker, {
      spawned: (): ShardWorkerSupervisorMessage => ({ type: 'started' }),
      down: (_, how): ShardWorkerSupervisorMessage => ({ type: 'ended', name, how }),
    }),
  );
}

function ended(turn: SupervisorTurn, { name, how }: Message<'ended'>): void {
  const { options, state, effects } = turn;
  const entry = state.entries.get(name);
  if (entry === undefined) return;

  if (how.reason === 'crash') {
    effects.push(
      effect.fail(how.error ?? new KinactError('BROKEN_INVARIANT', `Shard worker ${name} crashed without an error.`)),
    );
    return;
  }

  entry.resting = true;
  // If the lease is still held, for instance after a suspension, another shard worker starts. The wait prevents a hot loop.
  effects.push(effect.after(name, options.againMs, { type: 'again', name }));
  startIfHeld(turn, entry);
}

/** Starts the next shard worker of the lease that an entry had, if the lease is still held, or held again. */
function startIfHeld(turn: SupervisorTurn, { table, lease: { leaseKey } }: ShardEntry): void {
  const lease = turn.state.tables.get(table)?.leases.get(leaseKey);
  if (lease !== undefined) startFor(turn, table, lease);
}
