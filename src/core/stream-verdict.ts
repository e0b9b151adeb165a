// Decides from lease rows and a listing of shards whether the rows belong to the stream that is about to be read. Invariant: a
// row of another stream is never stamped (never gets this stream's `kinactStream`), and its checkpoint never counts. Every shard
// sync calls this before it creates a row; `kinact reset` calls it, too.
import type { LeaseRow } from './lease.js';
import { hasEnded, isOpen, parentsOf, type ListedShard } from './shard-graph.js';
import { compareSequenceNumbers, isSequenceNumber } from './sequence-number.js';
import { isSameStream } from './stream-identity.js';

/** A row and the shard that it is for. */
export interface ShardRow {
  readonly shardId: string;
  readonly row: LeaseRow;
}

export interface VerdictInput {
  /** The identity of the stream that has the name now (stream-identity.ts). */
  readonly identity: string;
  readonly shards: readonly ListedShard[];
  /** Whether `shards` are all shards of the stream (shard-listing.ts). The absence of a shard means something only if they are. */
  readonly isComplete: boolean;
  /** The rows under the keys of this stream, ended rows included. */
  readonly rows: Iterable<ShardRow>;
  /** Multi-stream tables: rows of the same account and name under other epochs. */
  readonly otherEpochs: readonly ShardRow[];
}

export type StreamVerdict =
  /** No row contradicts the stream. `unstamped`: the rows that belong to the stream and have no `kinactStream` yet. */
  | { readonly type: 'same'; readonly unstamped: readonly LeaseRow[] }
  | {
      readonly type: 'changed';
      /** The stream that the rows name; undefined if they name none. */
      readonly rowStream: string | undefined;
      /** The evidence, in words that may follow "because". */
      readonly evidence: string;
      /** The keys of all rows that differ. */
      readonly leaseKeys: readonly string[];
    };

export function judgeStream({ identity, shards, isComplete, rows, otherEpochs }: VerdictInput): StreamVerdict {
  const listed = new Map(shards.map((shard) => [shard.shardId, shard]));
  const unstamped: LeaseRow[] = [];
  const differences: Difference[] = [];
  let isUnderWay = false;

  for (const { shardId, row } of rows) {
    const shard = listed.get(shardId);
    const evidence = foreignStamp(row, identity) ?? beforeStart(row, shard) ?? otherParents(row, shard);
    if (evidence !== undefined) differences.push({ row, evidence });
    else if (row.kinactStream === undefined && (shard !== undefined || isComplete) && isPlausible(row, shard, listed))
      unstamped.push(row);
    isUnderWay ||= row.leaseOwner !== undefined || isSequenceNumber(row.checkpoint);
  }

  // Once the current stream is read under its own keys, the rows that an earlier stream left no longer matter.
  if (!isUnderWay) {
    for (const { shardId, row } of otherEpochs) {
      const evidence = leftBehind(row, listed.get(shardId), isComplete, identity);
      if (evidence !== undefined) differences.push({ row, evidence });
    }
  }

  return differences.length === 0 ? { type: 'same', unstamped } : changedVerdict(differences, identity);
}

interface Difference {
  readonly row: LeaseRow;
  readonly evidence: string;
}

/** Reports the clearest row: a row that names its stream comes before one that does not. */
function changedVerdict(differences: readonly Difference[], identity: string): StreamVerdict {
  const naming = differences.find(({ row }) => foreignStamp(row, identity) !== undefined);
  const { row, evidence } = naming ?? differences[0]!;
  const more = differences.length === 1 ? '' : `; ${differences.length} rows differ`;
  return {
    type: 'changed',
    rowStream: naming === undefined ? undefined : row.kinactStream,
    evidence: `row ${row.leaseKey} ${evidence}${more}`,
    leaseKeys: differences.map((each) => each.row.leaseKey),
  };
}

function foreignStamp({ kinactStream }: LeaseRow, identity: string): string | undefined {
  if (kinactStream === undefined || isSameStream(kinactStream, identity)) return undefined;
  return 'names the former stream';
}

/** Sequence numbers rise with time: no checkpoint of this stream can be lower than the start of its shard. */
function beforeStart({ checkpoint }: LeaseRow, shard: ListedShard | undefined): string | undefined {
  if (shard === undefined || !isSequenceNumber(checkpoint) || !isSequenceNumber(shard.startingSequenceNumber)) return;
  if (compareSequenceNumbers(checkpoint, shard.startingSequenceNumber) >= 0) return undefined;
  return `stands at ${checkpoint}, before its shard began (${shard.startingSequenceNumber})`;
}

/**
 * A shard keeps its parents. Only rows without `kinactStream` are compared. Hash keys prove nothing: rows that people created or
 * corrected often carry those of another shard.
 */
function otherParents({ kinactStream, parentShardIds }: LeaseRow, shard: ListedShard | undefined): string | undefined {
  const parents = shard === undefined ? [] : parentsOf(shard);
  if (kinactStream !== undefined || parentShardIds.length === 0 || parents.length === 0) return undefined;
  if (parents.some((parent) => parentShardIds.includes(parent))) return undefined;
  return `has the parents ${parentShardIds.join(', ')}, its shard ${parents.join(', ')}`;
}

/**
 * Whether a row without evidence against it may be stamped. A row that the listing contradicts is left alone, because the listing
 * may be outdated.
 */
function isPlausible(row: LeaseRow, shard: ListedShard | undefined, listed: ReadonlyMap<string, ListedShard>): boolean {
  const isListedOpen = (shardId: string): boolean => {
    const found = listed.get(shardId);
    return found !== undefined && isOpen(found);
  };
  if (shard === undefined) return !row.parentShardIds.some(isListedOpen);
  return hasEnded(row) ? !isOpen(shard) : !isAfterEnd(row, shard);
}

function isAfterEnd({ checkpoint }: LeaseRow, { endingSequenceNumber: end }: ListedShard): boolean {
  if (end === undefined || !isSequenceNumber(end) || !isSequenceNumber(checkpoint)) return false;
  return compareSequenceNumbers(checkpoint, end) > 0;
}

/**
 * A row under another epoch may come from a Java worker with a configured epoch of its own. It belongs to another stream if it
 * names one, if this stream never had the shard, or if its checkpoint is before the shard's start.
 */
function leftBehind(
  row: LeaseRow,
  shard: ListedShard | undefined,
  isComplete: boolean,
  identity: string,
): string | undefined {
  const foreign = foreignStamp(row, identity) ?? beforeStart(row, shard);
  if (foreign !== undefined) return foreign;
  return shard === undefined && isComplete ? 'is for a shard that this stream does not have' : undefined;
}
