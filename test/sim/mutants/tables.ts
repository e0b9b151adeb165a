// Mutants of streams without hash ranges: lineage, listings, clean-up, LATEST by time. One is not here: no ancestors of leased shards
// (`ancestorsOfLeased`). It shows only if another leaf lacks its row after the clean-up; test/src/core/shard-lineage.test.ts catches it.
import { actors, type Actors } from '../../../src/consumer/wiring.js';
import type { StreamSource } from '../../../src/api/ports.js';
import { hasEnded } from '../../../src/core/shard-graph.js';
import { given, wrapped, type AroundOf, type Mutant } from './around.js';

/** Coordinators and workers with a changed source. */
function withSource(change: (source: StreamSource) => StreamSource, base: Actors = actors): Actors {
  return given(
    'leaseCoordinator',
    (options) => ({
      ...options,
      sources: options.sources.map((each) => ({ ...each, source: change(each.source) })),
    }),
    base,
  );
}

const listing =
  (change: (listShards: StreamSource['listShards']) => StreamSource['listShards']): Mutant['make'] =>
  () =>
    withSource((source) => ({ ...source, listShards: change(source.listShards.bind(source)) }));

/** Before each message of the coordinator. */
const coordinating =
  (step: NonNullable<AroundOf<'leaseCoordinator'>['before']>): Mutant['make'] =>
  () =>
    wrapped('leaseCoordinator', { before: step });

/** The rows of ended shards go with the next scan. */
const cleansAtOnce: Mutant['make'] = () =>
  given('leaseCoordinator', (options) => ({
    ...options,
    store: {
      ...options.store,
      scan: async (signal) => {
        const scan = await options.store.scan(signal);
        for (const row of scan.rows)
          if (hasEnded(row)) await options.store.delete(row.leaseKey, row.leaseCounter, signal);
        return { ...scan, rows: scan.rows.filter((row) => !hasEnded(row)) };
      },
    },
  }));

const endsAreBelieved: Mutant['make'] = () =>
  wrapped('leaseKeeper', {
    before: (_state, message) =>
      message.type === 'shardEndPlanned' && message.plan.type !== 'ready'
        ? { ...message, plan: { type: 'ready' as const, childShardIds: [] } }
        : message,
  });

const begins: Mutant['make'] = () =>
  given('shardWorker', (options) => ({
    ...options,
    source: {
      ...options.source,
      open: (shardId, start, ...rest) =>
        options.source.open(shardId, start.type === 'atTimestamp' ? { type: 'trimHorizon' } : start, ...rest),
    },
  }));

const mutants: readonly Omit<Mutant, 'kind'>[] = [
  {
    name: 'a table: listed shards have no parents',
    make: listing((listShards) => async (...args) => {
      const found = await listShards(...args);
      return { ...found, shards: found.shards.map(({ parentShardId: _, ...shard }) => shard) };
    }),
  },
  {
    name: 'a table: the last shards are looked for once',
    make: coordinating((state, message) => {
      for (const { audit } of state.streams) Object.assign(audit, { lateChildren: 0, dueAt: Infinity });
      return message;
    }),
  },
  {
    name: 'a table: a worker audits at every scan',
    make: coordinating((state, message) => {
      if (message.type === 'scanned') for (const { audit } of state.streams) audit.dueAt = 0;
      return message;
    }),
  },
  { name: 'a table: the row of an ended shard goes with the next scan', make: cleansAtOnce },
  { name: 'a table: an end is believed although the shard is listed open', make: endsAreBelieved },
  { name: 'a table: LATEST begins at TRIM_HORIZON', make: begins },
];

export const tableMutants: readonly Mutant[] = mutants.map((mutant) => ({ ...mutant, kind: 'tables' }));
