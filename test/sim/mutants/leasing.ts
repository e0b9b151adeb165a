// Mutants of leases: which worker may write, which may start, how long a lease is held, where LATEST is.
import { actors, type Actors } from '../../../src/consumer/wiring.js';
import { checkpointOf } from '../../../src/core/checkpoint.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import type { Clock, LeaseChange, LeaseStore } from '../../../src/api/ports.js';
import { given, wrapped, type Mutant } from './around.js';

/** A refused write is repeated at the current counter, as if it had no condition. */
function unconditional(store: LeaseStore, isMeant: (change: LeaseChange) => boolean): LeaseStore {
  return {
    ...store,
    update: async (leaseKey, update, signal) => {
      const outcome = await store.update(leaseKey, update, signal);
      if (outcome.type === 'written' || outcome.current === undefined || !isMeant(update.change)) return outcome;
      return store.update(leaseKey, { ...update, expected: { counter: outcome.current.leaseCounter } }, signal);
    },
  };
}

const unconditionalWhere =
  (isMeant: (change: LeaseChange) => boolean): Mutant['make'] =>
  () =>
    given('leaseKeeper', (options) => ({ ...options, store: unconditional(options.store, isMeant) }));

/** The reducer never finds that a deadline has passed. */
const deadlineOff = (base: Actors = actors): Actors =>
  given('reducer', (options) => ({ ...options, clock: { ...options.clock, now: () => -1, wallNow: () => -1 } }), base);

/** The keeper never finds that a deadline has passed. */
const keeperDeadlineOff = (base: Actors = actors): Actors =>
  wrapped(
    'leaseKeeper',
    {
      before: (state, message) => {
        if (state.tenure?.revoked === false) state.tenure.shared.deadline = Infinity;
        return message;
      },
    },
    base,
  );

/** Renewals wait while any record is open. */
const betweenBatches: Mutant['make'] = ({ machine }) => {
  const open = new Map<string, number>();
  const renews = (change: LeaseChange): boolean => change.leaseOwner === undefined;
  const patient = (store: LeaseStore): LeaseStore => ({
    ...store,
    update: async (leaseKey, update, signal) => {
      while (renews(update.change) && (open.get(leaseKey) ?? 0) > 0 && !signal.aborted)
        await new Promise<void>((resolve) => machine.timers.after(200, resolve));
      return store.update(leaseKey, update, signal);
    },
  });
  const shardWorkers: Actors = {
    ...actors,
    shardWorker: (options) => {
      const behaviour = actors.shardWorker(options);
      return {
        ...behaviour,
        receive: (state, message) => {
          const step = behaviour.receive(state, message);
          open.set(options.lease.leaseKey, step[0].finished ? 0 : step[0].ledger.openRecords);
          return step;
        },
        stopped: (state, reason) => {
          open.delete(options.lease.leaseKey);
          return behaviour.stopped?.(state, reason) ?? [];
        },
      };
    },
  };
  return given('leaseKeeper', (options) => ({ ...options, store: patient(options.store) }), shardWorkers);
};

/** Only the first parent of a merge counts. */
const oneParent: Mutant['make'] = () => {
  const first = (row: LeaseRow): LeaseRow => ({ ...row, parentShardIds: row.parentShardIds.slice(0, 1) });
  return given('leaseCoordinator', (options) => ({
    ...options,
    store: {
      ...options.store,
      scan: async (signal: AbortSignal) => {
        const scan = await options.store.scan(signal);
        return { ...scan, rows: scan.rows.map(first) };
      },
      get: async (leaseKey: string, signal: AbortSignal) => {
        const row = await options.store.get(leaseKey, signal);
        return row === undefined ? undefined : first(row);
      },
    },
  }));
};

const wallClock: Mutant['make'] = () => {
  const byWall = (clock: Clock): Clock => ({ now: () => clock.wallNow(), wallNow: () => clock.wallNow() });
  const keepers = given('leaseKeeper', (options) => ({ ...options, clock: byWall(options.clock) }));
  return given('reducer', (options) => ({ ...options, clock: byWall(options.clock) }), keepers);
};

