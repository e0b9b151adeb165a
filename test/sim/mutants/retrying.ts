// Mutants of waiting for another attempt: keys that are not held, items that are forgotten, attempts that never come, credit that
// returns twice, and drains that leave waiting records out.
import type { HeldKey, HeldKeys } from '../../../actors/reducer/failures/held-keys.js';
import { actors, type Actors } from '../../../src/consumer/wiring.js';
import { resent, wrapped, type Mutant, type StateOf } from './around.js';

const keysOf = (state: StateOf<'reducer'>): HeldKeys => state.keys as HeldKeys;
const heldIn = (state: StateOf<'reducer'>): readonly HeldKey[] => [...keysOf(state).byKey.values()];

/** Changes the state of a reducer after each message. */
const afterEach = (change: (state: StateOf<'reducer'>) => void): ReturnType<Mutant['make']> =>
  wrapped('reducer', {
    after: (state, _message, effects) => {
      change(state);
      return effects;
    },
  });

const keyGoesOn: Mutant['make'] = () =>
  wrapped('reducer', {
    before: (state, message) => {
      for (const held of heldIn(state)) {
        state.carry = [...held.behind.map(({ item }) => item), ...state.carry];
        held.behind = [];
        // The next items of the key do not find it either.
        keysOf(state).byKey.delete(held.key);
        keysOf(state).byKey.set(`${held.key} held`, held);
      }
      return message;
    },
  });

const forgotten: Mutant['make'] = () =>
  afterEach((state) => {
    for (const held of heldIn(state)) held.behind = held.behind.slice(1);
  });

const outOfOrder: Mutant['make'] = () =>
  afterEach((state) => {
    for (const held of heldIn(state)) if (held.behind.length > 1) held.behind = held.behind.toReversed();
  });

/** To drop `attemptDue` would not do: every other message looks at what is due. */
const neverAgain: Mutant['make'] = () =>
  afterEach((state) => {
    for (const held of heldIn(state)) held.dueAt = Infinity;
    keysOf(state).nextAt = undefined;
    if (state.waitingCall !== undefined) state.waitingCall.dueAt = Infinity;
  });

const creditTwice: Mutant['make'] = () => afterEach((state) => state.reports.credited.clear());

/** A drain tries once more, and a success then ends the outage: it goes on all the same. */
const outageWithoutEnd: Mutant['make'] = () => {
  const known = new WeakMap<object, NonNullable<HeldKeys['outage']>>();
  return afterEach((state) => {
    const keys = keysOf(state);
    keys.outage ??= known.get(state);
    if (keys.outage === undefined) return;
    known.set(state, keys.outage);
    keys.outage.dueAt = Infinity;
    keys.nextAt = undefined;
  });
};

const drainedAnyway = (base: Actors = actors): Actors =>
  wrapped(
    'shardWorker',
    {
      after: (_state, _message, effects) =>
        resent(effects, (message) => {
          const { type, end } = message;
          if (type !== 'shardWorkerEnded' || end.type !== 'drained' || end.open === 0) return message;
          return { ...message, end: { ...end, open: 0 } };
        }),
    },
    base,
  );

/** The keeper believes what its worker says, whatever the row has reached. */
const rowIsNotLookedAt = (base: Actors = actors): Actors =>
  wrapped(
    'leaseKeeper',
    {
      after: (state, _message, effects) =>
        resent(effects, (message) => {
          const { type, news } = message;
          if (type !== 'keeperNotice' || news.type !== 'released' || state.releaseOrder?.recordsLeft !== 0)
            return message;
          return { ...message, news: { ...news, lease: { ...news.lease, recordsLeft: 0 } } };
        }),
    },
    base,
  );

const flushForgotten: Mutant['make'] = () =>
  afterEach((state) => {
    if (state.waitingCall?.type === 'flush') state.waitingCall = undefined;
  });

const settledUnsaid: Mutant['make'] = () =>
  wrapped('reducer', {
    before: (state, message) => {
      // Waiting items count as done.
      if (message.type === 'punctuation') for (const held of heldIn(state)) held.behind = [];
      return message;
    },
  });

export const retryingMutants: readonly Mutant[] = [
  { name: 'later items of a key do not wait for one that has failed', make: keyGoesOn },
  { name: 'an item behind one that waits is forgotten', make: forgotten },
  { name: 'items behind one that waits change their order', make: outOfOrder },
  { name: 'attempts never come', make: neverAgain },
  { name: 'the credit of items that wait returns twice', make: creditTwice },
  { name: 'an outage never ends', make: outageWithoutEnd },
  {
    name: 'a worker that stops beside waiting records reports that it has drained',
    make: () => drainedAnyway(),
    masked: {
      by: 'the keeper looks at the row',
      make: () => rowIsNotLookedAt(drainedAnyway()),
      off: () => rowIsNotLookedAt(),
    },
  },
  { name: 'a flush that waits is forgotten', make: flushForgotten },
  { name: 'a drain drops what waits behind a failed item', make: settledUnsaid },
];
