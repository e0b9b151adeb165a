// How many user records the shard workers of a process have settled since the meter last looked. It outlives the
// workers, so that what one settles right before its end counts, too. One addition per message of a worker; a look
// empties it.

/** What is settled and not reported yet. It holds nothing of a worker that has settled nothing since. */
export interface SettledTally {
  untold: SettledCell[];
}

/** One worker's part in it. */
export interface SettledCell {
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
export function openCell(tally: SettledTally, source: string, shardId: string): SettledCell {
  return { tally, source, shardId, records: 0 };
}

/** Counts `records` more. */
export function addSettled(cell: SettledCell, records: number): void {
  if (records === 0) return;
  if (cell.records === 0) cell.tally.untold.push(cell);
  cell.records += records;
}

/** What was settled since the last time this was called; a shard comes once for each of its workers. */
export function takeSettled(tally: SettledTally): readonly Pick<SettledCell, 'source' | 'shardId' | 'records'>[] {
  const { untold } = tally;
  tally.untold = [];
  return untold.map((cell) => {
    const { source, shardId, records } = cell;
    cell.records = 0;
    return { source, shardId, records };
  });
}
