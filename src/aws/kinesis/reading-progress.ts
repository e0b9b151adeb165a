// The state of a polling reader's loop: the position after which its next chain begins, which records to leave out, and what was
// seen of the shard's end. Invariant: the position moves forward only past records that are handed on or deliberately skipped.
// Called by polling-reader.ts and the modules beside it.
import type { Position, StartPosition } from '../../core/position.js';
import { compareSequenceNumbers } from '../../core/sequence-number.js';
import type { ChildShard, RawRecord, StreamDescription } from '../../api/ports.js';
import type { IteratorPosition } from './shard-iterator.js';

export interface Progress {
  /** The next iterator of the chain; undefined when a chain must begin, or begin again. */
  iterator: string | undefined;
  position: IteratorPosition;
  /** A chain has ended, and no listing was asked since then whether the shard is closed. */
  ended: boolean;
  /** Records that arrived before this time are left out. */
  skipBefore: number | undefined;
  /** Whether asking for the start time again may find a later start. */
  askAgain: boolean;
  /** No record was read since the start. The first one will show whether the start's record still exists. */
  unseen: boolean;
  /** Set after a fallback to TRIM_HORIZON: everything up to this number was already handed on. */
  doneUpTo: string | undefined;
  /** It is not yet known whether the start time lies before the oldest record. */
  unjudged: boolean;
  /** The last known position, if records after it may have expired. Reported with the next answer. */
  gap: Position | undefined;
  /** The highest number of a noted gap. Everything up to it was handed on, so chains that begin there again note no gap. */
  gapAt: string | undefined;
  /** The last answer with records reported that there are more. */
  moreKnown: boolean;
  /** Failures in a row, and refusals of an iterator among them. `falseEnds`: false or unclear ends in a row. */
  failures: number;
  refusals: number;
  falseEnds: number;
  /** Set while this chain has to prove that the end of the chain before was the shard's. */
  endProof: Proving | undefined;
  /** Chains in a row that ended without records, by an answer that did not report being up to date. */
  unclear: { readonly since: number; readonly times: number } | undefined;
  /** When the service first did not find the shard. */
  missingSince: number | undefined;
}

export interface Proving {
  readonly since: number;
  readonly children: readonly ChildShard[] | undefined;
  /** Records came, so the end that was to be proven was false. */
  records: boolean;
  /** The chain's last empty answer with an iterator reported nothing after its position. */
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
    endProof: undefined,
    unclear: undefined,
    missingSince: undefined,
  };
}

/**
 * Whether records may have expired that came after the start time. The service does not report it: it begins at the oldest
 * record. True at most once per start.
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

/** Notes that the record at the position is gone, so all records that are left come after it. */
export function recordIsGone(progress: Progress): void {
  const { position } = progress;
  progress.unseen = false;
  if (position.type === 'after') noteGap(progress, position.position);
  if (position.type !== 'behind') return;
  const { sequenceNumber } = position;
  // While records that were handed on are skipped, the position is at or below `doneUpTo`, and its loss is no news.
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
    // Some services silently begin at the next record that exists.
    if (compareSequenceNumbers(records[0]!.sequenceNumber, position.position.sequenceNumber) > 0)
      recordIsGone(progress);
  }
  progress.unseen = false;
  progress.moreKnown = moreBehind;
  progress.position = { type: 'behind', sequenceNumber: last.sequenceNumber };
  return leaveOut(progress, records);
}

/** Leaves out records before the first one that arrived at or after the start time, and records that were handed on before. */
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
