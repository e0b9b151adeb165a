// When a checkpoint is written: with which renewals it goes, and when it is worth a write of its own. Invariant: without a new
// frontier there is never one. Pure; called by lease keepers.
export interface CheckpointCadence {
  /**
   * 0: with every renewal. Below `renewalMs`: with every renewal, and by itself as often as that. Otherwise so much lies between
   * two, and renewals in between go without.
   */
  readonly intervalMs: number;
  /** So many records that a checkpoint would cover are worth a write. 0: no number is. */
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

/** From when on a checkpoint is due that no renewal waits for; in the past where it is due already, Infinity where none is. */
export function extraCheckpointAt(cadence: CheckpointCadence, standing: CheckpointStanding): number {
  const { intervalMs, renewalMs } = cadence;
  if (standing.behind === 0) return Infinity;
  if (isEnough(cadence, standing)) return -Infinity;
  return intervalMs > 0 && intervalMs < renewalMs ? standing.checkpointAt + intervalMs : Infinity;
}

function isEnough({ records }: CheckpointCadence, { behind }: CheckpointStanding): boolean {
  return records > 0 && behind >= records;
}
