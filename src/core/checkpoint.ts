// The order of checkpoints as the KCL has it (KCL clause 1.1): AT_TIMESTAMP < TRIM_HORIZON < LATEST < any number, then its
// sub-sequence < SHARD_END. Lease keepers compare checkpoints by these functions, and never write one that is lower than the
// row's.
import type { CheckpointText, Position, Sentinel } from './position.js';
import { compareSequenceNumbers, isSequenceNumber } from './sequence-number.js';
import { excerpt } from './visible.js';

/** The two attributes of a lease row that together are its checkpoint. Sentinels carry sub-sequence 0. */
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

/** Whether the text is one of the four words that may stand where a sequence number does. */
export function isSentinel(text: string): text is Sentinel {
  return sentinelRanks.has(text);
}

/** Whether a lease row may hold this text as its checkpoint. */
export function isCheckpointText(text: string): boolean {
  return isSentinel(text) || isSequenceNumber(text);
}

/**
 * Compares two checkpoints: the result is negative, zero or positive as `left` is before, at or after `right`. The sub-sequence
 * of a sentinel is ignored. Throws RangeError on a text that is no checkpoint, because garbage must not have an order.
 */
export function compareCheckpoints(left: Checkpoint, right: Checkpoint): number {
  const leftRank = rankOf(left.checkpoint);
  const rightRank = rankOf(right.checkpoint);
  if (leftRank !== rightRank) return leftRank - rightRank;
  if (leftRank !== NUMBER_RANK) return 0;
  return compareSequenceNumbers(left.checkpoint, right.checkpoint) || left.subSequenceNumber - right.subSequenceNumber;
}

/** The checkpoint that says: everything up to and including this position is done. */
export function checkpointAt(position: Position): Checkpoint {
  return { checkpoint: position.sequenceNumber, subSequenceNumber: position.subSequenceNumber };
}

/** The position a checkpoint names; undefined for a sentinel. */
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
