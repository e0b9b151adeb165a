// What a refused conditional write means (docs/design.md, section 5). Decided from nothing but the row as it stood at
// the refusal, and what this process may have written without hearing the answer. Called by the lease keeper.
import type { LeaseRow } from './lease.js';

/** Who writes: `writer` is `processNonce` + `/` + the keeper's incarnation. */
export interface WriterIdentity {
  readonly workerId: string;
  readonly processNonce: string;
  readonly writer: string;
}

/** A write of this keeper that may or may not have taken effect. */
export interface UnknownWrite {
  /** The counter it leaves behind if it took effect. */
  readonly counter: number;
  /** The owner it leaves behind if it took effect; undefined: none. */
  readonly owner: string | undefined;
}

export type Refusal =
  /** The refused write, or an earlier attempt at it, had taken effect: the lease is where that write left it. */
  | { readonly type: 'spurious'; readonly row: LeaseRow }
  /** A KCL 3 leader has assigned the lease to `to` while this worker processes. */
  | { readonly type: 'handedOver'; readonly row: LeaseRow; readonly to: string | undefined }
  | { readonly type: 'lost'; readonly row: LeaseRow; readonly reason: string }
  /** Owned by this worker id, and written by this process: not by the write at hand. To be read and taken again. */
  | { readonly type: 'own'; readonly row: LeaseRow; readonly reason: string }
  /** Owned by this worker id, written by another process. */
  | { readonly type: 'workerIdInUse'; readonly row: LeaseRow }
  | { readonly type: 'gone' };

export function classifyRefusal(
  me: WriterIdentity,
  unknown: readonly UnknownWrite[],
  current: LeaseRow | undefined,
): Refusal {
  if (current === undefined) return { type: 'gone' };
  if (current.kinactWriter === me.writer && unknown.some((write) => leftBy(write, current))) {
    return { type: 'spurious', row: current };
  }
  if (current.leaseOwner === me.workerId) return ofThisWorkerId(me, current);
  if (current.checkpointOwner === me.workerId) return { type: 'handedOver', row: current, to: current.leaseOwner };
  const reason =
    current.leaseOwner === undefined ? 'the lease was released by another writer' : `taken by ${current.leaseOwner}`;
  return { type: 'lost', row: current, reason };
}

/**
 * A Java worker's take leaves `kinactWriter` standing, so the owner must match too. Attempts at a renewal and at a
 * release of the same counter may both be open: the owner tells which of them it was.
 */
function leftBy(write: UnknownWrite, current: LeaseRow): boolean {
  return write.counter === current.leaseCounter && write.owner === current.leaseOwner;
}

function ofThisWorkerId(me: WriterIdentity, row: LeaseRow): Refusal {
  if (row.kinactWriter === undefined || !row.kinactWriter.startsWith(`${me.processNonce}/`)) {
    return { type: 'workerIdInUse', row };
  }
  const reason =
    row.kinactWriter === me.writer
      ? 'the counter was changed under this owner by a writer that does not sign'
      : 'another keeper of this process wrote the row';
  return { type: 'own', row, reason };
}