const spuriousCounts: Mutant['make'] = () =>
  wrapped('leaseKeeper', {
    after: (state, message, effects) => {
      const { lease } = state;
      if (message.type !== 'written' || message.outcome.type !== 'refused') return effects;
      if (state.phase === 'held' && lease.row === message.outcome.current && lease.frontier !== undefined) {
        const { checkpoint, subSequenceNumber } = checkpointOf(lease.frontier);
        lease.row = { ...lease.row, checkpoint, checkpointSubSequenceNumber: subSequenceNumber };
      }
      return effects;
    },
  });

const settledIsEnded: Mutant['make'] = () =>
  wrapped('leaseCoordinator', {
    before: (state, message) => {
      if (message.type !== 'askShardEnd') return message;
      const parent = message.leaseKey;
      state.endedHere.add(parent);
      for (const [leaseKey, lease] of state.leases) {
        if (lease.awaited?.includes(parent) !== true) continue;
        lease.awaited = lease.awaited.filter((shardId) => shardId !== parent);
        state.publishing.changed.add(leaseKey);
      }
      return message;
    },
  });

/** No coordinator sees the failover times of the holders in the rows. */
const ownFailoverOnly: Mutant['make'] = () =>
  given('leaseCoordinator', (options) => ({
    ...options,
    store: {
      ...options.store,
      scan: async (signal: AbortSignal) => {
        const scan = await options.store.scan(signal);
        return { ...scan, rows: scan.rows.map(({ kinactFailover: _, ...row }) => row) };
      },
    },
  }));

/** LATEST is the time at which this keeper was made. */
const latestNow =
  (isMeant: (row: LeaseRow) => boolean): Mutant['make'] =>
  () =>
    given('leaseKeeper', (options) => {
      const { seenRow, clock, store } = options;
      const late = (row: LeaseRow): LeaseRow =>
        row.checkpoint === 'LATEST' && isMeant(row) ? { ...row, kinactLatestAt: clock.wallNow() } : row;
      // A keeper that has asked for the lease reads the row after the hand-over.
      const get: LeaseStore['get'] = async (leaseKey, signal) => {
        const row = await store.get(leaseKey, signal);
        return row && late(row);
      };
      return { ...options, seenRow: late(seenRow), store: { ...store, get } };
    });

export const leasingMutants: readonly Mutant[] = [
  {
    name: 'K2: a checkpoint without a condition',
    make: unconditionalWhere((change) => change.checkpoint !== undefined && change.leaseOwner === undefined),
  },
  { name: 'a release without the counter', make: unconditionalWhere((change) => change.leaseOwner === null) },
  {
    name: 'K3: a lease is renewed between batches only',
    make: betweenBatches,
    masked: {
      by: 'deadlines of reducer and keeper',
      make: (process) => keeperDeadlineOff(deadlineOff(betweenBatches(process))),
      off: () => keeperDeadlineOff(deadlineOff()),
    },
  },
  {
    name: 'the deadline is not looked at before a call',
    make: () => deadlineOff(),
    masked: {
      by: 'the keeper revokes',
      make: () => keeperDeadlineOff(deadlineOff()),
      off: () => keeperDeadlineOff(),
    },
  },
  { name: 'waiting for one merge parent only', make: oneParent },
  { name: 'expiry by the wall clock', make: wallClock },
  { name: 'expiry by the own failoverMs, whatever the row says', make: ownFailoverOnly },
  { name: 'a spurious renewal counted as a written checkpoint', make: spuriousCounts },
  { name: 'a child started when its parent is settled, before SHARD_END', make: settledIsEnded },
  {
    name: 'LATEST re-evaluated after a move',
    make: latestNow((row) => row.leaseOwner !== undefined || row.ownerSwitchesSinceCheckpoint > 0),
  },
  { name: 'LATEST resolved at take time', make: latestNow(() => true) },
];
