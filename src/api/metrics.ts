// The table of all instruments, and the port that receives their values. An instrument that the KCL has, too, keeps the KCL's name,
// so dashboards still work after a move. Without a meter, kinact measures nothing. A meter that throws is counted, and has no other
// effect.
import { callGuarded } from '../core/callback.js';

/** Label values by label name. `instruments` has the label names of each instrument. */
export type Labels = Readonly<Record<string, string>>;

/** Receives measurements. Its two functions are a few lines on top of any metrics library. All values are finite numbers. */
export interface Meter {
  /** Adds to a counter. `by` is never negative. */
  count(name: CounterName, by: number, labels: Labels): void;
  /** Sets a gauge. */
  gauge(name: GaugeName, value: number, labels: Labels): void;
  /** Adds a value to a distribution, as it happens. Leave it out to keep no distributions: the counters have the sums. */
  record?(name: DistributionName, value: number, labels: Labels): void;
}

export interface Instrument {
  readonly type: 'counter' | 'gauge' | 'distribution';
  readonly unit: 'records' | 'items' | 'bytes' | 'ms' | 'leases' | 'calls' | 'events';
  readonly labels: readonly string[];
  readonly help: string;
}

const shard = ['source', 'shardId'] as const;
const source = ['source'] as const;

const kcl = {
  RecordsProcessed: {
    type: 'counter',
    unit: 'records',
    labels: shard,
    help: 'User records settled, reported every 10 s and at the end.',
  },
  DataBytesProcessed: { type: 'counter', unit: 'bytes', labels: shard, help: 'Their bytes.' },
  MillisBehindLatest: { type: 'gauge', unit: 'ms', labels: shard, help: 'How far the last read was behind the tip.' },
  CurrentLeases: { type: 'gauge', unit: 'leases', labels: source, help: 'Shards this process reads.' },
  TakenLeases: { type: 'counter', unit: 'leases', labels: source, help: 'Leases taken, free ones and stolen ones.' },
  LostLeases: { type: 'counter', unit: 'leases', labels: source, help: 'Held leases that became another worker’s.' },
} as const satisfies Record<string, Instrument>;

const ours = {
  MaxMillisBehindLatest: {
    type: 'gauge',
    unit: 'ms',
    labels: [],
    help: 'One figure for reading: the largest read lag of a shard, or the longest time that a shard has had no reader. See [lag.md](lag.md).',
  },
  CheckpointAgeMillis: {
    type: 'gauge',
    unit: 'ms',
    labels: [],
    help: 'One figure for the work: the age of the oldest record that no durable checkpoint covers. See [lag.md](lag.md).',
  },
  LagMillis: {
    type: 'gauge',
    unit: 'ms',
    labels: shard,
    help: 'Age of the oldest record that is not settled, read or not, from its arrival.',
  },
  GetRecordsCalls: {
    type: 'counter',
    unit: 'calls',
    labels: shard,
    help: 'Calls of GetRecords that the service has answered, also with an error.',
  },
  GetRecordsMillis: {
    type: 'counter',
    unit: 'ms',
    labels: shard,
    help: 'Their time: divide by the calls for the mean.',
  },
  GetRecordsTime: { type: 'distribution', unit: 'ms', labels: shard, help: 'The time of each.' },
  ProcessRecordsCalls: {
    type: 'counter',
    unit: 'calls',
    labels: ['call'],
    help: 'Calls of your reducer that have ended, by kind: `process`, `flush`, `behaviour`, or `reduce` for a run over many items.',
  },
  ProcessRecordsMillis: { type: 'counter', unit: 'ms', labels: ['call'], help: 'Their time.' },
  ProcessRecordsTime: { type: 'distribution', unit: 'ms', labels: ['call'], help: 'The time of each.' },
  ReleasedLeases: { type: 'counter', unit: 'leases', labels: source, help: 'Leases given up by one write.' },
  Checkpoints: { type: 'counter', unit: 'events', labels: shard, help: 'Checkpoints that became durable.' },
  OpenRecords: { type: 'gauge', unit: 'records', labels: shard, help: 'Records admitted and not settled yet.' },
  OpenBytes: { type: 'gauge', unit: 'bytes', labels: shard, help: 'Their bytes.' },
  PrefetchedBytes: { type: 'gauge', unit: 'bytes', labels: shard, help: 'Bytes fetched ahead of the work on a shard.' },
  HeldBytes: {
    type: 'gauge',
    unit: 'bytes',
    labels: [],
    help: 'Bytes of records that the process holds, of `maxBytes`.',
  },
  WaitingShards: {
    type: 'gauge',
    unit: 'leases',
    labels: [],
    help: 'Shards that wait for bytes before they are read further.',
  },
  OldestOpenMillis: { type: 'gauge', unit: 'ms', labels: shard, help: 'Age of the oldest open record; 0 without one.' },
  SkippedRecords: { type: 'counter', unit: 'items', labels: shard, help: 'Items settled by the policy `skip`.' },
  ParkedItems: { type: 'counter', unit: 'items', labels: shard, help: 'Items that a sink of `park` keeps.' },
  Throttled: {
    type: 'counter',
    unit: 'calls',
    labels: shard,
    help: 'Shard reads that the service throttled. A throttled lease table fires the events `retrying` (kind `throttled`) and `leaseTableBusy`.',
  },
  PipelineRestarts: {
    type: 'counter',
    unit: 'events',
    labels: [],
    help: 'Pipeline restarts, including those caused by a lease coordinator’s restart.',
  },
  OrphanedEffects: { type: 'counter', unit: 'events', labels: [], help: 'User effects running at a stop deadline.' },
  Incidents: {
    type: 'counter',
    unit: 'events',
    labels: ['what'],
    help: 'Incidents that need no alarm: the counters of `status()`, each explained in [status.md](status.md).',
  },
} as const satisfies Record<string, Instrument>;

/** Every instrument: name, type, unit, labels, help. */
export const instruments = Object.freeze({ ...kcl, ...ours });

/** The table of all instruments. */
type Instruments = typeof instruments;
/** The names of the instruments of one type. */
type NameOf<Type> = {
  [Name in keyof Instruments]: Instruments[Name]['type'] extends Type ? Name : never;
}[keyof Instruments];

/** The name of a counter, for a `meter`; docs/metrics.md lists them. */
export type CounterName = NameOf<'counter'>;
/** The name of a gauge, for a `meter`; docs/metrics.md lists them. */
export type GaugeName = NameOf<'gauge'>;
/** The name of a distribution, for a `meter`. */
export type DistributionName = NameOf<'distribution'>;
export type InstrumentName = keyof Instruments;

const nothing = (): void => {};

/** The default meter, which does nothing. */
export const silentMeter: Meter = Object.freeze({ count: nothing, gauge: nothing });

/** Wraps a meter. The wrapper never throws or rejects. `failed` gets the errors of the wrapped meter, and must not measure. */
export function guardMeter(meter: Meter, failed: (error: unknown) => void): Meter {
  if (meter === silentMeter) return silentMeter;
  const distributions =
    meter.record === undefined
      ? {}
      : {
          record: (name: DistributionName, value: number, labels: Labels) =>
            callGuarded(() => meter.record?.(name, value, labels) as unknown, failed),
        };
  return {
    ...distributions,
    count: (name, by, labels) => callGuarded(() => meter.count(name, by, labels) as unknown, failed),
    gauge: (name, value, labels) => callGuarded(() => meter.gauge(name, value, labels) as unknown, failed),
  };
}
