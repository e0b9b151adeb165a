// The state of a polling reader's loop: the position after which its next chain begins, which records to leave out, and what was
// seen of the shard's end. Invariant: the position moves forward only past records that are handed on or deliberately skipped.
// Called by the reader (shard-reader.ts) and the modules beside it.
import type { Position, StartPosition } from '../../core/position.js';
import { compareSequenceNumbers } from '../../core/sequence-number.js';
import type { ChildShard, RawRecord, RecordList, StreamDescription } from '../../api/ports.js';
import { iteratorPosition, type IteratorPosition } from './shard-iterator.js';

export interface Progress {
  /** The next iterator of the chain; undefined when a chain must begin, or begin again. */
  iterator: string | undefined;
  /** When the chain began (monotonic). */
  beganAt: number;
  position: IteratorPosition;
  /** Whether the last answer with records has reported that more records follow. */
  knowsMore: boolean;
  readonly start: UncertainStart;
  readonly skip: SkippedRecords;
  readonly gap: NotedGap;
  readonly end: EndSearch;
  failures: FailuresInARow;
  /** Old records were read last, and this many empty pages since. Only for a service without MillisBehindLatest. */
  middle: { readonly lagMs: number; emptyPages: number } | undefined;
}

/** What is not known yet about the start. */
interface UncertainStart {
  /** No record was read since the start. The first one will show whether the start's record still exists. */
  unseen: boolean;
  /** It is not yet known whether the start time lies before the oldest record. */
  unjudged: boolean;
  /** The record that the start names, if reading begins after it: this reader has not read it. */
  readonly resumesAt: string | undefined;
  /** A record has come, or reading has begun again without one: see start-doubt.ts. */
  hasCome: boolean;
  /** The position at which nothing came, if reading has begun again with the oldest record. */
  doubted: IteratorPosition | undefined;
  /** Since when nothing has come from the tip (monotonic). */
  quietSince: number | undefined;
}

/** The records that are left out, because reading began before the start. */
interface SkippedRecords {
  /** Records that arrived before this time are left out. */
  arrivedBefore: number | undefined;
  /** The service cuts the times of its records to this unit, in milliseconds; undefined if its times are exact. */
  cutToMs: number | undefined;
  /** Whether asking for the start time again may find a later start. */
  askAgain: boolean;
  /** Set after a fallback to TRIM_HORIZON: everything up to this number was already handed on. */
  upTo: string | undefined;
}

interface NotedGap {
  /** The last known position, if records after it may have expired. Reported with the next answer. */
  unreported: Position | undefined;
  /** The highest number of a noted gap. Everything up to it was handed on, so chains that begin there again note no gap. */
  upTo: string | undefined;
}

/** What is known about the shard's end. */
interface EndSearch {
  /** A chain has ended, and no listing was asked since then whether the shard is closed. `proof` is set then, too. */
  awaitsListing: boolean;
  /** Set while this chain has to prove that the end of the chain before was the shard's. */
  proof: EndProof | undefined;
  /** Chains in a row that ended without records, by an answer that did not report being up to date. */
  doubts: { readonly since: number; readonly times: number } | undefined;
  /** False or unclear ends in a row. */
  falseEnds: number;
}

export interface EndProof {
  readonly since: number;
  readonly children: readonly ChildShard[] | undefined;
  /** The chain has returned records. So the end that it had to prove was not the shard's. */
  sawRecords: boolean;
  /** The chain's last empty answer with an iterator reported nothing after its position. */
  upToDate: boolean;
}

/** The failures since the last answer. */
interface FailuresInARow {
  inARow: number;
  /** How many of them refused the iterator. */
  refusals: number;
  /** When the service first did not find the shard. */
  missingSince: number | undefined;
  /** How many of them said that the records at the iterator have expired. */
  trimmed: number;
}

const minuteMs = 60_000;

/** What is special about the records of a service. */
export interface RecordTraits {
  /** Whether a record may be an aggregate of several user records. */
  readonly hasAggregates: boolean;
  /** The service cuts the times of its records to this unit, or to a finer one (`noteUnit`). Undefined if its times are exact. */
  readonly timeUnitMs: number | undefined;
}

export function noFailures(): FailuresInARow {
  return { inARow: 0, refusals: 0, missingSince: undefined, trimmed: 0 };
}

/**
 * The progress of a reader that has read nothing yet. If records of the service may be aggregates, reading begins with the record of the
 * start, because some of its user records may be left. Otherwise it begins after that record.
 */
export function progressFrom(start: StartPosition, { hasAggregates, timeUnitMs }: RecordTraits): Progress {
  const isAfter = !hasAggregates && start.type === 'after';
  const resumesAt = isAfter ? start.position.sequenceNumber : undefined;
  return {
    iterator: undefined,
    beganAt: -Infinity,
    position: isAfter
      ? { type: 'afterRecord', sequenceNumber: start.position.sequenceNumber }
      : iteratorPosition(start),
    knowsMore: false,
    start: {
      unseen: start.type === 'after' && !isAfter,
      unjudged: start.type === 'atTimestamp',
      resumesAt,
      hasCome: false,
      doubted: undefined,
      quietSince: undefined,
    },
    skip: { arrivedBefore: undefined, cutToMs: timeUnitMs, askAgain: false, upTo: undefined },
    gap: { unreported: undefined, upTo: undefined },
    end: { awaitsListing: false, proof: undefined, doubts: undefined, falseEnds: 0 },
    failures: noFailures(),
    middle: undefined,
  };
}

