// The order of checkpoints, the same as in the KCL (KCL clause 1.1):
//   AT_TIMESTAMP < TRIM_HORIZON < LATEST < any sequence number < SHARD_END
// Equal sequence numbers are ordered by sub-sequence number. Lease keepers compare checkpoints with these functions, and never
// write a checkpoint lower than the one in the row.
import type { CheckpointText, Position, Sentinel } from './position.js';
import { compareSequenceNumbers, isSequenceNumber } from './sequence-number.js';
import { excerpt } from './visible.js';

/** The two attributes of a lease row that form its checkpoint. A sentinel has sub-sequence number 0. */
export interface Checkpoint {
  readonly checkpoint: CheckpointText;
  readonly subSequenceNumber: number;
}

const NUMBER_RANK = 3;

const sentinelRanks: ReadonlyMap<string, number> = new Map<Sentinel, number>([
  ['AT_TIMESTAMP', 0],
  ['TRIM_HORIZON', 1],
  ['LATEST', 2],
  ['SHARD_END', 4],
]);

/** Whether the text is one of the four words that a checkpoint may have instead of a sequence number. */
export function isSentinel(text: string): text is Sentinel {
  return sentinelRanks.has(text);
}

/** Whether a lease row may hold this text as its checkpoint. */
export function isCheckpointText(text: string): boolean {
  return isSentinel(text) || isSequenceNumber(text);
}

/**
 * Compares two checkpoints: the result is negative, zero or positive if `left` is before, equal to or after `right`. The
 * sub-sequence number of a sentinel is ignored. Throws RangeError for a text that is not a checkpoint, because it has no order.
 */
export function compareCheckpoints(left: Checkpoint, right: Checkpoint): number {
  const leftRank = rankOf(left.checkpoint);
  const rightRank = rankOf(right.checkpoint);
  if (leftRank !== rightRank) return leftRank - rightRank;
  if (leftRank !== NUMBER_RANK) return 0;
  return compareSequenceNumbers(left.checkpoint, right.checkpoint) || left.subSequenceNumber - right.subSequenceNumber;
}

/** The checkpoint that marks everything up to and including `position` as done. */
export function checkpointOf(position: Position): Checkpoint {
  return { checkpoint: position.sequenceNumber, subSequenceNumber: position.subSequenceNumber };
}

/** The position in a checkpoint; undefined for a sentinel. */
export function positionOf(checkpoint: Checkpoint): Position | undefined {
  if (isSentinel(checkpoint.checkpoint)) return undefined;
  return { sequenceNumber: checkpoint.checkpoint, subSequenceNumber: checkpoint.subSequenceNumber };
}

function rankOf(text: CheckpointText): number {
  const rank = sentinelRanks.get(text);
  if (rank !== undefined) return rank;
  if (isSequenceNumber(text)) return NUMBER_RANK;
  throw new RangeError(`not a checkpoint: '${excerpt(text, 64)}'`);
}
