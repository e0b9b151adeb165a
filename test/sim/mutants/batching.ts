// Mutants of calls with batches, of their timeouts, of the rate limit, and of the pause of the intake.
import { addTask, createTask, type Batching, type ProcessCall } from '../../../actors/reducer/batches/batching.js';
import type { ReducerOptions } from '../../../actors/reducer/reducer.js';
import { createRateLimit } from '../../../src/core/rate-limit.js';
import { given, wrapped, type MessageTo, type Mutant, type StateOf } from './around.js';

const batchingOf = (state: StateOf<'reducer'>): Batching => state.batching as Batching;

/** Reducers whose state is changed before each message. */
const nudged =
  (nudge: (state: StateOf<'reducer'>, message: MessageTo<'reducer'>) => void): Mutant['make'] =>
  () =>
    wrapped('reducer', {
      before: (state, message) => {
        nudge(state, message);
        return message;
      },
    });

/** Reducers with another definition. */
const redefined = (change: (definition: ReducerOptions['definition']) => object): Mutant['make'] => {
  const changed = (options: ReducerOptions): ReducerOptions => ({
    ...options,
    definition: { ...options.definition, ...change(options.definition) } as ReducerOptions['definition'],
  });
  return () => given('reducer', changed);
};

const failedHalf = (message: MessageTo<'reducer'>): ProcessCall | undefined => {
  if (message.type !== 'processed') return undefined;
  const call = message.call as ProcessCall;
  return call.failure !== undefined && call.handed.length > 1 ? call : undefined;
};

const settledHalf = nudged((_state, message) => {
  const call = failedHalf(message);
  if (call?.task.isBisected === true) call.failure = undefined;
});

const allHaveFailed = nudged((_state, message) => {
  const call = failedHalf(message);
  if (call === undefined) return;
  for (const item of call.handed) call.failed.set(item, call.failure?.cause);
  call.failure = undefined;
});

const lastPartFirst = nudged((state) => {
  for (const task of batchingOf(state).tasks) if (task.isBisected) task.parts = task.parts.toReversed();
});

/** Every item finds the lane of its key free. */
const withoutLanes = nudged((state) => {
  const { lanes } = batchingOf(state);
  if (lanes === undefined) return;
  for (const { behind } of lanes.byKey.values())
    for (let next = behind?.shift(); next !== undefined; next = behind?.shift()) state.carry = [...state.carry, next];
  lanes.waiting = 0;
  lanes.byKey.clear();
});

/** Once the signal of a call has aborted, the call is made again at once. */
const calledBeside = (): ReturnType<Mutant['make']> => {
  let now = (): number => 0;
  const base = given('reducer', (options) => {
    now = () => options.clock.now() - (options.definition.timeoutMs ?? Infinity);
    return options;
  });
  return wrapped(
    'reducer',
    {
      before: (state, message) => {
        const batching = batchingOf(state);
        if (message.type !== 'timeoutDue' || batching.lanes === undefined) return message;
        for (const call of [...batching.calls]) {
          if (call.startedAt > now()) continue;
          batching.calls.delete(call);
          batching.tasks.delete(call.task);
          addTask(batching, createTask([call.items], 'process', true));
        }
        return message;
      },
    },
    base,
  );
};

const limitOfItsOwn: Mutant['make'] = () =>
  given('reducer', (options) => {
    const { limit } = options;
    return limit?.bucket === undefined
      ? options
      : { ...options, limit: createRateLimit(limit.bucket.perSecond, options.clock.now()) };
  });

/** A reducer forgets what it has reserved, and reserves again. */
const neverGivenBack: Mutant['make'] = () =>
  wrapped('reducer', {
    after: (state, _message, effects) => {
      state.reservation = undefined;
      return effects;
    },
  });

export const batchingMutants: readonly Mutant[] = [
  { name: 'a half that fails is settled', make: settledHalf },
  { name: 'all items of a failed call count as failed alone', make: allHaveFailed },
  { name: 'the second half of a failed batch is called first', make: lastPartFirst },
  { name: 'a key is in two calls at once', make: withoutLanes },
  {
    name: 'more calls are under way than concurrency says',
    make: redefined(({ concurrency }) => (concurrency === undefined ? {} : { concurrency: concurrency + 4 })),
  },
  { name: 'a call whose time is over is called again beside itself', make: calledBeside },
  {
    name: 'the signal of a call aborts too early',
    make: redefined(({ timeoutMs }) => (timeoutMs === undefined ? {} : { timeoutMs: timeoutMs / 2 })),
  },
  {
    name: 'the signal of a call aborts too late',
    make: redefined(({ timeoutMs }) => (timeoutMs === undefined ? {} : { timeoutMs: timeoutMs * 2 })),
  },
  {
    name: 'items are handed out without tokens',
    make: () => given('reducer', ({ limit: _, ...options }) => options),
  },
  { name: 'each reducer has a limit of its own', make: limitOfItsOwn },
  { name: 'reserved tokens are never given back', make: neverGivenBack },
  {
    name: 'a paused consumer reads on',
    make: () => given('shardWorker', ({ intake: _, ...options }) => options),
  },
];
