// Decides when a checkpoint is written: which renewals carry one, and when one is worth an extra write. Invariant: a checkpoint
// is written only after the frontier has moved. The functions are pure; lease keepers call them.
export interface CheckpointCadence {
  /**
   * 0: every renewal carries a checkpoint. Below `renewalMs`: every renewal carries one, and extra writes keep this interval.
   * Otherwise a renewal carries one only if this much time has passed since the last checkpoint, or `records` is reached.
   */
  readonly intervalMs: number;
  /** A checkpoint that covers at least this many records is worth an extra write. 0: off. */
  readonly records: number;
  /** The time between two renewals. */
  readonly renewalMs: number;
}

/** The progress of a lease's checkpoints. Times are monotonic milliseconds. */
export interface CheckpointProgress {
  /** The start of the last confirmed write that carried a checkpoint. */
  readonly checkpointAt: number;
  /** Records between the durable checkpoint and the frontier. */
  readonly uncheckpointedRecords: number;
}

/** Whether a renewal that is sent now carries the checkpoint. */
export function renewalCarriesCheckpoint(
  cadence: CheckpointCadence,
  progress: CheckpointProgress,
  now: number,
): boolean {
  const { intervalMs, renewalMs } = cadence;
  return intervalMs < renewalMs || now >= progress.checkpointAt + intervalMs || isEnough(cadence, progress);
}

/** When an extra checkpoint is due: a time in the past if one is due now, Infinity if none is due. */
export function extraCheckpointAt(cadence: CheckpointCadence, progress: CheckpointProgress): number {
  const { intervalMs, renewalMs } = cadence;
  if (progress.uncheckpointedRecords === 0) return Infinity;
  if (isEnough(cadence, progress)) return -Infinity;
  return intervalMs > 0 && intervalMs < renewalMs ? progress.checkpointAt + intervalMs : Infinity;
}

function isEnough({ records }: CheckpointCadence, { uncheckpointedRecords }: CheckpointProgress): boolean {
  return records > 0 && uncheckpointedRecords >= records;
}
