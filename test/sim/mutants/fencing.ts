// Mutants of the separation between one tenure and the next one of its shard: fences, numbers, names, the news of an end.
import type { Tenure } from '../../../actors/protocol/tenure.js';
import { actors, type Actors } from '../../../src/consumer/wiring.js';
import type { Clock } from '../../../src/api/ports.js';
import type { Machine } from '../machine.js';
import { blindToEnds, given, wrapped, type Mutant } from './around.js';

/** A reducer that still acknowledges its items after their tenure has ended. */
const acknowledgesAll = (base: Actors = actors): Actors => ({
  ...base,
  reducer: (options) => {
    const behaviour = base.reducer(options);
    let acknowledging = false;
    const open = (tenure: Tenure): Tenure =>
      Object.create(tenure, {
        ended: {
          get: () => !acknowledging && tenure.ended,
          set(ended: boolean) {
            tenure.ended = ended;
          },
        },
      }) as Tenure;
    return {
      ...behaviour,
      receive: (state, message) => {
        if (message.type === 'items') {
          const opened = new Map<Tenure, Tenure>();
          for (const item of message.items as unknown as { tenure: Tenure }[]) {
            const tenure = opened.get(item.tenure) ?? open(item.tenure);
            opened.set(item.tenure, tenure);
            item.tenure = tenure;
          }
        }
        acknowledging = message.type === 'folded' || message.type === 'flushed' || message.type === 'contextCalled';
        const step = behaviour.receive(state, message);
        acknowledging = false;
        return step;
      },
    };
  },
});

/** A stage that finds the worker of a disposition by its shard. */
export const settlesByShard = (base: Actors = actors): Actors => {
  const shardOf = new Map<number, string>();
  return wrapped(
    'stage',
    {
      before: (state, message) => {
        if (message.type === 'notify') shardOf.set(message.tenure.shardWorkerNumber, message.tenure.shardId);
        if (message.type !== 'disposed') return message;
        const known = [...state.shardWorkerEntries.keys()];
        const dispositions = message.dispositions.map((ofShardWorker) => {
          if (state.shardWorkerEntries.has(ofShardWorker.shardWorker)) return ofShardWorker;
          const shard = shardOf.get(ofShardWorker.shardWorker);
          return {
            ...ofShardWorker,
            shardWorker: known.findLast((shardWorker) => shardOf.get(shardWorker) === shard) ?? -1,
          };
        });
        return { ...message, dispositions };
      },
    },
    base,
  );
};

/** A stage that knows workers by their shard ids alone, which are the same in all streams. */
const withoutStream: Mutant['make'] = () => {
  const shardOf = new Map<number, string>();
  return wrapped('stage', {
    before: (state, message) => {
      if (message.type === 'notify') shardOf.set(message.tenure.shardWorkerNumber, message.tenure.shardId);
      if (message.type !== 'disposed') return message;
      const known = [...state.shardWorkerEntries.keys()];
      const dispositions = message.dispositions.map((ofShardWorker) => {
        const shard = shardOf.get(ofShardWorker.shardWorker);
        return {
          ...ofShardWorker,
          shardWorker: known.find((shardWorker) => shardOf.get(shardWorker) === shard) ?? ofShardWorker.shardWorker,
        };
      });
      return { ...message, dispositions };
    },
  });
};

/** All workers of a shard have the same number, and the keeper does not take their requests for repeats. */
const namesReused = (base: Actors = actors): Actors => {
  const numbers = new Map<string, number>();
  const keepers = wrapped(
    'leaseKeeper',
    {
      before: (state, message) => {
        if (message.type === 'beginTenure') state.shardWorkers.last = undefined;
        return message;
      },
    },
    base,
  );
  return given(
    'shardWorker',
    (options) => {
      const { leaseKey } = options.lease;
      const shardWorkerNumber = numbers.get(leaseKey) ?? numbers.size + 1;
      numbers.set(leaseKey, shardWorkerNumber);
      return { ...options, shardWorkerNumber };
    },
    keepers,
  );
};

/** A reducer ignores `revoked`, so it keeps the queued items of an ended tenure. */
const revokedIgnored = (base: Actors = actors): Actors =>
  wrapped('reducer', { before: (_state, message) => (message.type === 'revoked' ? undefined : message) }, base);

/** Stages and reducers see only the monotonic clock. That clock stands still while a machine is suspended. */
const monotonicOnly = (base: Actors = actors): Actors => {
  const blind = (clock: Clock): Clock => ({ ...clock, wallNow: () => -1 });
  const stages = given('stage', (options) => ({ ...options, clock: blind(options.clock) }), base);
  return given('reducer', (options) => ({ ...options, clock: blind(options.clock) }), stages);
};

/** The keeper does not notice a suspension by the wall clock, but the deadlines that it writes into a tenure are right. */
const keeperSeesNoSleep = ({ clock }: Machine, base: Actors = actors): Actors =>
  wrapped(
    'leaseKeeper',
    {
      before: (state, message) => {
        state.clocks.lastWall = clock.wallNow() - (clock.now() - state.clocks.lastNow);
        return message;
      },
    },
    base,
  );

/** Every worker under one keeper gets the fence of the first. */
const fenceOfTheTake = (): Actors => {
  const first = new Map<object, number>();
  return wrapped('shardWorker', {
    before: (state, message) => {
      if (message.type !== 'tenure' || message.answer.type !== 'granted') return message;
      const { answer } = message;
      const fence = first.get(state.keeper as object) ?? answer.tenure.fence;
      first.set(state.keeper as object, fence);
      Object.assign(answer.tenure, { fence });
      return message;
    },
  });
};

export const fencingMutants: readonly Mutant[] = [
  {
    name: 'stale settles not fenced',
    make: () => acknowledgesAll(),
    masked: {
      by: 'workers are numbered',
      make: () => settlesByShard(acknowledgesAll()),
      off: () => settlesByShard(),
    },
  },
  { name: 'a stage knows workers by their shards, without the stream', make: withoutStream },
  { name: 'names reused over incarnations', make: () => namesReused() },
  {
    name: 'the news of an ended tenure is not heard',
    make: () => revokedIgnored(),
    masked: {
      by: 'ended tenures are not delivered',
      make: () => blindToEnds(revokedIgnored()),
      off: () => blindToEnds(),
    },
  },
  {
    name: 'the deadline is on the monotonic clock only',
    make: () => monotonicOnly(),
    masked: {
      by: 'the keeper sees the sleep',
      make: ({ machine }) => keeperSeesNoSleep(machine, monotonicOnly()),
      off: ({ machine }) => keeperSeesNoSleep(machine),
    },
  },
  { name: 'a fence is that of the take', make: fenceOfTheTake },
];
