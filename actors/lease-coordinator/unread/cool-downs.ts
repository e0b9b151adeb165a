// Keeps the shards that this worker leaves alone for a while, longer each time, so that another may take them. Invariant: a
// shard that was given back because its reads failed is tried again by at least one worker. A worker tries it when one of its
// own reads of that source works again. It also does so when the shard has had no living owner for twice `failoverMs`.
import { doubledMs } from '../../../src/core/backoff.js';
import { honouredFailoverMs } from '../../../src/core/lease-failover.js';
import { hasEnded } from '../../../src/core/shard-graph.js';
import type { CoolDown, Lease, Settings, CoordinatorState } from '../state.js';
import type { CoordinatorTurn } from '../turn.js';

/** Leaves a shard alone from now on. If it was read for long enough in between, the count starts again at 1. */
export function coolDown(
  turn: CoordinatorTurn,
  lease: Lease,
  baseMs: number,
  cause: CoolDown['cause'] = 'worker',
): void {
  const { settings, state, now } = turn;
  const before = state.pauses.coolDowns.get(lease.leaseKey);
  const readWell = lease.workingSince !== undefined && now - lease.workingSince > settings.coolDownCapMs;
  const count = readWell ? 1 : (before?.count ?? 0) + 1;
  state.pauses.coolDowns.set(lease.leaseKey, {
    count,
    until: now + doubledMs({ baseMs, capMs: settings.coolDownCapMs }, count - 1),
    cause,
  });
}

/** Retakes closer together than this count as consecutive. */
const retakeMemoryMs = 60_000;

/**
 * Notes that a row which this process itself has written is to be read and taken again. That happens soon the first time,
 * then less and less often, because a table may keep refusing a correct write. Returns in how many milliseconds to look.
 */
export function retakeLater({ settings, state, now }: CoordinatorTurn, { leaseKey }: Pick<Lease, 'leaseKey'>): number {
  const before = state.pauses.retakes.get(leaseKey);
  const count = before === undefined || now - before.until > retakeMemoryMs ? 1 : before.count + 1;
  const ms = doubledMs({ baseMs: settings.scanIntervalMs / 4, capMs: settings.failoverMs }, count - 1);
  state.pauses.retakes.set(leaseKey, { count, until: now + ms });
  return ms;
}

/** Keys of leases whose holder must not be asked for them now. */
export function keysNotToAskFor({ state, now }: CoordinatorTurn): string[] {
  return [...state.pauses.failedWishes].flatMap(([leaseKey, { until }]) => (until > now ? [leaseKey] : []));
}

/** Notes that the holder of this lease has refused the wish, or has not answered. */
export function noteFailedWish({ settings, state, now }: CoordinatorTurn, { leaseKey, row }: Lease): void {
  const { kinactWriter: holder } = row;
  const before = state.pauses.failedWishes.get(leaseKey);
  const count = before?.holder === holder ? before!.count + 1 : 1;
  const ms = doubledMs({ baseMs: settings.failoverMs, capMs: settings.coolDownCapMs }, count - 1);
  state.pauses.failedWishes.set(leaseKey, { holder, count, until: now + ms });
}

/** Whether a row has had no living owner for so long that no other worker seems to want the lease. */
export function isLeft(turn: Clocked, leaseKey: string): boolean {
  return freeForMs(turn, leaseKey) >= 2 * turn.settings.failoverMs;
}

/** For how long any worker could have taken this lease, as far as this worker has seen. */
export function freeForMs({ settings, state, now }: Clocked, leaseKey: string): number {
  const seen = state.table.observations.get(leaseKey);
  const row = state.table.rows.get(leaseKey);
  if (row === undefined || seen === undefined || hasEnded(row)) return 0;
  return now - seen.seenAt - (row.leaseOwner === undefined ? 0 : honouredFailoverMs(row, settings.failoverMs));
}

interface Clocked {
  readonly settings: Settings;
  readonly state: CoordinatorState;
  readonly now: number;
}

/** Keys of the rows that must not be taken now. */
export function cooling(turn: CoordinatorTurn): string[] {
  const { state, now } = turn;
  for (const [leaseKey, { until }] of state.pauses.retakes)
    if (now - until > retakeMemoryMs) state.pauses.retakes.delete(leaseKey);
  const retaken = [...state.pauses.retakes].flatMap(([leaseKey, { until }]) => (until <= now ? [] : [leaseKey]));
  const cool = [...state.pauses.coolDowns].flatMap(([leaseKey, { until, cause }]) =>
    until <= now || (cause === 'reads' && isLeft(turn, leaseKey)) ? [] : [leaseKey],
  );
  return [...cool, ...retaken];
}

/** Reads of this source work here again: leases that were given back for failing reads may be tried again. */
export function readsAgain({ state }: CoordinatorTurn, isOfStream: (leaseKey: string) => boolean): void {
  for (const [leaseKey, { cause }] of state.pauses.coolDowns)
    if (cause === 'reads' && isOfStream(leaseKey)) state.pauses.coolDowns.delete(leaseKey);
}
