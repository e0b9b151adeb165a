// Mutants of how leases are asked for and handed over: one for each step of it.
import type { LeaseStore } from '../../../src/ports.js';
import { given, wrapped } from './around.js';
import type { AnyMessage, AnyState, Mutant } from './around.js';

type Update = Parameters<LeaseStore['update']>;

/** A keeper whose store is another: only what it writes, or hears of what it wrote, differs. */
const withStore =
  (change: (store: LeaseStore) => Partial<LeaseStore>): Mutant['make'] =>
  () =>
    given('leaseKeeper', (options) => ({ ...options, store: { ...options.store, ...change(options.store) } }));

/** A keeper that is tampered with before each message. */
const nudged =
  (nudge: (state: AnyState, message: AnyMessage) => void): Mutant['make'] =>
  () =>
    wrapped('leaseKeeper', {
      before: (state, message) => {
        nudge(state, message);
        return message;
      },
    });

const bareHandOver = withStore((store) => ({
  update: (leaseKey, expected, change, writer, signal) => {
    const { checkpoint: _, ...bare } = change;
    return store.update(leaseKey, expected, change.handOver === undefined ? change : bare, writer, signal);
  },
}));

const deaf = withStore((store) => ({
  update: async (...args: Update) => {
    const outcome = await store.update(...args);
    return outcome.type === 'written' ? { type: 'written', counter: outcome.counter } : outcome;
  },
}));

const byForce: Mutant['make'] = () => given('leaseKeeper', ({ wish: _, ...options }) => options);

export const handingMutants: readonly Mutant[] = [
  { name: 'leases of living workers that know wishes are taken by force', make: byForce },
  {
    name: 'a lease is handed over before its worker has drained',
    make: nudged((state) => {
      if (state.yielding?.phase === 'draining') state.yielding.phase = 'ready';
    }),
  },
  { name: 'a hand-over carries no checkpoint', make: bareHandOver },
  { name: 'nobody hears of a wish', make: deaf },
  {
    name: 'a lease is taken as soon as its holder yields',
    make: nudged((state, message) => {
      if (message.type !== 'looked' || state.wishing === undefined || state.phase !== 'wishing') return;
      const { row } = message as unknown as { row?: { kinactAnswer?: string } };
      if (row?.kinactAnswer?.startsWith('yielding') !== true) return;
      state.hold.row = row;
      state.phase = 'taking';
    }),
  },
  {
    name: 'a holder answers, and never drains',
    make: nudged((state) => {
      if (state.yielding?.phase === 'yielding') state.yielding.drainAt = Infinity;
    }),
  },
  {
    name: 'what is handed over is cut off, not drained',
    make: nudged((state) => {
      const { tenure, yielding } = state;
      if (yielding?.phase !== 'draining' || tenure === undefined || tenure.revoked) return;
      tenure.cell.dead = true;
    }),
  },
  {
    name: 'one who asks never looks',
    make: nudged((state) => {
      if (state.wishing !== undefined) state.wishing.lookAt = Infinity;
    }),
  },
];
