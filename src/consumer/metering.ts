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

/** Starts to measure; returns what ends it, after one last look. */
export function startMetering(
  given: Meter,
  emitter: Emitter,
  timers: Timers,
  status: () => ConsumerStatus,
): () => void {
  if (given === silentMeter) return () => {};
  const meter = guardMeter(given, () => {});
  const ends = countEvents(meter, emitter);
  const last = new Map<string, number>();
  let cancel = (): void => {};
  const look = (): void => {
    sample(meter, status(), last);
    cancel = timers.after(intervalMs, look);
  };
  look();
  return () => {
    cancel();
    sample(meter, status(), last);
    for (const end of ends) end();
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

/** `last` holds what running totals were at the look before. A worker's total starts anew with every worker. */
function sample(meter: Meter, status: ConsumerStatus, last: Map<string, number>): void {
  const risen = (name: string, total: number): number => {
    const by = total - (last.get(name) ?? 0);
    last.set(name, total);
    return by;
  };
  const leases = new Map<string, number>();
  for (const { source, shardId, openRecords, openBytes, oldestOpen, millisBehindLatest } of status.shards) {
    const labels = { source, shardId };
    leases.set(source, (leases.get(source) ?? 0) + 1);
    meter.gauge('OpenRecords', openRecords, labels);
    meter.gauge('OpenBytes', openBytes, labels);
    meter.gauge('OldestOpenMillis', oldestOpen?.ageMs ?? 0, labels);
    if (millisBehindLatest !== null) meter.gauge('MillisBehindLatest', millisBehindLatest, labels);
  }
  for (const [source, count] of leases) meter.gauge('CurrentLeases', count, { source });
  for (const { path, state } of walk(status.tree)) {
    if (!path.startsWith('shard-worker/')) continue;
    const { settled, source, shardId } = state as { settled: number; source: string; shardId: string };
    const by = risen(path, settled);
    if (by > 0) meter.count('RecordsProcessed', by, { source, shardId });
  }
  for (const [what, total] of Object.entries(status.counters)) {
    const by = risen(`incident ${what}`, total);
    if (by > 0) meter.count('Incidents', by, { what });
  }
}
