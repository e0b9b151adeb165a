// Counts what the shard workers of a process have done since the last report to the meter: user records settled, their bytes, and the reads
// of their readers. The tally outlives the shard workers, so what was settled right before a shard worker ends counts, too. Each message of
// a shard worker costs a few additions, and each report empties the tally.
import { addCall, createCallTally, takeCalls, type CallTally } from './call-tally.js';

/** What is not reported yet. A shard worker with nothing to report has no entry. */
export interface SettledTally {
  unreported: TallyEntry[];
}

/** One shard worker's part in the tally. */
export interface TallyEntry {
  readonly tally: SettledTally;
  readonly source: string;
  readonly shardId: string;
  /** User records settled since the last report, and their bytes. */
  records: number;
  bytes: number;
  /** Calls of GetRecords since the last report. */
  readonly reads: CallTally;
  isListed: boolean;
}

/** What one shard worker has done since the last report. */
export interface WorkDone extends Pick<TallyEntry, 'source' | 'shardId' | 'records' | 'bytes'> {
  readonly reads: { readonly calls: number; readonly ms: number };
}

/** Creates an empty tally. */
export function createSettledTally(): SettledTally {
  return { unreported: [] };
}

/**
 * Creates the entry of one shard worker. A shard may have several shard workers, one after the other. `each` gets the time of each read.
 */
export function openEntry(
  tally: SettledTally,
  { source, shardId }: Pick<TallyEntry, 'source' | 'shardId'>,
  each?: (ms: number) => void,
): TallyEntry {
  return { tally, source, shardId, records: 0, bytes: 0, reads: createCallTally(each), isListed: false };
}

/** Counts `records` more, of `bytes` bytes. */
export function addSettled(entry: TallyEntry, records: number, bytes: number): void {
  if (records === 0) return;
  list(entry);
  entry.records += records;
  entry.bytes += bytes;
}

/** Counts a call of GetRecords. */
export function addRead(entry: TallyEntry, ms: number): void {
  list(entry);
  addCall(entry.reads, ms);
}

function list(entry: TallyEntry): void {
  if (entry.isListed) return;
  entry.isListed = true;
  entry.tally.unreported.push(entry);
}

/** Empties the tally, and returns what was done since the last call, with one element per shard worker of a shard. */
export function takeSettled(tally: SettledTally): readonly WorkDone[] {
  const { unreported } = tally;
  tally.unreported = [];
  return unreported.map((entry) => {
    const { source, shardId, records, bytes } = entry;
    entry.records = 0;
    entry.bytes = 0;
    entry.isListed = false;
    return { source, shardId, records, bytes, reads: takeCalls(entry.reads) };
  });
}
