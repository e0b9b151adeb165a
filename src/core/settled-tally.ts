// How many user records the shard workers of a process have settled since the meter last looked. It outlives the
// workers, so that what one settles right before its end counts, too. One addition per message of a worker; a look
// empties it.

/** What is settled and not reported yet. It holds nothing of a worker that has settled nothing since. */
export interface SettledTally {
  untold: TallyEntry[];
}

/** One worker's part in it. */
export interface TallyEntry {
  readonly tally: SettledTally;
  readonly source: string;
  readonly shardId: string;
  /** User records. */
  records: number;
}

/** One that is empty. */
export function createSettledTally(): SettledTally {
  return { untold: [] };
}

/** For one worker of this shard: several may follow one another. */
export function openEntry(tally: SettledTally, source: string, shardId: string): TallyEntry {
  return { tally, source, shardId, records: 0 };
}

/** Counts `records` more. */
export function addSettled(entry: TallyEntry, records: number): void {
  if (records === 0) return;
  if (entry.records === 0) entry.tally.untold.push(entry);
  entry.records += records;
}

/** What was settled since the last time this was called; a shard comes once for each of its workers. */
export function takeSettled(tally: SettledTally): readonly Pick<TallyEntry, 'source' | 'shardId' | 'records'>[] {
  const { untold } = tally;
  tally.untold = [];
  return untold.map((entry) => {
    const { source, shardId, records } = entry;
    entry.records = 0;
    return { source, shardId, records };
  });
}
