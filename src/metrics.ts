// What kinact measures, as one table, and the port it is told through. Names are the KCL's where the KCL measures the same
// (kcl.md 5), so that dashboards survive the move. Silent unless a meter is given; a meter that throws harms nothing.

/** Label values by label name. Which labels an instrument has is in the table. */
export type Labels = Readonly<Record<string, string>>;

/** The port: three calls that any metrics library can be put behind in a few lines. All values are finite numbers. */
export interface Meter {
  /** Adds to a counter. `by` is never negative. */
  count(name: CounterName, by: number, labels: Labels): void;
  /** Sets a gauge. */
  gauge(name: GaugeName, value: number, labels: Labels): void;
  /** Adds one observation to a histogram. */
  observe(name: HistogramName, value: number, labels: Labels): void;
}

export interface Instrument {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly unit: 'records' | 'items' | 'bytes' | 'ms' | 'leases' | 'workers' | 'shards' | 'calls' | 'events';
  readonly labels: readonly string[];
  readonly help: string;
}

const shard = ['source', 'shardId'] as const;
const table = ['table'] as const;

const kcl = {
  RecordsProcessed: { type: 'counter', unit: 'records', labels: shard, help: 'User records settled.' },
  DataBytesProcessed: { type: 'counter', unit: 'bytes', labels: shard, help: 'Bytes of the user records settled.' },
  MillisBehindLatest: { type: 'gauge', unit: 'ms', labels: shard, help: 'How far the last read was behind the tip.' },
  ExpiredIterator: { type: 'counter', unit: 'calls', labels: shard, help: 'Shard iterators that had expired.' },
  'KinesisDataFetcher.getRecords.Time': {
    type: 'histogram',
    unit: 'ms',
    labels: shard,
    help: 'Duration of a GetRecords call.',
  },
  CurrentLeases: { type: 'gauge', unit: 'leases', labels: table, help: 'Leases this process holds.' },
  TakenLeases: { type: 'counter', unit: 'leases', labels: table, help: 'Leases taken, free ones and stolen ones.' },
  LostLeases: { type: 'counter', unit: 'leases', labels: table, help: 'Held leases that became another worker’s.' },
  ExpiredLeases: { type: 'gauge', unit: 'leases', labels: table, help: 'Leases whose owner has stopped renewing.' },
  TotalLeases: { type: 'gauge', unit: 'leases', labels: table, help: 'Rows of the table that stand for a shard.' },
  NumWorkers: { type: 'gauge', unit: 'workers', labels: table, help: 'Workers that hold a lease, this one included.' },
  'RenewLease.Time': { type: 'histogram', unit: 'ms', labels: table, help: 'Duration of a renewal.' },
} as const satisfies Record<string, Instrument>;

const ours = {
  ReleasedLeases: { type: 'counter', unit: 'leases', labels: table, help: 'Leases given up by one write.' },
  Checkpoints: { type: 'counter', unit: 'events', labels: shard, help: 'Checkpoints that became durable.' },
  OpenRecords: { type: 'gauge', unit: 'records', labels: shard, help: 'Records admitted and not settled yet.' },
  OpenBytes: {
    type: 'gauge',
    unit: 'bytes',
    labels: shard,
    help: 'Bytes of the records admitted and not settled yet.',
  },
  OldestOpenMillis: { type: 'gauge', unit: 'ms', labels: shard, help: 'For how long the frontier has stood still.' },
  SkippedRecords: { type: 'counter', unit: 'records', labels: shard, help: 'Records settled by the policy `skip`.' },
  FilteredRecords: { type: 'counter', unit: 'records', labels: shard, help: 'User records outside the hash range.' },
  DuplicateRecords: { type: 'counter', unit: 'records', labels: shard, help: 'Records the service delivered twice.' },
  MalformedAggregates: { type: 'counter', unit: 'records', labels: shard, help: 'Aggregates that broke the format.' },
  Throttled: { type: 'counter', unit: 'calls', labels: shard, help: 'Calls the service refused for their rate.' },
  'Reduce.Time': { type: 'histogram', unit: 'ms', labels: ['reducer'], help: 'Duration of a batch of `reduce` calls.' },
  'Flush.Time': { type: 'histogram', unit: 'ms', labels: ['reducer'], help: 'Duration of a `flush`.' },
  FoldedAfterLoss: {
    type: 'counter',
    unit: 'items',
    labels: ['reducer'],
    help: 'Items folded here whose lease ended before their acknowledgement: they may take effect twice.',
  },
  PipelineRestarts: {
    type: 'counter',
    unit: 'events',
    labels: [],
    help: 'Incarnations of the pipeline after the first.',
  },
  OrphanedEffects: {
    type: 'counter',
    unit: 'events',
    labels: [],
    help: 'User effects still running at a stop deadline.',
  },
  Incidents: {
    type: 'counter',
    unit: 'events',
    labels: ['what'],
    help: 'What is worth a number and no event: stale settles, unknown messages, late replies, listeners that threw.',
  },
} as const satisfies Record<string, Instrument>;

/** Every instrument: name, type, unit, labels, help. */
export const instruments = Object.freeze({ ...kcl, ...ours });

type Instruments = typeof instruments;
type NameOf<Type> = {
  [Name in keyof Instruments]: Instruments[Name]['type'] extends Type ? Name : never;
}[keyof Instruments];

export type CounterName = NameOf<'counter'>;
export type GaugeName = NameOf<'gauge'>;
export type HistogramName = NameOf<'histogram'>;
export type InstrumentName = keyof Instruments;

const nothing = (): void => {};

/** Measures nothing: the default. */
export const silentMeter: Meter = Object.freeze({ count: nothing, gauge: nothing, observe: nothing });

/** A meter that cannot throw. `failed` hears of what the wrapped one throws; it must not measure. */
export function guardMeter(meter: Meter, failed: (error: unknown) => void): Meter {
  if (meter === silentMeter) return silentMeter;
  const guarded = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      failed(error);
    }
  };
  return {
    count: (name, by, labels) => guarded(() => meter.count(name, by, labels)),
    gauge: (name, value, labels) => guarded(() => meter.gauge(name, value, labels)),
    observe: (name, value, labels) => guarded(() => meter.observe(name, value, labels)),
  };
}
