// Mutants of reports, and of promises to the application: events, policies, states, the watchdog, starts at a time.
import type { OnFailure } from '../../../src/api/failure-policy.js';
import type { LeaseStore } from '../../../src/api/ports.js';
import { actors, type Actors } from '../../../src/consumer/wiring.js';
import type { Machine } from '../machine.js';
import { around, given, wrapped, type AnyEffect, type AroundOf, type Mutant } from './around.js';

const silent = (name: string, effects: readonly AnyEffect[]): readonly AnyEffect[] =>
  effects.filter((effect) => effect.type !== 'emit' || effect.event.name !== name);

const skipUnsaid: Mutant['make'] = () => {
  const after = (_state: unknown, _message: unknown, effects: readonly AnyEffect[]): readonly AnyEffect[] =>
    silent('recordSkipped', effects);
  return wrapped('stage', { after }, wrapped('reducer', { after }));
};

const dropUnsaid: Mutant['make'] = () =>
  wrapped('shardWorker', { after: (_state, _message, effects) => silent('outOfRange', effects) });

const toldTooSoon: Mutant['make'] = () => ({
  ...actors,
  leaseKeeper: (options) => {
    const how: AroundOf<'leaseKeeper'> = {
      after: (_state, message, effects) => {
        if (message.type !== 'frontier') return effects;
        const { source, shardId } = options;
        const data = { source, shardId, ...message.frontier.position };
        return [...effects, { type: 'emit', event: { name: 'checkpoint', data } }];
      },
    };
    return around(actors.leaseKeeper(options), how);
  },
});

const triedAtOnce: Mutant['make'] = ({ machine }) =>
  wrapped('leaseKeeper', {
    after: (state, message, effects) => {
      if (message.type !== 'writeFailed') return effects;
      state.writes.retryAt = machine.clock.now();
      return [...effects, { type: 'after', key: 'wake', ms: 1, message: { type: 'wake' } }];
    },
  });

const childrenLater: Mutant['make'] = ({ machine }) =>
  given('leaseCoordinator', (options) => {
    const { store } = options;
    const create: LeaseStore['create'] = (row, signal) => {
      if (row.parentShardIds.length === 0) return store.create(row, signal);
      machine.timers.after(5_000, () => void store.create(row, new AbortController().signal).catch(() => {}));
      return Promise.resolve('created');
    };
    return { ...options, store: { ...store, create } };
  });

/** A restarted pipeline overlooks a lease. */
const overlooked = (base: Actors = actors): Actors => {
  let pipelines = 0;
  return {
    ...base,
    shardWorkerSupervisor: (options) => {
      pipelines += 1;
      const isFirst = pipelines === 1;
      const how: AroundOf<'shardWorkerSupervisor'> = {
        before: (_state, message) => {
          if (isFirst || message.type !== 'held') return message;
          return { ...message, leases: message.leases.filter(({ leaseKey }) => !leaseKey.endsWith('1')) };
        },
      };
      return around(base.shardWorkerSupervisor(options), how);
    },
  };
};

/** A keeper that never notices that it has had no worker for a long time. */
const keepsUnread = (machine: Machine): Actors =>
  wrapped('leaseKeeper', {
    before: (state, message) => {
      state.shardWorkers.idleSince = machine.clock.now();
      return message;
    },
  });

/** A lease that never gets a worker. */
const neverHandedOver: Mutant['make'] = () =>
  wrapped('shardWorkerSupervisor', {
    before: (_state, message) => {
      if (message.type !== 'held') return message;
      return { ...message, leases: message.leases.filter(({ leaseKey }) => !leaseKey.endsWith('2')) };
    },
  });

/** The bytes of all shards together have no bound. */
const noBudget: Mutant['make'] = () =>
  given('shardWorker', (options) => {
    if (options.budget !== undefined) Object.assign(options.budget, { maxBytes: Infinity });
    return options;
  });

const stopIsSkip: Mutant['make'] = () =>
  given('reducer', (options) => {
    const { onFailure } = options;
    const skips: OnFailure = (error, item, attempt) => {
      const policy = typeof onFailure === 'function' ? onFailure(error, item, attempt) : onFailure;
      return policy === 'stopShard' ? 'skip' : policy;
    };
    return { ...options, onFailure: skips };
  });

const noWatchdog: Mutant['make'] = () => given('shardWorker', (options) => ({ ...options, watchdogMs: 1e9 }));

const oneState: Mutant['make'] = () =>
  given('reducer', (options) => {
    const { definition } = options;
    if (definition.reduce === undefined) return options;
    return { ...options, definition: { ...definition, stateBy: 'reducer' as const } };
  });

const timeIsLate: Mutant['make'] = () =>
  wrapped('shardWorker', {
    before: (_state, message) => {
      if (message.type !== 'tenure' || message.answer.type !== 'granted') return message;
      const { tenure } = message.answer;
      const { start } = tenure;
      if (start.type === 'atTimestamp') tenure.start = { ...start, timestampMs: start.timestampMs + 10_000 };
      return message;
    },
  });

const firstPageOnly: Mutant['make'] = () =>
  given('leaseCoordinator', (options) => {
    const { store } = options;
    const scan: LeaseStore['scan'] = async (signal) => {
      const seen = await store.scan(signal);
      return { ...seen, rows: seen.rows.slice(0, 5) };
    };
    return { ...options, store: { ...store, scan } };
  });

export const speakingMutants: readonly Mutant[] = [
  { name: 'what is skipped is not said', make: skipUnsaid },
  { name: 'what is dropped for its hash key is not said', make: dropUnsaid },
  { name: 'a checkpoint is told before it is durable', make: toldTooSoon },
  { name: 'a write that failed is tried again at once', make: triedAtOnce },
  { name: 'SHARD_END is written before the children have rows', make: childrenLater },
  {
    name: 'a pipeline that was started again overlooks a lease',
    make: () => overlooked(),
    masked: {
      by: 'a lease that nobody reads is given back',
      make: ({ machine }) => overlooked(keepsUnread(machine)),
      off: ({ machine }) => keepsUnread(machine),
    },
  },
  { name: 'no worker ever hears of a lease', make: neverHandedOver },
  { name: 'the bytes of the process have no bound', make: noBudget },
  { name: 'stopShard passes over what has failed', make: stopIsSkip },
  { name: 'the watchdog never looks', make: noWatchdog },
  { name: "stateBy: 'shard' has one state for all", make: oneState },
  { name: 'a start in time is 10 s late', make: timeIsLate },
  { name: 'a scan has its first page only', make: firstPageOnly },
];
