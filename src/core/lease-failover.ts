// After how long without a renewal another worker's lease counts as expired. Workers of one application may differ in
// it while a deploy changes it. So every take writes the holder's value into the row, and everyone honours the larger
// of that and its own. Otherwise the worker with the smaller value would take, again and again, what a living holder
// renews less often. Used by coordinators, keepers and commands.
import { isDecimal } from './decimal.js';
import { isForeign } from './lease-writer.js';
import type { LeaseRow } from './lease.js';

/**
 * Milliseconds: the longest `leases.failoverMs` that a worker starts with, and the longest that is believed of a row.
 */
export const LONGEST_FAILOVER_MS = 600_000;

/** What `kinactFailover` of a row is after a take: the holder's milliseconds, and the `kinactWriter` that they belong to. */
export function failoverText(failoverMs: number, writer: string): string {
  return `${Math.ceil(failoverMs)} ${writer}`;
}

/**
 * The failover time of a row's owner, milliseconds; undefined where the row does not say it. A value that an earlier
 * owner left is not believed. A kinact that does not know the attribute signs as another writer. A Java worker's take
 * leaves both attributes standing, under an owner that is not their writer.
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

/** After how many milliseconds without a change of its counter a row's lease has expired, for a worker with this failover time. */
export function honouredFailoverMs(row: LeaseRow, ownMs: number): number {
  return Math.max(ownMs, failoverOf(row) ?? 0);
}
