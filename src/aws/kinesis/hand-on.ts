// Hands the records of an answer on to the buffer, whichever way they were fetched. Invariant: the position moves forward only past
// records that are handed on or deliberately skipped. Called by polling-step.ts and fan-out/subscription-follower.ts.
import type { RawRecord, RecordList } from '../../api/ports.js';
import { bytesOf } from '../../core/record-bytes.js';
import type { ReaderContext } from './polled-service.js';
import { noFailures, noteRecords, type Progress } from './reading-progress.js';

/** What was fetched: an answer of GetRecords, or an event of a subscription. */
export interface Fetched {
  readonly records: RecordList<RawRecord<Buffer>>;
  /** Milliseconds behind the tip, as the shard worker is to see it. */
  readonly lagMs: number | undefined;
  /** How long ago it may have come, in milliseconds. Default 0. */
  readonly ageMs?: number;
  /** The service reports that there are more records. */
  readonly hasMore: boolean;
  /** More records are expected. */
  readonly isBehind: boolean;
  /** Nothing more is to come in this way: the chain or the subscription says that the shard ends. */
  readonly ends: boolean;
}

export function handOn(reader: ReaderContext, progress: Progress, fetched: Fetched): void {
  const { records, isBehind } = fetched;
  progress.failures = noFailures();
  // Whichever way they came: the ends before them were not the shard's.
  if (records.length > 0) progress.end.doubts = undefined;

  const knewMore = progress.knowsMore;
  const fresh = noteRecords(progress, records, fetched.hasMore);
  reportGap(reader, progress, knewMore && records.length === 0 && !isBehind);
  // Two kinds of pages are not pushed. One is a page of skipped records only, except at the tip. The other is an empty page that ends
  // the chain: it is not known yet what that page means.
  if (fresh.length > 0 || (!fetched.ends && (records.length === 0 || !isBehind)))
    reader.buffer.push(fresh, bytesOf(fresh), fetched.lagMs, reader.clock.wallNow() - (fetched.ageMs ?? 0));
}

/** `certain`: there were more records after the position, and none is left. */
export function reportGap(reader: ReaderContext, progress: Progress, certain: boolean): void {
  const { unreported: position } = progress.gap;
  if (position === undefined) return;
  progress.gap.unreported = undefined;
  reader.notice({ type: 'trimmed', shardId: reader.shardId, position, certain });
}
