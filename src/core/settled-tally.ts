// Counts the user records that the shard workers of a process have settled since the meter last looked. The tally outlives the
// workers, so that records settled right before a worker's end count, too. A message of a worker costs one addition; a look
// empties the tally.

/** The records that are settled and not reported yet. A worker that has settled none since the last look has no entry. */
export interface SettledTally {
  untold: TallyEntry[];
}

/** One worker's part in the tally. */
export interface TallyEntry {
  readonly tally: SettledTally;
  readonly source: string;
  readonly shardId: string;
  /** How many user records were settled. */
  records: number;
}

/** Makes an empty tally. */
export function createSettledTally(): SettledTally {
  return { untold: [] };
}

/** Makes the entry of one worker of this shard; several workers may follow one another. */
export function openEntry(tally: SettledTally, source: string, shardId: string): TallyEntry {
  return { tally, source, shardId, records: 0 };
}

/** Counts `records` more. */
export function addSettled(entry: TallyEntry, records: number): void {
  if (records === 0) return;
  if (entry.records === 0) entry.tally.untold.push(entry);
  entry.records += records;
}

/** Empties the tally, and returns what was settled since the last call. A shard comes once for each of its workers. */
export function takeSettled(tally: SettledTally): readonly Pick<TallyEntry, 'source' | 'shardId' | 'records'>[] {
  const { untold } = tally;
  tally.untold = [];
  return untold.map((entry) => {
    const { source, shardId, records } = entry;
    entry.records = 0;
    return { source, shardId, records };
  });
}
