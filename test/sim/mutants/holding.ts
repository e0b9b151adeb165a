// Mutants of a holder: when it notices a loss, what its renewals carry, where it creates a row again, which leases it takes, what its
// worker reports last.
import type { LeaseStore } from '../../../src/api/ports.js';
import type { LeaseTraffic, QueueEntry } from '../../../src/core/lease-traffic.js';
import { given, resent, wrapped, type Mutant } from './around.js';

const noticedLate: Mutant['make'] = ({ machine }) =>
  given('leaseKeeper', (options) => {
    const { store, workerId } = options;
    const update: LeaseStore['update'] = async (...args) => {
      const outcome = await store.update(...args);
      const isLost = outcome.type === 'refused' && outcome.current?.leaseOwner !== workerId;
      if (isLost) await new Promise<void>((resolve) => machine.timers.after(4_500, resolve));
      return outcome;
    };
    return { ...options, store: { ...store, update } };
  });

const renewalsAreBare: Mutant['make'] = ({ machine }) => {
  let intervalMs = 0;
  const keepers = given('leaseKeeper', (options) => {
    intervalMs = options.checkpointIntervalMs;
    return options;
  });
  return wrapped(
    'leaseKeeper',
    {
      before: (state, message) => {
        if (intervalMs > 0) state.timing.checkpointAt = machine.clock.now();
        return message;
      },
    },
    keepers,
  );
};

const recreatedAtTrimHorizon: Mutant['make'] = () =>
  given('leaseKeeper', (options) => {
    const { store } = options;
    const create: LeaseStore['create'] = (row, signal) =>
      store.create({ ...row, checkpoint: 'TRIM_HORIZON', checkpointSubSequenceNumber: 0 }, signal);
    return { ...options, store: { ...store, create } };
  });

/** Now and then the lease of another worker looks free. */
const stealsAllTheTime: Mutant['make'] = () =>
  given('leaseCoordinator', (options) => {
    const { store, workerId, random } = options;
    const scan: LeaseStore['scan'] = async (signal) => {
      const seen = await store.scan(signal);
      const rows = seen.rows.map((row) => {
        const { leaseOwner, ...free } = row;
        const isOthers = leaseOwner !== undefined && leaseOwner !== workerId && row.checkpoint !== 'SHARD_END';
        return isOthers && random.next() < 0.1 ? free : row;
      });
      return { ...seen, rows };
    };
    return { ...options, store: { ...store, scan } };
  });

const lastFrontierUnsaid: Mutant['make'] = () =>
  wrapped('shardWorker', {
    after: (state, _message, effects) =>
      resent(effects, (sent) => (sent.type === 'frontier' && state.ledger.openRecords === 0 ? undefined : sent)),
  });

const latestLate: Mutant['make'] = () =>
  given('leaseCoordinator', (options) => {
    const { store } = options;
    const create: LeaseStore['create'] = (row, signal) => {
      const { kinactLatestAt } = row;
      return store.create(
        kinactLatestAt === undefined ? row : { ...row, kinactLatestAt: kinactLatestAt + 10_000 },
        signal,
      );
    };
    return { ...options, store: { ...store, create } };
  });

const unreadableIsEnded: Mutant['make'] = () =>
  given('leaseCoordinator', (options) => {
    const { store } = options;
    const get: LeaseStore['get'] = (leaseKey, signal) =>
      store.get(leaseKey, signal).catch((error: { readonly code?: string }) => {
        if (error.code !== 'MALFORMED_LEASE') throw error;
        return undefined;
      });
    return { ...options, store: { ...store, get } };
  });

/** Once a minute a keeper releases its lease, for no reason. */
const givesBack: Mutant['make'] = ({ machine }) => {
  const heldSince = new WeakMap<object, number>();
  return wrapped('leaseKeeper', {
    before: (state, message) => {
      if (state.phase !== 'held' || message.type !== 'wake' || state.releaseOrder !== undefined) return message;
      const since = heldSince.get(state) ?? machine.clock.now();
      heldSince.set(state, since);
      if (machine.clock.now() - since < 60_000) return message;
      heldSince.delete(state);
      return { type: 'release' as const, reason: 'a minute is over', deadlineMs: 1_000 };
    },
  });
};

/** Extra checkpoints are sent as if the lease depended on them. */
const extraCheckpointsAreUrgent: Mutant['make'] = () =>
  given('leaseKeeper', ({ traffic, ...options }) => {
    if (traffic === undefined) return options;
    const urgent = (entry: QueueEntry): QueueEntry => {
      if (entry.kind === 'checkpoint') entry.kind = 'duty';
      return entry;
    };
    const hurried: LeaseTraffic = {
      ...traffic,
      enter: (entry) => traffic.enter(urgent(entry)),
      wait: (entry, signal) => traffic.wait(urgent(entry), signal),
    };
    return { ...options, traffic: hurried };
  });

const noExtraCheckpoints: Mutant['make'] = () =>
  given('leaseKeeper', (options) => ({ ...options, checkpointIntervalMs: 0, checkpointRecords: 0 }));

export const holdingMutants: readonly Mutant[] = [
  { name: 'a lost lease is noticed 4.5 s late', make: noticedLate },
  { name: 'no renewal carries a checkpoint while an interval is set', make: renewalsAreBare },
  { name: 'a vanished row is made again at TRIM_HORIZON', make: recreatedAtTrimHorizon },
  { name: 'LATEST is resolved 10 s late', make: latestLate },
  { name: 'a parent whose row cannot be read counts as ended', make: unreadableIsEnded },
  { name: 'live leases are stolen all the time', make: stealsAllTheTime },
  { name: 'checkpoints that no lease needs go on while the table throttles', make: extraCheckpointsAreUrgent },
  { name: 'checkpoints go with renewals alone, whatever was asked for', make: noExtraCheckpoints },
  {
    name: 'no number of settled records makes a checkpoint',
    make: () => given('leaseKeeper', (options) => ({ ...options, checkpointRecords: 0 })),
  },
  { name: 'a lease is given back once a minute', make: givesBack },
  { name: 'the last frontier is never said', make: lastFrontierUnsaid },
  {
    name: 'checkpoints are written once a minute',
    make: () => given('leaseKeeper', (options) => ({ ...options, checkpointIntervalMs: 60_000 })),
  },
];
