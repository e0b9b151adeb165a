// Mutants of wishes and hand-overs: one for each step. That a worker counts what others have asked for is not among them: it would only ask
// for more than its share, and get less later. test/actors/lease-coordinator/asked-by-others.test.ts holds the rule.
import { send } from '../../../supervision/actor.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import type { LeaseStore, LeaseUpdate } from '../../../src/api/ports.js';
import { isJava } from '../cluster.js';
import { given, wrapped, type MessageTo, type Mutant, type StateOf } from './around.js';

/** A keeper with another store: only its writes, or the answers to them, differ. */
const withStore =
  (change: (store: LeaseStore, workerId: string) => Partial<LeaseStore>): Mutant['make'] =>
  () =>
    given('leaseKeeper', (options) => ({
      ...options,
      store: { ...options.store, ...change(options.store, options.workerId) },
    }));

/** A keeper whose state is changed before each message. */
const nudged =
  (nudge: (state: StateOf<'leaseKeeper'>, message: MessageTo<'leaseKeeper'>) => void): Mutant['make'] =>
  () =>
    wrapped('leaseKeeper', {
      before: (state, message) => {
        nudge(state, message);
        return message;
      },
    });

const bareHandOver = withStore((store) => ({
  update: (leaseKey, update, signal) => {
    const { checkpoint: _, ...bare } = update.change;
    return store.update(leaseKey, bare.handOver === undefined ? update : { ...update, change: bare }, signal);
  },
}));

const deaf = withStore((store) => ({
  update: async (...args) => {
    const outcome = await store.update(...args);
    return outcome.type === 'written' ? { type: 'written', counter: outcome.counter } : outcome;
  },
}));

/** After a refused hand-over, makes the new owner the owner anyway, if `isMeant` accepts the row. */
const handedOverAgain = (
  isMeant: (workerId: string, current: LeaseRow, expected: LeaseUpdate['expected']) => boolean,
): Mutant['make'] =>
  withStore((store, workerId) => ({
    update: async (leaseKey, update, signal) => {
      const outcome = await store.update(leaseKey, update, signal);
      const { handOver, ...rest } = update.change;
      if (handOver === undefined || outcome.type !== 'refused' || outcome.current === undefined) return outcome;
      if (!isMeant(workerId, outcome.current, update.expected)) return outcome;
      const { writer, workerId: leaseOwner, failoverMs } = handOver;
      const expected = { counter: outcome.current.leaseCounter };
      return store.update(leaseKey, { expected, change: { ...rest, leaseOwner, failoverMs }, writer }, signal);
    },
  }));

const withWishesKept = withStore((store) => ({
  wish: async (leaseKey, expected, said, signal) =>
    said.text === null ? { type: 'written' } : store.wish(leaseKey, expected, said, signal),
}));

/** A coordinator that sees no wish, neither its own nor those of others. */
/** In the middle of a hand-over, the keeper misses that a Java worker has taken the lease, and its worker continues to deliver. */
const robbedUnheard: Mutant['make'] = () => {
  let goesOn = false;
  return wrapped('leaseKeeper', {
    before: (state, message) => {
      const { tenure, receivedWish } = state;
      if (message.type !== 'written' || receivedWish === undefined || tenure?.revoked !== false) return message;
      const { outcome, id } = message;
      goesOn = outcome.type === 'refused' && isJava(outcome.current?.leaseOwner ?? '');
      return goesOn ? { type: 'writeFailed' as const, id, error: new Error('no answer') } : message;
    },
    after: ({ shardWorkers, tenure, receivedWish }, _message, effects) => {
      if (!goesOn || receivedWish === undefined || tenure === undefined) return effects;
      goesOn = false;
      receivedWish.phase = 'stale';
      return [
        ...effects,
        send(tenure.shardWorkerRef, { type: 'resume', fence: tenure.shared.fence, number: shardWorkers.pauses }),
      ];
    },
  });
};

/** States of keepers whose shard a failure has stopped. */
const stoppedByFailure = new WeakSet<object>();

