// Decides how long a lease must go without a renewal before it counts as expired. While a deploy changes this failover time,
// workers of one application may have different values. So every take writes the holder's value into the row, and each worker
// applies the larger of that value and its own. Otherwise a worker with a short failover time would keep taking leases from live
// holders that renew less often. Each observer measures by its own monotonic clock; clocks of machines are never compared.
import { isDecimal } from './decimal.js';
import { isForeign } from './writer-signature.js';
import type { LeaseRow } from './lease.js';

/**
 * The longest `leases.failoverMs` that a worker accepts, in milliseconds. A larger failover time in a row is ignored.
 */
export const maxFailoverMs = 600_000;

/** Milliseconds between two renewals of a lease, or two writes of a wish: a third of the failover time, as in the KCL. */
export function renewalIntervalMs(failoverMs: number): number {
  return failoverMs / 3;
}

/**
 * A holder stops delivering this many milliseconds before its lease can expire: a tenth of the failover time. By then the clocks of two
 * machines have drifted apart by less than that, and a request takes less to arrive.
 */
export function deliveryMarginMs(failoverMs: number): number {
  return failoverMs / 10;
}

/** After a lease has been free or expired for this long, any worker that can take it takes it, even one that left it alone. */
export function longUntakenMs(failoverMs: number): number {
  return 2 * failoverMs;
}

/** The `kinactFailover` that a take or hand-over writes: the new holder's milliseconds, a space, and its `kinactWriter`. */
export function failoverText(failoverMs: number, writer: string): string {
  return `${Math.ceil(failoverMs)} ${writer}`;
}

/**
 * The failover time of the row's owner in milliseconds; undefined if the row does not have it. A value that an earlier owner
 * wrote does not count. An older kinact does not write `kinactFailover`, but changes `kinactWriter`, so the two no longer match.
 * A take by a Java worker changes neither, but `isForeign` finds that the new owner did not write `kinactWriter`.
 */
export function failoverOf(row: Pick<LeaseRow, 'leaseOwner' | 'kinactWriter' | 'kinactFailover'>): number | undefined {
  const { leaseOwner, kinactWriter, kinactFailover } = row;
  if (leaseOwner === undefined || kinactFailover === undefined || isForeign(row)) return undefined;

  const end = kinactFailover.indexOf(' ');
  const digits = kinactFailover.slice(0, Math.max(0, end));
  if (kinactFailover.slice(end + 1) !== kinactWriter || !isDecimal(digits)) return undefined;
  const ms = Number(digits);
  return ms <= maxFailoverMs ? ms : undefined;
}

/** How many milliseconds a row's counter must stay unchanged before the lease counts as expired for this worker. */
export function effectiveFailoverMs(row: LeaseRow, ownFailoverMs: number): number {
  return Math.max(ownFailoverMs, failoverOf(row) ?? 0);
}

/**
 * For how many milliseconds this worker could have taken a lease, if it has seen the same counter in the row for `unchangedForMs`. A lease
 * without an owner was free all that time. Another one is free once it has expired: 0 or less means that it has not.
 */
export function freeMsOf(row: LeaseRow, unchangedForMs: number, ownFailoverMs: number): number {
  return row.leaseOwner === undefined ? unchangedForMs : unchangedForMs - effectiveFailoverMs(row, ownFailoverMs);
}

/** Whether a worker may take the lease: it has no owner, or has expired. `freeMs` is that of `freeMsOf`. */
export function isFree({ leaseOwner }: LeaseRow, freeMs: number): boolean {
  return leaseOwner === undefined || freeMs > 0;
}

/** Whether a lease with an owner counts as expired for this worker, if its row's counter has not changed for `unchangedForMs`. */
export function isExpired(row: LeaseRow, unchangedForMs: number, ownFailoverMs: number): boolean {
  return row.leaseOwner !== undefined && isFree(row, freeMsOf(row, unchangedForMs, ownFailoverMs));
}

/** The first millisecond at which a lease with an owner counts as expired, if its row's counter does not change after `since`. */
export function expiresAt(row: LeaseRow, since: number, ownFailoverMs: number): number {
  return since + effectiveFailoverMs(row, ownFailoverMs) + 1;
}
