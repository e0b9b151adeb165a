// I30: while a process holds a lease whose row was deleted, the row is created again at the holder's position. Excused is a process that
// begins to read the table, because it knows none of the rows: the row is then begun again. The oracle calls this at every creation.
import type { LeaseRow } from '../../src/core/lease.js';
import { isJava } from './cluster.js';
import type { Oracle, OracleOptions } from './oracle.js';
import { compareRows } from './stream-log.js';

/** The time until every other worker has seen a new or changed row: two scans, each of which may be some seconds old. */
export const youngMs = 10_000;

export interface RemadeRows {
  /** This row was deleted by hand. */
  deleted(leaseKey: string, row: LeaseRow | undefined): void;
  /** A process has created this row, perhaps again. */
  made(process: string, row: LeaseRow): void;
  /** Whether a process that knew none of the rows has created this row since then. */
  wasBegunAgain(leaseKey: string, since: number): boolean;
  /** Whether this row was deleted so soon after it was changed that a worker may know it only as it was before. */
  wasDeletedUnseen(leaseKey: string, changedAt: number): boolean;
}

export interface RemadeRowsOptions extends Pick<OracleOptions, 'now' | 'parentsOf' | 'knowsNoRows'> {
  readonly holdsStill: (process: string | undefined, leaseKey: string) => boolean;
  readonly violate: Oracle['violate'];
}

export function createRemadeRows({ now, parentsOf, knowsNoRows, holdsStill, violate }: RemadeRowsOptions): RemadeRows {
  /** Rows that were deleted by hand, until a process creates them again. */
  const deleted = new Map<string, LeaseRow>();
  /** World time at which each row was last created, and last begun again. */
  const bornAt = new Map<string, number>();
  const begunAt = new Map<string, number>();
  const begunAgain = new Set<string>();
  const deletedAt = new Map<string, number[]>();

  const judge = (process: string, row: LeaseRow): void => {
    // A shard that such a process reads again may end before the row of a child, or of a child's child, is created again (seeds 77
    // and 808304).
    const begins = knowsNoRows?.(process, row.leaseKey) === true;
    const comesAfter = parentsOf(row.leaseKey).some((parent) => begunAgain.has(parent));
    if (comesAfter || begins) begunAt.set(row.leaseKey, now());
    if (comesAfter || (deleted.size > 0 && begins)) begunAgain.add(row.leaseKey);
    const before = deleted.get(row.leaseKey);
    deleted.delete(row.leaseKey);
    if (deleted.size === 0) begunAgain.clear();
    // A Java worker does not create its deleted rows again, and creates no row at the position that it had.
    if (isJava(process) || isJava(before?.leaseOwner ?? '')) return;
    if (comesAfter || begins || before === undefined) return;
    const holder = before.leaseOwner;
    if (!holdsStill(holder, row.leaseKey)) return;
    // `process` has lost the lease, but cannot have noticed yet, and acts as the holder.
    if (process !== holder && holdsStill(process, row.leaseKey)) return;
    if (compareRows(row, before) < 0)
      violate(
        'I30',
        `${process} made ${row.leaseKey} again at ${row.checkpoint}, which was ${holder}'s at ${before.checkpoint}`,
      );
  };

  return {
    deleted: (leaseKey, row) => {
      deletedAt.set(leaseKey, [...(deletedAt.get(leaseKey) ?? []), now()]);
      // A row so young may be missing from the scans of other workers, which may be old and seconds apart (seed 710917).
      if (row !== undefined && now() - (bornAt.get(leaseKey) ?? -Infinity) >= youngMs) deleted.set(leaseKey, row);
    },
    made: (process, row) => {
      judge(process, row);
      bornAt.set(row.leaseKey, now());
    },
    wasBegunAgain: (leaseKey, since) => (begunAt.get(leaseKey) ?? -Infinity) >= since,
    wasDeletedUnseen: (leaseKey, changedAt) =>
      (deletedAt.get(leaseKey) ?? []).some((at) => at >= changedAt && at - changedAt < youngMs),
  };
}
