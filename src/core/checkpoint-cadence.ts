// When a checkpoint is written: with which renewals it goes, and when it is worth a write of its own. Invariant: no new
// frontier, no checkpoint. Pure; called by lease keepers.
export interface CheckpointCadence {
  /**
   * 0: with every renewal. Below `renewalMs`: with every renewal, and also by itself this often. Otherwise at least
   * this much time lies between two checkpoints, and renewals in between go without one.
   */
  readonly intervalMs: number;
  /** A checkpoint that would cover this many records is worth a write. 0: off. */
  readonly records: number;
  /** Between two renewals for the sake of the lease. */
  readonly renewalMs: number;
}

/** Where a lease stands. Times are monotonic milliseconds. */
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

/** When a checkpoint that no renewal waits for is due: in the past if it is due already, Infinity if there is none. */
export function extraCheckpointAt(cadence: CheckpointCadence, standing: CheckpointStanding): number {
  const { intervalMs, renewalMs } = cadence;
  if (standing.behind === 0) return Infinity;
  if (isEnough(cadence, standing)) return -Infinity;
  return intervalMs > 0 && intervalMs < renewalMs ? standing.checkpointAt + intervalMs : Infinity;
}

function isEnough({ records }: CheckpointCadence, { behind }: CheckpointStanding): boolean {
  return records > 0 && behind >= records;
}
