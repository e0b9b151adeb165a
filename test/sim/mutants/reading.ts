// Mutants of reading: where a tenure begins, which part of an aggregate is done, how iterators, ends and children are handled.
import type { LeaseRow } from '../../../src/core/lease.js';
import type { ReadResult, ShardReader, SourceNotice, StreamSource } from '../../../src/api/ports.js';
import { effect } from '../../../actors/protocol/actor.js';
import { given, wrapped, type Mutant } from './around.js';

const noItemsNeverSettle: Mutant['make'] = () =>
  wrapped('shardWorker', {
    before: (_state, message) => {
      if (message.type !== 'notified' && message.type !== 'collected') return message;
      const pairs = message.dispositions.itemCounts;
      const itemCounts: number[] = [];
      for (let at = 0; at < pairs.length; at += 2)
        if (pairs[at + 1] !== 0) itemCounts.push(pairs[at] as number, pairs[at + 1] as number);
      return { ...message, dispositions: { ...message.dispositions, itemCounts } };
    },
  });

const wholeAggregates: Mutant['make'] = () =>
  wrapped('shardWorker', {
    before: (_state, message) => {
      if (message.type !== 'tenure' || message.answer.type !== 'granted') return message;
      const { tenure } = message.answer;
      const { start } = tenure;
      if (start.type === 'after')
        tenure.start = { ...start, position: { ...start.position, subSequenceNumber: 1_000_000 } };
      return message;
    },
  });

/** Gives a worker a source with another reader. */
export const readBy = (change: (reader: ShardReader, place: Place) => Partial<ShardReader>): Mutant['make'] => {
  const opened =
    (source: StreamSource): StreamSource['open'] =>
    (shardId, start, notice, ...more) => {
      const place: Place = {
        shardId,
        after: start.type === 'after' ? start.position.sequenceNumber : undefined,
        told: new Set(),
      };
      const reader = source.open(
        shardId,
        start,
        (each) => {
          place.told.add(each.type);
          notice(each);
        },
        ...more,
      );
      return { read: (signal) => reader.read(signal), close: () => reader.close(), ...change(reader, place) };
    };
  return () =>
    given('shardWorker', (options) => ({ ...options, source: { ...options.source, open: opened(options.source) } }));
};

export interface Place {
  readonly shardId: string;
  readonly after: string | undefined;
  readonly told: Set<SourceNotice['type']>;
}

const oneTooFar = readBy((reader, { after }) => {
  let left = after === undefined ? 0 : 1;
  const skip = (result: ReadResult): ReadResult => {
    if (result.type !== 'records' || left === 0) return result;
    const isNew = [...result.records].findIndex(
      ({ sequenceNumber }) => BigInt(sequenceNumber) > BigInt(after as string),
    );
    if (isNew < 0) return result;
    left = 0;
    return { ...result, records: [...result.records].toSpliced(isNew, 1) };
  };
  return { read: async (signal) => skip(await reader.read(signal)) };
});

const iteratorNotRenewed = readBy((reader, { told }) => ({
  read: async (signal) => {
    const result = await reader.read(signal);
    return told.has('iteratorExpired') && result.type === 'records' ? { ...result, records: [] } : result;
  },
}));

const pageLost = readBy((reader, { told }) => ({
  read: async (signal) => {
    const result = await reader.read(signal);
    if (result.type !== 'records' || !told.has('throttled') || result.records.length === 0) return result;
    told.delete('throttled');
    return { ...result, records: [] };
  },
}));

const repeatsAreNew: Mutant['make'] = () =>
  wrapped('shardWorker', {
    before: (state, message) => {
      if (message.type === 'readDone') state.ledger.newestNumber = '';
      return message;
    },
  });

/** The worker reports the end of the shard as soon as the service does. */
const endsAtOnce: Mutant['make'] = () =>
  wrapped('shardWorker', {
    after: (state, message, effects) => {
      if (message.type !== 'readDone' || state.ending?.type !== 'shardEnd' || state.finished) return effects;
      const { shardWorkerNumber: shardWorker, fence } = state.tenure!;
      const end = { type: 'shardWorkerEnded', shardWorker, fence, end: state.ending };
      return [...effects, effect.send(state.keeper, end as never)];
    },
  });

const childrenAtLatest: Mutant['make'] = ({ machine }) => {
  const late = (row: LeaseRow): LeaseRow =>
    row.parentShardIds.length > 0 && row.checkpoint === 'TRIM_HORIZON'
      ? { ...row, checkpoint: 'LATEST', kinactLatestAt: machine.clock.wallNow() }
      : row;
  return given('leaseCoordinator', (options) => ({
    ...options,
    store: {
      ...options.store,
      create: (row: LeaseRow, signal: AbortSignal) => options.store.create(late(row), signal),
    },
  }));
};

/** The time that a record waited in the stream does not count: only the time that the worker has had it. */
const lagFromAdmission: Mutant['make'] = () =>
  given('shardWorker', (options) => ({
    ...options,
    clock: { now: () => options.clock.now(), wallNow: () => -Infinity },
  }));

export const readingMutants: readonly Mutant[] = [
  { name: 'W12: a record of no items is never settled', make: noItemsNeverSettle },
  { name: 'P6: an aggregate begun is taken for one that is done', make: wholeAggregates },
  { name: 'a tenure begins one record too far', make: oneTooFar },
  { name: 'an expired iterator is not asked for again', make: iteratorNotRenewed },
  { name: 'a page is lost when the service throttles', make: pageLost },
  { name: 'what the service repeats is handed out again', make: repeatsAreNew },
  { name: 'a shard ends before its records are settled', make: endsAtOnce },
  { name: 'a child shard starts at LATEST', make: childrenAtLatest },
  { name: 'lag counts from when the worker has the record', make: lagFromAdmission },
];