const byForce: Mutant['make'] = () => given('leaseKeeper', ({ wish: _, ...options }) => options);

export const handingMutants: readonly Mutant[] = [
  { name: 'leases of living workers that know wishes are taken by force', make: byForce },
  {
    name: 'a lease is handed over before its worker has drained',
    make: nudged((state) => {
      if (state.receivedWish?.phase === 'draining') state.receivedWish.phase = 'ready';
    }),
  },
  { name: 'a hand-over carries no checkpoint', make: bareHandOver },
  { name: 'nobody hears of a wish', make: deaf },
  {
    name: 'a lease is taken as soon as its holder yields',
    make: nudged((state, message) => {
      if (message.type !== 'looked' || state.wishing === undefined || state.phase !== 'wishing') return;
      const { row } = message;
      if (row?.kinactAnswer?.startsWith('yielding') !== true) return;
      state.lease.row = row;
      state.phase = 'taking';
    }),
  },
  {
    name: 'a holder answers, and never drains',
    make: nudged((state) => {
      if (state.receivedWish?.phase === 'answered') state.receivedWish.drainStartsAt = Infinity;
    }),
  },
  {
    name: 'a shard that is given away does not wait for calls that have acknowledged early',
    make: () => given('shardWorker', (options) => ({ ...options, acksEarly: false })),
  },
  {
    name: 'a failure that stops a shard does not wait for other calls of the shard',
    make: nudged((state, message) => {
      if (message.type === 'shardWorkerEnded' && message.end.type === 'stopShard') stoppedByFailure.add(state);
      if (stoppedByFailure.has(state) && state.leftovers.callsLeftBehind === 'awaited')
        state.leftovers.callsLeftBehind = 'possible';
    }),
  },
  {
    name: 'a stop does not wait for the calls of a pipeline that has crashed',
    make: nudged((state) => {
      let left = state.leftovers.callsLeftBehind;
      Object.defineProperty(state.leftovers, 'callsLeftBehind', {
        get: () => (left === 'awaited' ? 'possible' : left),
        set: (next) => {
          left = next;
        },
      });
    }),
  },
  {
    name: 'a stop does not wait for calls that run',
    make: () =>
      wrapped('leaseKeeper', {
        before: (_state, message) =>
          message.type === 'release' && message.reason === 'stopping' ? { ...message, deadlineMs: 0 } : message,
      }),
  },
  {
    name: 'what is handed over is cut off, not drained',
    make: nudged((state) => {
      const { tenure, receivedWish } = state;
      if (receivedWish?.phase !== 'draining' || tenure === undefined || tenure.revoked) return;
      tenure.shared.ended = true;
    }),
  },
  {
    name: 'one who asks never looks',
    make: nudged((state) => {
      if (state.wishing !== undefined) state.wishing.readRowAt = Infinity;
    }),
  },
  {
    name: 'a lease is handed over although the wish is gone',
    make: handedOverAgain(
      (workerId, { leaseCounter, leaseOwner }, { counter }) => leaseOwner === workerId && leaseCounter === counter,
    ),
  },
  { name: 'a wish is never withdrawn', make: withWishesKept },
  {
    name: 'a wish is raised once and never again',
    make: nudged((state) => {
      if (state.wishing !== undefined && state.wishing.number > 0) state.wishing.raiseAt = Infinity;
    }),
  },
  {
    name: 'what a worker that crashed has left open is handed over',
    make: nudged((state, message) => {
      if (message.type === 'shardWorkerDown' && state.receivedWish?.phase === 'draining')
        state.receivedWish.phase = 'ready';
    }),
  },
  {
    name: 'a holder that is robbed while it hands over goes on',
    make: robbedUnheard,
    besideJava: true,
  },
  {
    name: 'a lease that was taken by force is handed over',
    make: handedOverAgain((workerId, { leaseOwner }) => leaseOwner !== undefined && leaseOwner !== workerId),
    besideJava: true,
  },
];
