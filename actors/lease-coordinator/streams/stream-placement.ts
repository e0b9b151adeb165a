// Tracks how each stream places its records (RecordDistributionStrategy). Every shard sync asks the stream and reports changes.
// Lease rows store when AUTO was last seen, because rows outlive every worker. The source decides what happens to records out of
// range (src/core/record-placement.ts).
import { emit, type CoordinatorTurn } from '../turn.js';
import type { Stream } from '../state.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import { placementSlackMs, type PlacementState } from '../../../src/core/record-placement.js';
import { hasEnded } from '../../../src/core/shard-graph.js';
import type { LeaseStore, StreamSource } from '../../../src/api/ports.js';
import type { PlacementSnapshot } from '../../../src/api/status.js';

/** This many rows store the time. One is not enough, because a row is removed some time after its shard has ended. */
const remembering = 3;
/** A row is updated when its time is behind by this much, well within `placementSlackMs`. */
const staleMs = placementSlackMs - 5 * 60_000;

/** Called after the stream was described. Copies the time when AUTO was last seen from rows to source, and from source to rows. */
export async function notePlacement(
  store: LeaseStore,
  source: StreamSource,
  rows: ReadonlyMap<string, LeaseRow>,
  signal: AbortSignal,
): Promise<PlacementState | undefined> {
  const { placement } = source;
  if (placement === undefined) return undefined;
  for (const { kinactAutoAt } of rows.values()) if (kinactAutoAt !== undefined) placement.seenAuto(kinactAutoAt);

  const known = placement.state();
  const { autoSeenAt } = known;
  if (autoSeenAt === undefined) return known;

  const live = [...rows.values()].filter((row) => !hasEnded(row));
  const upToDate = live.filter(({ kinactAutoAt = 0 }) => kinactAutoAt >= autoSeenAt - staleMs);
  const behind = live.filter((row) => !upToDate.includes(row)).sort((a, b) => (a.leaseKey < b.leaseKey ? -1 : 1));
  for (const { leaseKey } of behind.slice(0, Math.max(0, remembering - upToDate.length))) {
    await store.updateMeta(leaseKey, { kinactAutoAt: autoSeenAt }, signal);
  }
  return known;
}

/** Whether the records of one key are all in one shard, in their order. */
function keepsKeyOrder({ autoSeenAt }: PlacementState): boolean {
  return autoSeenAt === undefined;
}

/** The placement as the event `recordDistribution` and `status()` show it. */
export function placementSnapshot(known: PlacementState): PlacementSnapshot {
  const { distribution, outOfRange, keepsAllUntil } = known;
  const until = keepsAllUntil === undefined ? {} : { keepsAllUntil: new Date(keepsAllUntil).toISOString() };
  return { distribution, perKeyOrder: keepsKeyOrder(known), outOfRange, ...until };
}

/**
 * Reports how records are placed, if that has changed. The first sync reports nothing if records are placed by key and the
 * configured `outOfRange` applies.
 */
export function reportPlacement(turn: CoordinatorTurn, stream: Stream, known: PlacementState | undefined): void {
  if (known === undefined) return;
  const before = stream.placement;
  stream.placement = known;

  const same =
    before === undefined
      ? keepsKeyOrder(known) && known.outOfRange === known.configured
      : before.distribution === known.distribution &&
        before.outOfRange === known.outOfRange &&
        keepsKeyOrder(before) === keepsKeyOrder(known);
  if (same) return;
  const data = { source: stream.sourceOptions.source.name, ...placementSnapshot(known) };
  emit(turn, { name: 'recordDistribution', data });
}
