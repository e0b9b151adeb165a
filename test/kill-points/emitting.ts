// Scenarios with a pipe behind the reducers: each item is emitted at once, and twice more with its flush. It is done with all three.
import type { Pipe } from '../../src/api/pipe.js';
import {
  defineReducer,
  type FlushContext,
  type Item,
  type ReducerContext,
  type ReducerDefinition,
} from '../../src/api/reducer.js';
import { retry } from '../../src/options/retry-policy.js';
import { pipe } from '../../src/pipes/pipe.js';
import type { Work } from './application.js';
import { feed, type Scenario } from './scenario.js';

interface Part {
  readonly ids: readonly string[];
  readonly part: string;
}

const ofFlush = ['a', 'b'] as const;

export function emittingOf({ note, acknowledged, pause, callMs, beforeFlush }: Work): {
  readonly reducer: ReducerDefinition;
  readonly pipe: Pipe<Part>;
} {
  const written = new Map<string, Set<string>>();
  const write = (id: string, part: string): void => {
    const known = written.get(id) ?? new Set<string>();
    written.set(id, known.add(part));
    if (known.size === 1 + ofFlush.length) acknowledged([id]);
  };
  return {
    reducer: defineReducer({
      init: (): readonly string[] => [],
      reduce: (batch: readonly string[], item: Item<string>, { emit }: ReducerContext<Part>) => {
        note(item);
        emit({ ids: [item.value], part: 'own' });
        return [...batch, item.value];
      },
      batch: { size: 8, intervalMs: 300 },
      flush: async (batch, { emit }: FlushContext<Part>) => {
        await pause(callMs('flush'));
        for (const part of ofFlush) emit({ ids: batch, part });
        beforeFlush();
        return [];
      },
    }),
    pipe: pipe<Part>()
      .aggregate({ count: 4, intervalMs: 250 })
      .unfold((parts) => parts)
      .to(async ({ ids, part }) => {
        await pause(callMs('reduce'));
        for (const id of ids) write(id, part);
      }),
  };
}

export const emittings: readonly Scenario[] = [
  {
    name: 'reducers emit into pipes, a flush fails, and another consumer takes a lease by force',
    form: 'emits',
    ms: 9_000,
    options: { credit: 4, maxPending: 16, onFailure: () => Promise.resolve(retry({ minMs: 300, maxMs: 600 })) },
    script: (world) => {
      const { at, leases, oracle, clock, trouble } = world;
      feed(world, 8_000, 300, 12);
      at(1_300, () => (trouble.callMs = 60));
      at(2_000, () => void trouble.throws.set('flush', { times: 3, message: 'scripted' }));
      at(3_000, () => (trouble.callMs = 0));
      at(4_000, () => {
        const before = leases.rows.get('shardId-000000000000');
        if (before === undefined || before.checkpoint === 'SHARD_END') return;
        const after = leases.takeAs('shardId-000000000000', 'java');
        oracle.wrote({ process: 'java', leaseKey: before.leaseKey, before, after, sentAt: clock.now() });
      });
      at(5_000, () => void world.stream.split('shardId-000000000001'));
    },
  },
];
