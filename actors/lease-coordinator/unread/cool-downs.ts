// Keeps the leases that this worker leaves alone for a time that doubles with each failure, so that another worker may take them.
// Invariant: if a lease was given back because its reads failed, at least one worker tries it again. A worker tries when one of its own
// reads of that source works again. A worker also tries when the lease has had no living owner for `longUntakenMs`.
import { exponentialMs } from '../../../src/core/backoff.js';
import { freeMsOf, longUntakenMs } from '../../../src/core/lease-failover.js';
import { hasEnded } from '../../../src/core/shard-graph.js';
import type { CoolDown, Lease, CoordinatorState } from '../state.js';
import type { CoordinatorOptions } from '../options.js';
import type { CoordinatorTurn } from '../turn.js';

/** Starts a cool-down. If the last shard worker began to read longer than `coolDownCapMs` ago, the count starts again at 1. */
export function coolDown(
  turn: CoordinatorTurn,
  lease: Lease,
  baseMs: number,
  cause: CoolDown['cause'] = 'worker',
): void {
  const { options, state, now } = turn;
  const before = state.leftAlone.coolDowns.get(lease.leaseKey);
  const readWell = lease.workingSince !== undefined && now - lease.workingSince > options.coolDownCapMs;
  const count = readWell ? 1 : (before?.count ?? 0) + 1;
  state.leftAlone.coolDowns.set(lease.leaseKey, {
    count,
    until: now + exponentialMs({ baseMs, capMs: options.coolDownCapMs }, count - 1),
    cause,
  });
}

/** Retakes closer together than this count as consecutive. */
const retakeMemoryMs = 60_000;

/**
 * Plans to take a row again that this process itself wrote. The wait is short the first time and then grows, because a table may
 * keep refusing a correct write. Returns the wait in milliseconds.
 */
export function retakeLater({ options, state, now }: CoordinatorTurn, { leaseKey }: Pick<Lease, 'leaseKey'>): number {
  const before = state.leftAlone.retakes.get(leaseKey);
  const count = before === undefined || now - before.until > retakeMemoryMs ? 1 : before.count + 1;
  const ms = exponentialMs({ baseMs: options.scanIntervalMs / 4, capMs: options.failoverMs }, count - 1);
  state.leftAlone.retakes.set(leaseKey, { count, until: now + ms });
  return ms;
}

/** Keys of leases that this worker must not ask for now. */
export function keysNotToAskFor({ state, now }: CoordinatorTurn): string[] {
  return [...state.leftAlone.failedWishes].flatMap(([leaseKey, { until }]) => (until > now ? [leaseKey] : []));
}

/** Notes that the holder of this lease has refused the wish, or has not answered. */
export function noteFailedWish({ options, state, now }: CoordinatorTurn, { leaseKey, row }: Lease): void {
  const { kinactWriter: holder } = row;
  const before = state.leftAlone.failedWishes.get(leaseKey);
  const count = before?.holder === holder ? before!.count + 1 : 1;
  const ms = exponentialMs({ baseMs: options.failoverMs, capMs: options.coolDownCapMs }, count - 1);
  state.leftAlone.failedWishes.set(leaseKey, { holder, count, until: now + ms });
}

/** Whether a row has had no living owner for so long that no other worker seems to want the lease. */
export function isLongUntaken(turn: Clocked, leaseKey: string): boolean {
  return untakenForMs(turn, leaseKey) >= longUntakenMs(turn.options.failoverMs);
}

/** For how long this worker has seen the lease free or expired, milliseconds; 0 or less if the lease is neither. */
export function untakenForMs({ options, state, now }: Clocked, leaseKey: string): number {
  const seen = state.table.observations.get(leaseKey);
  const row = state.table.rows.get(leaseKey);
  if (row === undefined || seen === undefined || hasEnded(row)) return 0;
  return freeMsOf(row, now - seen.seenAt, options.failoverMs);
}

interface Clocked {
  readonly options: CoordinatorOptions;
  readonly state: CoordinatorState;
  readonly now: number;
}

/** Keys of the rows that this worker must not take now. */
export function keysNotToTake(turn: CoordinatorTurn): string[] {
  const { state, now } = turn;
  for (const [leaseKey, { until }] of state.leftAlone.retakes)
    if (now - until > retakeMemoryMs) state.leftAlone.retakes.delete(leaseKey);

  const retaken = [...state.leftAlone.retakes].flatMap(([leaseKey, { until }]) => (until <= now ? [] : [leaseKey]));
  const cool = [...state.leftAlone.coolDowns].flatMap(([leaseKey, { until, cause }]) =>
    until <= now || (cause === 'reads' && isLongUntaken(turn, leaseKey)) ? [] : [leaseKey],
  );
  return [...cool, ...retaken];
}

/** Ends the cool-downs of leases that were given back for failing reads, because reads of their source work here again. */
export function endReadCoolDowns({ state }: CoordinatorTurn, isOfStream: (leaseKey: string) => boolean): void {
  for (const [leaseKey, { cause }] of state.leftAlone.coolDowns)
    if (cause === 'reads' && isOfStream(leaseKey)) state.leftAlone.coolDowns.delete(leaseKey);
}
