// Mutants of restarts: parts of an old incarnation that still act in a later one, or send messages to it.
import { sendFromOutside } from '../../../supervision/system.js';
import { actors, type Actors } from '../../../src/consumer/wiring.js';
import type { Ref } from '../../../actors/protocol/actor.js';
import { around, blindToEnds, wrapped, type AnyEffect, type Mutant } from './around.js';

/** A stop does not wait for calls of user code. */
const asIo = (effects: readonly AnyEffect[]): readonly AnyEffect[] =>
  effects.map((effect) => (effect.type === 'run' ? { ...effect, kind: 'io' } : effect));

const noWait: Mutant['make'] = () => wrapped('reducer', { after: (_state, _message, effects) => asIo(effects) });

/** nact's reset: a fresh state behind the same address, while the old handler continues and its result reaches the new state. */
const reset: Mutant['make'] = () => {
  const newest = new Map<number, Ref<never>>();
  return {
    ...actors,
    reducer: (options) => {
      const inner = actors.reducer(options);
      let self: Ref<never> | undefined;
      const returning = (effect: AnyEffect): AnyEffect => {
        if (effect.type !== 'run') return effect;
        const start = (signal: AbortSignal): unknown => {
          const result = effect.start(signal);
          const mine = self;
          void Promise.resolve(result).then(
            (value) => {
              const now = newest.get(options.index);
              if (now !== mine && now !== undefined) sendFromOutside(now, effect.done(value as never));
            },
            () => {},
          );
          return result;
        };
        return { ...effect, kind: 'io', start };
      };
      return around(
        {
          ...inner,
          initial: (ref: never) => {
            self = ref;
            newest.set(options.index, ref);
            return inner.initial(ref);
          },
        },
        { after: (_state, _message, effects) => effects.map(returning) },
      );
    },
  };
};

/** A dead worker's items stay queued. */
const keepsQueued = (base: Actors = actors): Actors =>
  wrapped(
    'stage',
    {
      before: (_state, message) =>
        message.type === 'retire' || message.type === 'shardWorkerDown' ? undefined : message,
    },
    base,
  );

/** After a disposition for an unknown worker, the stage ignores all later dispositions for that worker. */
const deaf = (base: Actors = actors): Actors => {
  const unknown = new Set<number>();
  return wrapped(
    'stage',
    {
      before: (state, message) => {
        if (message.type !== 'disposed') return message;
        const dispositions = message.dispositions;
        for (const { shardWorker } of dispositions)
          if (!state.shardWorkerEntries.has(shardWorker)) unknown.add(shardWorker);
        return { ...message, dispositions: dispositions.filter(({ shardWorker }) => !unknown.has(shardWorker)) };
      },
    },
    base,
  );
};

/** Like `deaf`, but the stage knows a worker by the name of its shard. */
const deafByShard = (base: Actors = actors): Actors => {
  const shardOf = new Map<number, string>();
  const unknown = new Set<string | undefined>();
  return wrapped(
    'stage',
    {
      before: (state, message) => {
        if (message.type === 'notify') shardOf.set(message.tenure.shardWorkerNumber, message.tenure.shardId);
        if (message.type !== 'disposed') return message;
        const dispositions = message.dispositions;
        for (const { shardWorker } of dispositions)
          if (!state.shardWorkerEntries.has(shardWorker)) unknown.add(shardOf.get(shardWorker));
        return {
          ...message,
          dispositions: dispositions.filter(({ shardWorker }) => !unknown.has(shardOf.get(shardWorker))),
        };
      },
    },
    base,
  );
};

export const restartingMutants: readonly Mutant[] = [
  { name: 'a restart that does not wait for old effects', make: noWait },
  { name: "nact's reset in place of stop and spawn", make: reset },
  {
    name: "S4: a dead worker's items stay queued",
    make: () => keepsQueued(),
    masked: {
      by: 'ended tenures are not delivered',
      make: () => blindToEnds(keepsQueued()),
      off: () => blindToEnds(),
    },
  },
  {
    name: 'S5: an unknown disposition makes a worker unheard',
    make: () => deaf(),
    masked: { by: 'workers are numbered', make: () => deafByShard() },
  },
];
