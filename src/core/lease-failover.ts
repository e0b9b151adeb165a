// Decides after how long without a renewal another worker's lease counts as expired. Workers of one application may differ in
// this time while a deploy changes it. So every take writes the holder's time into the row, and each worker honours the larger
// of that time and its own. Otherwise a worker with a short failover time would keep taking leases from live holders that renew
// more slowly. Coordinators, keepers and commands use this.
import { isDecimal } from './decimal.js';
import { isForeign } from './writer-signature.js';
import type { LeaseRow } from './lease.js';

/**
 * Milliseconds: the longest `leases.failoverMs` that a worker starts with. Larger values in a row are ignored.
 */
export const LONGEST_FAILOVER_MS = 600_000;

/** How often a holder renews, and a worker raises its wish, milliseconds: three times within the failover time, as the KCL renews. */
export function renewalIntervalMs(failoverMs: number): number {
  return failoverMs / 3;
}

/** The `kinactFailover` of a row after a take: the holder's milliseconds, and the `kinactWriter` that they belong to. */
export function failoverText(failoverMs: number, writer: string): string {
  return `${Math.ceil(failoverMs)} ${writer}`;
}

/**
 * The failover time of a row's owner, milliseconds; undefined if the row does not say it. A value that an earlier owner left
 * does not count. An older kinact, which does not know the attribute, writes a different `kinactWriter`, so the value no longer
 * matches. A Java worker's take leaves both attributes in place, under an owner that did not write them.
 */
export function failoverOf(row: Pick<LeaseRow, 'leaseOwner' | 'kinactWriter' | 'kinactFailover'>): number | undefined {
  const { leaseOwner, kinactWriter, kinactFailover } = row;
  if (leaseOwner === undefined || kinactFailover === undefined || isForeign(row)) return undefined;
  const end = kinactFailover.indexOf(' ');
  const digits = kinactFailover.slice(0, Math.max(0, end));
  if (kinactFailover.slice(end + 1) !== kinactWriter || !isDecimal(digits)) return undefined;
  const ms = Number(digits);
  return ms <= LONGEST_FAILOVER_MS ? ms : undefined;
}

/** For how many milliseconds a row's counter must stand still before this worker treats the lease as expired. */
export function honouredFailoverMs(row: LeaseRow, ownMs: number): number {
  return Math.max(ownMs, failoverOf(row) ?? 0);
}

/** Whether a lease counts as expired here, now that its row's counter has stood still for this long. */
export function isRowExpired(row: LeaseRow, stillForMs: number, ownFailoverMs: number): boolean {
  return isExpired(stillForMs, honouredFailoverMs(row, ownFailoverMs));
}

/** The same, where the failover time to honour is known already. */
export function isExpired(stillForMs: number, honouredMs: number): boolean {
  return stillForMs > honouredMs;
}