/**
 * Judges, once per start, whether records may have expired that came after the start time. The service does not report it: it
 * begins at the oldest record.
 */
export function judgeLateStart(
  progress: Progress,
  start: StartPosition,
  { retentionHours, describedAtMs }: StreamDescription,
): boolean {
  const { unjudged } = progress.start;
  progress.start.unjudged = false;
  if (!unjudged || start.type !== 'atTimestamp' || retentionHours === undefined || describedAtMs === undefined)
    return false;
  return start.timestampMs + retentionHours * 3_600_000 < describedAtMs;
}

/** So many empty pages in a row count as the tip of a shard. */
const emptyPagesAtTip = 5;

/**
 * The lag that an empty page suggests, for a service that does not report it. Such a page may come from the middle of the shard. It is
 * taken for that after records from which the service was behind, until several empty pages have followed. Otherwise undefined.
 */
export function lagInMiddle(
  progress: Progress,
  { records, lagMs, isBehind = false }: { records: { readonly length: number }; lagMs?: number; isBehind?: boolean },
): number | undefined {
  if (records.length > 0) {
    progress.middle = isBehind && lagMs !== undefined ? { lagMs, emptyPages: 0 } : undefined;
    return undefined;
  }
  if (progress.middle !== undefined && ++progress.middle.emptyPages >= emptyPagesAtTip) progress.middle = undefined;
  return progress.middle?.lagMs;
}

/** Notes that the record at the position is gone, so all records that are left come after it. */
export function noteRecordGone(progress: Progress, position = progress.position): void {
  if (position.type === 'atRecord') noteGap(progress, position.position);
  if (position.type !== 'afterRecord') return;
  const { sequenceNumber } = position;
  // While records that were handed on are skipped, the position is at or below `skip.upTo`, and its loss is no news. The shard worker
  // leaves out what is done before the start itself: if nothing later comes, the start is not of this shard (start-check.ts).
  if (sequenceNumber === progress.start.resumesAt) return noteGap(progress, { sequenceNumber, subSequenceNumber: 0 });
  if (progress.skip.upTo === undefined || compareSequenceNumbers(sequenceNumber, progress.skip.upTo) > 0)
    progress.skip.upTo = sequenceNumber;
  noteGap(progress, { sequenceNumber, subSequenceNumber: 0 });
}

function noteGap(progress: Progress, position: Position): void {
  const { gap } = progress;
  if (gap.upTo !== undefined && compareSequenceNumbers(position.sequenceNumber, gap.upTo) <= 0) return;
  gap.upTo = position.sequenceNumber;
  gap.unreported = position;
}

/** Notes the records of an answer; returns those to hand on. */
export function noteRecords(
  progress: Progress,
  records: RecordList<RawRecord<Buffer>>,
  hasMore: boolean,
): RecordList<RawRecord<Buffer>> {
  const last = records.at(-1);
  if (last === undefined) return records;

  const asked = progress.start.doubted ?? progress.position;
  if (progress.start.unseen && asked.type === 'atRecord') {
    // Some services silently begin at the next record that exists.
    if (compareSequenceNumbers(records.at(0)!.sequenceNumber, asked.position.sequenceNumber) > 0)
      noteRecordGone(progress, asked);
  }

  progress.start.unseen = false;
  progress.start.hasCome = true;
  progress.knowsMore = hasMore;
  progress.position = { type: 'afterRecord', sequenceNumber: last.sequenceNumber };
  return leaveOut(progress, records);
}

/** Leaves out records before the first one that arrived at or after the start time, and records that were handed on before. */
function leaveOut({ skip }: Progress, records: RecordList<RawRecord<Buffer>>): RecordList<RawRecord<Buffer>> {
  const { arrivedBefore, upTo } = skip;
  if (arrivedBefore === undefined && upTo === undefined) return records;
  let fresh = [...records];

  if (arrivedBefore !== undefined) {
    noteUnit(skip, fresh);
    const unitMs = skip.cutToMs ?? 1;
    const startMs = Math.floor(arrivedBefore / unitMs) * unitMs;
    const first = fresh.findIndex(({ arrivedAt }) => arrivedAt === undefined || arrivedAt >= startMs);
    fresh = first < 0 ? [] : fresh.slice(first);
    if (first >= 0) skip.arrivedBefore = undefined;
  }
  if (upTo !== undefined) {
    fresh = fresh.filter((record) => compareSequenceNumbers(record.sequenceNumber, upTo) > 0);
    if (fresh.length > 0) skip.upTo = undefined;
  }
  return fresh;
}

/**
 * DynamoDB cuts times to the second, DynamoDB Local to the minute. Until a record of the shard has a time within a minute, the unit may be
 * the minute: rather a few records too many than one too few.
 */
function noteUnit(skip: SkippedRecords, records: readonly RawRecord<Buffer>[]): void {
  if (skip.cutToMs !== minuteMs) return;
  const isWithinMinute = ({ arrivedAt }: RawRecord<Buffer>): boolean =>
    arrivedAt !== undefined && arrivedAt % minuteMs !== 0;
  if (records.some(isWithinMinute)) skip.cutToMs = 1_000;
}
