// Tells the meter what happens: events as they come, the state of every shard at an interval. Costs nothing when no meter was
// given.
import type { Emitter } from '../emitter.js';
import { guardMeter, silentMeter } from '../metrics.js';
import type { Labels, Meter } from '../metrics.js';
import type { Timers } from '../ports.js';
import type { ConsumerStatus } from '../status.js';
import { walk } from '../status.js';

/** How often gauges are set. */
const intervalMs = 10_000;

/** What the look before has told the meter. */
interface Told {
  /** Running totals: the meter gets what they have risen by. */
  totals: ReadonlyMap<string, number>;
  /** Shards and sources whose gauges are not 0: one that leaves must not keep its last value on a dashboard. */
  shards: ReadonlyMap<string, Labels>;
  sources: ReadonlySet<string>;
}

export interface Metering {
  /** Before actors stop: what they have counted goes with them. */
  look(): void;
  /** When nothing happens any more, after one last look. */
  end(): void;
}

export const noMetering: Metering = { look: () => {}, end: () => {} };

/** Starts to measure. `failed` hears of what the meter throws. */
export function startMetering(
  given: Meter,
  emitter: Emitter,
  timers: Timers,
  status: () => ConsumerStatus,
  failed: () => void,
): Metering {
  if (given === silentMeter) return noMetering;
  const meter = guardMeter(given, failed);
  const ends = countEvents(meter, emitter);
  const told: Told = { totals: new Map(), shards: new Map(), sources: new Set() };
  let cancel = (): void => {};
  const look = (): void => sample(meter, status(), told);
  const again = (): void => {
    look();
    cancel = timers.after(intervalMs, again);
  };
  again();
  return {
    look,
    end: () => {
      cancel();
      look();
      for (const end of ends) end();
    },
  };
}

function countEvents(meter: Meter, emitter: Emitter): readonly (() => void)[] {
  const shardOf = ({ source, shardId }: { source: string; shardId: string }): Labels => ({ source, shardId });
  return [
    emitter.on('leaseTaken', ({ source }) => meter.count('TakenLeases', 1, { source })),
    emitter.on('leaseLost', ({ source }) => meter.count('LostLeases', 1, { source })),
    emitter.on('leaseReleased', ({ source }) => meter.count('ReleasedLeases', 1, { source })),
    emitter.on('checkpoint', (at) => meter.count('Checkpoints', 1, shardOf(at))),
    emitter.on('recordSkipped', (at) => meter.count('SkippedRecords', 1, shardOf(at))),
    emitter.on('throttled', (at) => meter.count('Throttled', 1, shardOf(at))),
    emitter.on('pipelineRestarted', () => meter.count('PipelineRestarts', 1, {})),
    emitter.on('orphaned', ({ effects }) => meter.count('OrphanedEffects', effects.length, {})),
  ];
}

function sample(meter: Meter, status: ConsumerStatus, told: Told): void {
  setGauges(meter, status, told);
  // Of what is there now: a process makes workers without end.
  const totals = new Map<string, number>();
  const risen = (name: string, total: number): number => {
    totals.set(name, total);
    return total - (told.totals.get(name) ?? 0);
  };
  for (const { path, state } of walk(status.tree)) {
    if (!path.startsWith('shard-worker/')) continue;
    const { settled, source, shardId } = state as { settled: number; source: string; shardId: string };
    // A worker's total starts anew with every worker, and no two have one path.
    const by = risen(path, settled);
    if (by > 0) meter.count('RecordsProcessed', by, { source, shardId });
  }
  for (const [what, total] of Object.entries(status.counters)) {
    const by = risen(`incident ${what}`, total);
    if (by > 0) meter.count('Incidents', by, { what });
  }
  told.totals = totals;
}

const shardGauges = ['OpenRecords', 'OpenBytes', 'PrefetchedBytes', 'OldestOpenMillis', 'MillisBehindLatest'] as const;

function setGauges(meter: Meter, status: ConsumerStatus, told: Told): void {
  const leases = new Map<string, number>();
  const shards = new Map<string, Labels>();
  meter.gauge('HeldBytes', status.bytes.held, {});
  meter.gauge('WaitingShards', status.bytes.waiting, {});
  for (const shard of status.shards) {
    const { source, shardId, openRecords, openBytes, prefetchedBytes, oldestOpen, millisBehindLatest } = shard;
    const labels = { source, shardId };
    leases.set(source, (leases.get(source) ?? 0) + 1);
    shards.set(`${source} ${shardId}`, labels);
    meter.gauge('OpenRecords', openRecords, labels);
    meter.gauge('OpenBytes', openBytes, labels);
    meter.gauge('PrefetchedBytes', prefetchedBytes, labels);
    meter.gauge('OldestOpenMillis', oldestOpen?.ageMs ?? 0, labels);
    if (millisBehindLatest !== null) meter.gauge('MillisBehindLatest', millisBehindLatest, labels);
  }
  for (const [name, labels] of told.shards) {
    if (shards.has(name)) continue;
    for (const gauge of shardGauges) meter.gauge(gauge, 0, labels);
  }
  for (const source of [...told.sources, ...leases.keys()]) {
    meter.gauge('CurrentLeases', leases.get(source) ?? 0, { source });
  }
  told.shards = shards;
  told.sources = new Set(leases.keys());
}
