// Counts the user records that the shard workers of a process have settled since the last report to the meter. The tally outlives
// the workers, so records settled right before a worker ends count, too. Each message of a worker costs one addition, and each
// report empties the tally.

/** The settled records that are not reported yet. A worker without unreported records has no entry. */
export interface SettledTally {
  unreported: TallyEntry[];
}

/** One worker's part in the tally. */
export interface TallyEntry {
  readonly tally: SettledTally;
  readonly source: string;
  readonly shardId: string;
  /** User records settled since the last report. */
  records: number;
}

/** Creates an empty tally. */
export function createSettledTally(): SettledTally {
  return { unreported: [] };
}

/** Creates the entry of one worker. A shard may have several workers, one after the other. */
export function openEntry(tally: SettledTally, source: string, shardId: string): TallyEntry {
  return { tally, source, shardId, records: 0 };
}

/** Counts `records` more. */
export function addSettled(entry: TallyEntry, records: number): void {
  if (records === 0) return;
  if (entry.records === 0) entry.tally.unreported.push(entry);
  entry.records += records;
}

/** Empties the tally, and returns what was settled since the last call, with one element per worker of a shard. */
export function takeSettled(tally: SettledTally): readonly Pick<TallyEntry, 'source' | 'shardId' | 'records'>[] {
  const { unreported } = tally;
  tally.unreported = [];
  return unreported.map((entry) => {
    const { source, shardId, records } = entry;
    entry.records = 0;
    return { source, shardId, records };
  });
}
