// Decides when a checkpoint is written: which renewals take one along, and when one is worth an extra write. Invariant: without
// a new frontier no checkpoint is written. The functions are pure; lease keepers call them.
export interface CheckpointCadence {
  /**
   * 0: every renewal takes a checkpoint along. Below `renewalMs`: so does every renewal, and extra writes keep this interval.
   * Otherwise at least this much time lies between two checkpoints, and the renewals in between take none along.
   */
  readonly intervalMs: number;
  /** A checkpoint that would cover this many records is worth a write. 0: off. */
  readonly records: number;
  /** The time between two renewals that the lease needs. */
  readonly renewalMs: number;
}

/** How far the checkpoints of a lease have come. Times are monotonic milliseconds. */
export interface CheckpointStanding {
  /** When the last write that was answered with a checkpoint began. */
  readonly checkpointAt: number;
  /** Records between the durable checkpoint and the frontier. */
  readonly behind: number;
}

/** Whether a renewal that goes out now takes the checkpoint along. */
export function takesAlong(cadence: CheckpointCadence, standing: CheckpointStanding, now: number): boolean {
  const { intervalMs, renewalMs } = cadence;
  return intervalMs < renewalMs || now >= standing.checkpointAt + intervalMs || isEnough(cadence, standing);
}

/** When an extra checkpoint is due: a time in the past if it is due already, Infinity if none is. */
export function extraCheckpointAt(cadence: CheckpointCadence, standing: CheckpointStanding): number {
  const { intervalMs, renewalMs } = cadence;
  if (standing.behind === 0) return Infinity;
  if (isEnough(cadence, standing)) return -Infinity;
  return intervalMs > 0 && intervalMs < renewalMs ? standing.checkpointAt + intervalMs : Infinity;
}

function isEnough({ records }: CheckpointCadence, { behind }: CheckpointStanding): boolean {
  return records > 0 && behind >= records;
}
