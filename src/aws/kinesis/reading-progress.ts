// Where the loop of a polling reader stands. It has the position its next chain begins behind, what is left out of its
// answers, and what was seen of the shard's end. Invariant: the position moves forward only with records that are
// handed on. Called by polling-reader.ts and the modules beside it.
import type { Position, StartPosition } from '../../core/position.js';
import { compareSequenceNumbers } from '../../core/sequence-number.js';
import type { ChildShard, RawRecord, StreamDescription } from '../../api/ports.js';
import type { IteratorPosition } from './shard-iterator.js';

export interface Progress {
  /** The next iterator of the chain; undefined when the chain has to be begun, or begun again. */
  iterator: string | undefined;
  position: IteratorPosition;
  /** A chain has ended, and since then no listing was asked whether the shard is closed. */
  ended: boolean;
  /** Set while records that arrived before it are left out. */
  skipBefore: number | undefined;
  /** The start time may still be found by asking again. */
  askAgain: boolean;
  /** Nothing was read since the start: the first record read shows whether the start's record still exists. */
  unseen: boolean;
  /** After a fall back to TRIM_HORIZON: everything up to here has been handed on already. */
  doneUpTo: string | undefined;
  /** Nothing was said yet of a start that may lie before the oldest record there is. */
  unjudged: boolean;
  /** The last position known from before, if what came behind it may have expired: reported with the next answer. */
  gap: Position | undefined;
  /**
   * The highest number of a gap. It is one gap however many chains begin there; up to there everything was handed on.
   */
  gapAt: string | undefined;
  /** The last answer with records said that there are more. */
  moreKnown: boolean;
  /** Failures in a row; of those, how many were refusals of the iterator, and how many ends that were none. */
  failures: number;
  refusals: number;
  falseEnds: number;
  /** The chain before this one came to an end: this one shows whether that was the shard's. */
  proving: Proving | undefined;
  /** Chains that have ended in a row, without records, with an answer that does not call itself up to date. */
  unclear: { readonly since: number; readonly times: number } | undefined;
  /** Since when the service does not know the shard. */
  missingSince: number | undefined;
}

export interface Proving {
  readonly since: number;
  readonly children: readonly ChildShard[] | undefined;
  /** Records came, so the end that was to be proven was none. */
  records: boolean;
  /** The chain has said that nothing is behind its position, and then gone on. */
  upToDate: boolean;
}

export function progressFrom(start: StartPosition): Progress {
  return {
    iterator: undefined,
    position: start,
    ended: false,
    skipBefore: undefined,
    askAgain: false,
    unseen: start.type === 'after',
    doneUpTo: undefined,
    unjudged: start.type === 'atTimestamp',
    gap: undefined,
    gapAt: undefined,
    moreKnown: false,
    failures: 0,
    refusals: 0,
    falseEnds: 0,
    proving: undefined,
    unclear: undefined,
    missingSince: undefined,
  };
}

/**
 * Whether records may have expired that came after the time at which reading was to begin. The service does not tell: it
 * begins at the oldest record. Of each start this is asked once.
 */
export function mayHaveBegunLate(
  progress: Progress,
  start: StartPosition,
  { retentionHours, describedAtMs }: StreamDescription,
): boolean {
  const { unjudged } = progress;
  progress.unjudged = false;
  if (!unjudged || start.type !== 'atTimestamp' || retentionHours === undefined || describedAtMs === undefined)
    return false;
  return start.timestampMs + retentionHours * 3_600_000 < describedAtMs;
}

/** The record that reading was to begin at or behind is gone, so everything that is left comes after it. */
export function recordIsGone(progress: Progress): void {
  const { position } = progress;
  progress.unseen = false;
  if (position.type === 'after') noteGap(progress, position.position);
  if (position.type !== 'behind') return;
  const { sequenceNumber } = position;
  // While records that were handed on are skipped, the position is behind what is done: that it is gone, too, says
  // nothing new.
  if (progress.doneUpTo === undefined || compareSequenceNumbers(sequenceNumber, progress.doneUpTo) > 0)
    progress.doneUpTo = sequenceNumber;
  noteGap(progress, { sequenceNumber, subSequenceNumber: 0 });
}

function noteGap(progress: Progress, position: Position): void {
  const { gapAt } = progress;
  if (gapAt !== undefined && compareSequenceNumbers(position.sequenceNumber, gapAt) <= 0) return;
  progress.gapAt = position.sequenceNumber;
  progress.gap = position;
}

/** Notes the records of an answer; returns those to hand on. */
export function noteRecords(
  progress: Progress,
  records: readonly RawRecord[],
  moreBehind: boolean,
): readonly RawRecord[] {
  const last = records.at(-1);
  if (last === undefined) return records;
  const { position } = progress;
  if (progress.unseen && position.type === 'after') {
    // A service that silently begins at the next record that exists.
    if (compareSequenceNumbers(records[0]!.sequenceNumber, position.position.sequenceNumber) > 0)
      recordIsGone(progress);
  }
  progress.unseen = false;
  progress.moreKnown = moreBehind;
  progress.position = { type: 'behind', sequenceNumber: last.sequenceNumber };
  return leaveOut(progress, records);
}

/**
 * Leaves out what arrived before the start time, up to the first record that did not, and what was handed on before.
 */
function leaveOut(progress: Progress, records: readonly RawRecord[]): readonly RawRecord[] {
  let fresh = records;
  const { skipBefore, doneUpTo } = progress;
  if (skipBefore !== undefined) {
    const first = fresh.findIndex((record) => record.arrivedAt === undefined || record.arrivedAt >= skipBefore);
    fresh = first < 0 ? [] : fresh.slice(first);
    if (first >= 0) progress.skipBefore = undefined;
  }
  if (doneUpTo !== undefined) {
    fresh = fresh.filter((record) => compareSequenceNumbers(record.sequenceNumber, doneUpTo) > 0);
    if (fresh.length > 0) progress.doneUpTo = undefined;
  }
  return fresh;
}
