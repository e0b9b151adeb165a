// Reports to the meter: events as they happen, and the state of every shard at an interval. Costs nothing without a meter.
import { takeCalls, type CallTally } from '../core/call-tally.js';
import { takeSettled, type SettledTally } from '../core/settled-tally.js';
import type { Emitter } from './emitter.js';
import { silentMeter, type CounterName, type Labels, type Meter } from '../api/metrics.js';
import type { Timers } from '../api/ports.js';
import type { ConsumerStatus } from '../api/status.js';

/** How often gauges are set and running totals reported. */
const intervalMs = 10_000;

/** The values at the last report to the meter. */
interface LastReport {
  /** Running totals: the meter gets the increase since the last report. */
  incidents: ConsumerStatus['counters'];
  /** Shards and sources with gauges. When one disappears, its gauges are set to 0, or a dashboard would keep the last values. */
  shards: ReadonlyMap<string, Labels>;
  sources: ReadonlySet<string>;
}

export interface Metering {
  /** Stops the metering after one last report. To be called when nothing happens any longer. */
  end(): void;
}

export const noMetering: Metering = { end: () => {} };

/** What is measured: events, settled records, and the values in `status`. */
export interface Measured {
  readonly emitter: Emitter;
  readonly settled: SettledTally | undefined;
  readonly calls: ReadonlyMap<string, CallTally>;
  readonly status: () => ConsumerStatus;
}

/** Starts the metering with a meter that never throws (`guardMeter`). */
export function startMetering(meter: Meter, { emitter, settled, calls, status }: Measured, timers: Timers): Metering {
  if (meter === silentMeter || settled === undefined) return noMetering;
  const ends = countEvents(meter, emitter);
  const lastReport: LastReport = { incidents: {}, shards: new Map(), sources: new Set() };

  let cancel = (): void => {};
  const look = (): void => {
    reportWork(meter, settled, calls);
    sample(meter, status(), lastReport);
  };
  const lookRegularly = (): void => {
    look();
    cancel = timers.after(intervalMs, lookRegularly);
  };
  lookRegularly();

  return {
    end: () => {
      cancel();
      look();
      // What has left keeps no value: other processes report on the shards from now on.
      for (const gauge of applicationGauges) meter.gauge(gauge, 0, {});
      for (const end of ends) end();
    },
  };
}

/** What was done since the last report. */
function reportWork(meter: Meter, settled: SettledTally, calls: ReadonlyMap<string, CallTally>): void {
  const add = (name: CounterName, by: number, labels: Labels): void => {
    if (by > 0) meter.count(name, by, labels);
  };
  for (const { records, bytes, reads, ...shard } of takeSettled(settled)) {
    add('RecordsProcessed', records, shard);
    add('DataBytesProcessed', bytes, shard);
    add('GetRecordsCalls', reads.calls, shard);
    add('GetRecordsMillis', reads.ms, shard);
  }
  for (const [call, tally] of calls) {
    const { calls: ended, ms } = takeCalls(tally);
    add('ProcessRecordsCalls', ended, { call });
    add('ProcessRecordsMillis', ms, { call });
  }
}

function countEvents(meter: Meter, emitter: Emitter): readonly (() => void)[] {
  const shardOf = ({ source, shardId }: { source: string; shardId: string }): Labels => ({ source, shardId });
  return [
    emitter.on('leaseTaken', ({ source }) => meter.count('TakenLeases', 1, { source })),
    emitter.on('leaseLost', ({ source }) => meter.count('LostLeases', 1, { source })),
    emitter.on('leaseReleased', ({ source }) => meter.count('ReleasedLeases', 1, { source })),
    emitter.on('checkpoint', (at) => meter.count('Checkpoints', 1, shardOf(at))),
    emitter.on('itemParked', (at) => meter.count('ParkedItems', at.items ?? 1, shardOf(at))),
    emitter.on('recordSkipped', (at) => meter.count('SkippedRecords', at.items ?? 1, shardOf(at))),
    emitter.on('throttled', (at) => meter.count('Throttled', 1, shardOf(at))),
    emitter.on('pipelineRestarted', () => meter.count('PipelineRestarts', 1, {})),
    emitter.on('orphaned', ({ effects }) => meter.count('OrphanedEffects', effects.length, {})),
  ];
}

function sample(meter: Meter, status: ConsumerStatus, lastReport: LastReport): void {
  setGauges(meter, status, lastReport);
  for (const [counter, total] of Object.entries(status.counters)) {
    const increase = total - (lastReport.incidents[counter] ?? 0);
    if (increase > 0) meter.count('Incidents', increase, { what: counter });
  }
  lastReport.incidents = status.counters;
}

const applicationGauges = ['MaxMillisBehindLatest', 'CheckpointAgeMillis'] as const;
const shardGauges = [
  'OpenRecords',
  'OpenBytes',
  'PrefetchedBytes',
  'OldestOpenMillis',
  'MillisBehindLatest',
  'LagMillis',
] as const;

function setGauges(meter: Meter, status: ConsumerStatus, lastReport: LastReport): void {
  const leases = new Map<string, number>();
  const shards = new Map<string, Labels>();

  meter.gauge('HeldBytes', status.bytes.held, {});
  meter.gauge('WaitingShards', status.bytes.waiting, {});
  const { maxMillisBehindLatest, checkpointAgeMs } = status.lag;
  if (maxMillisBehindLatest !== null) meter.gauge('MaxMillisBehindLatest', maxMillisBehindLatest, {});
  if (checkpointAgeMs !== null) meter.gauge('CheckpointAgeMillis', checkpointAgeMs, {});

  for (const shard of status.shards) {
    const { source, shardId, openRecords, openBytes, prefetchedBytes, oldestOpen, millisBehindLatest, lagMs } = shard;
    const labels = { source, shardId };
    leases.set(source, (leases.get(source) ?? 0) + 1);
    shards.set(`${source} ${shardId}`, labels);
    meter.gauge('OpenRecords', openRecords, labels);
    meter.gauge('OpenBytes', openBytes, labels);
    meter.gauge('PrefetchedBytes', prefetchedBytes, labels);
    meter.gauge('OldestOpenMillis', oldestOpen?.ageMs ?? 0, labels);
    if (millisBehindLatest !== null) meter.gauge('MillisBehindLatest', millisBehindLatest, labels);
    if (lagMs !== null) meter.gauge('LagMillis', lagMs, labels);
  }

  for (const [name, labels] of lastReport.shards) {
    if (shards.has(name)) continue;
    for (const gauge of shardGauges) meter.gauge(gauge, 0, labels);
  }

  for (const source of [...lastReport.sources, ...leases.keys()]) {
    meter.gauge('CurrentLeases', leases.get(source) ?? 0, { source });
  }
  lastReport.shards = shards;
  lastReport.sources = new Set(leases.keys());
}
