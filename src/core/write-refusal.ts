// Decides what a refused conditional write means (docs/leases.md). It judges by two things only: the row at the time of the refusal, and
// the writes of this keeper whose answers were lost. The lease keeper calls it. Related: lease-state.ts decides what a write changes, and
// writer-signature.ts shows which worker has written a row.
import type { LeaseRow } from './lease.js';

/** Who makes a write: `writer` is `writerPrefix` + `/` + the keeper's incarnation. */
export interface WriterIdentity {
  readonly workerId: string;
  readonly writerPrefix: string;
  readonly writer: string;
}

/** A write of this keeper that may or may not have taken effect. */
export interface UnknownWrite {
  /** The counter of the row if the write took effect. */
  readonly counter: number;
  /** The owner of the row if the write took effect; undefined if the row then has none. */
  readonly owner: string | undefined;
}

export type Refusal =
  /** The refused write, or an earlier attempt at it, had taken effect: the row is as that write left it. */
  | { readonly type: 'spurious'; readonly row: LeaseRow }
  /** A KCL 3 leader has assigned the lease to `to` while this worker still processes the shard. */
  | { readonly type: 'reassigned'; readonly row: LeaseRow; readonly to: string | undefined }
  | { readonly type: 'lost'; readonly row: LeaseRow; readonly reason: string }
  /**
   * The row has this worker id and a `kinactWriter` of this process, but no known write left it like this: read it and take the
   * lease again.
   */
  | { readonly type: 'own'; readonly row: LeaseRow; readonly reason: string }
  /** The row has this worker id, but another process wrote it. */
  | { readonly type: 'workerIdInUse'; readonly row: LeaseRow }
  | { readonly type: 'gone' };

export function classifyRefusal(
  me: WriterIdentity,
  unknown: readonly UnknownWrite[],
  current: LeaseRow | undefined,
): Refusal {
  if (current === undefined) return { type: 'gone' };
  if (current.kinactWriter === me.writer && unknown.some((write) => isRowLeftBy(write, current))) {
    return { type: 'spurious', row: current };
  }
  if (current.leaseOwner === me.workerId) return ofThisWorkerId(me, current);
  if (current.checkpointOwner === me.workerId) return { type: 'reassigned', row: current, to: current.leaseOwner };
  const reason =
    current.leaseOwner === undefined ? 'the lease was released by another writer' : `taken by ${current.leaseOwner}`;
  return { type: 'lost', row: current, reason };
}

/**
 * Whether a write with an unknown outcome left the row like this. A Java worker's take leaves `kinactWriter` in place, so the owner
 * must match, too. A renewal and a release of the same counter may both have unknown outcomes: the owner shows which one took effect.
 */
function isRowLeftBy(write: UnknownWrite, current: LeaseRow): boolean {
  return write.counter === current.leaseCounter && write.owner === current.leaseOwner;
}

function ofThisWorkerId(me: WriterIdentity, row: LeaseRow): Refusal {
  if (row.kinactWriter === undefined || !row.kinactWriter.startsWith(`${me.writerPrefix}/`)) {
    return { type: 'workerIdInUse', row };
  }
  const reason =
    row.kinactWriter === me.writer
      ? 'an unsigned write changed the counter and kept this owner'
      : 'another keeper of this process wrote the row';
  return { type: 'own', row, reason };
}
