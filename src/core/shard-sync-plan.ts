// Decides from a listing and the rows of the table which rows to create. The rules are the KCL's (shard-graph.ts). kinact has one
// of its own for LATEST (docs/leases.md): a new row records the time for which LATEST stands, so no record is lost between two starts. The
// earliest such time in the rows of a stream is its anchor. A row that is created later, and would start at LATEST, starts at the anchor
// instead.
import type { LeaseRow } from './lease.js';
import { leaseKeyOf } from './lease-key.js';
import {
  firstLeases,
  hasEnded,
  hasProgress,
  isOpen,
  missingLeases,
  namedChildren,
  parentsOf,
  type FirstCheckpoint,
  type LeasedShard,
  type ListedChild,
  type ListedShard,
  type ListingProof,
  type MissingLease,
  type MissingLeases,
} from './shard-graph.js';
import { isSameStream } from './stream-identity.js';
import type { HashRangeText } from './hash-range.js';

/** LATEST means this long before the service's time. So clock skew between the service's hosts hides no record. */
export const latestMarginMs = 2_000;

/** The values that all new rows of one stream share. */
export interface RowContext {
  /** The part of the row keys that names the stream; undefined in a single-stream table. */
  readonly keyPrefix: string | undefined;
  /** Written only if rows of the table already have it. */
  readonly entityType: string | undefined;
  readonly writer: string;
  /**
   * The service's own time, and the first counter of a new row. No lease is written as often as once a millisecond, so a fence
   * never decreases when a row is created again.
   */
  readonly serviceTimeMs: number;
  /** The identity of the stream (stream-identity.ts), which every row carries. */
  readonly stream: string;
}

export interface NewRow {
  readonly shardId: string;
  readonly parentShardIds: readonly string[];
  readonly hashKeyRange: HashRangeText | undefined;
  readonly checkpoint: FirstCheckpoint;
  readonly latestAt: number | undefined;
}

/** A new row: it has no owner, and any worker may take it. */
export function newLeaseRow(rowContext: RowContext, row: NewRow): LeaseRow {
  const { keyPrefix, entityType, writer, serviceTimeMs, stream } = rowContext;
  return {
    leaseKey: leaseKeyOf(keyPrefix, row.shardId),
    leaseCounter: Math.floor(serviceTimeMs),
    ownerSwitchesSinceCheckpoint: 0,
    checkpoint: row.checkpoint,
    checkpointSubSequenceNumber: 0,
    parentShardIds: [...row.parentShardIds],
    childShardIds: [],
    ...row.hashKeyRange,
    ...(entityType === undefined ? {} : { entityType }),
    ...(keyPrefix === undefined ? {} : { streamName: keyPrefix, shardId: row.shardId }),
    ...(row.latestAt === undefined ? {} : { kinactLatestAt: row.latestAt }),
    kinactWriter: writer,
    kinactStream: stream,
  };
}

export interface SyncInput {
  readonly shards: readonly ListedShard[];
  /** The readable rows of this stream by shard id. */
  readonly rows: ReadonlyMap<string, LeaseRow>;
  /** Shards with a row that cannot be read: they count as leased and are left alone. */
  readonly malformed: ReadonlySet<string>;
  /** Deleted rows, as they were last read (undefined: never read). Where possible they are created again as they were. */
  readonly deletedRows?: ReadonlyMap<string, LeaseRow | undefined>;
  readonly initial: FirstCheckpoint;
  /** Default: `hashRanges`. */
  readonly listingProof?: ListingProof | undefined;
  /** How long before the listing the rows were read. Default: 0. */
  readonly seenAgoMs?: number;
  readonly rowContext: RowContext;
}

export type SyncPlan =
  | {
      readonly type: 'create';
      readonly rows: readonly LeaseRow[];
      /**
       * `shardsWithDeletedRow`: the shards with a row that somebody must have deleted. `unanchored`: the shards that start at TRIM_HORIZON
       * because no row records the time of LATEST.
       */
      readonly shardsWithDeletedRow: readonly string[];
      readonly unanchored: readonly string[];
    }
  | { readonly type: 'inconsistent'; readonly reason: string };

/** True if the stream has no row at all, readable or not: then the listing is filtered by the initial position. */
export function isFirstSync(rows: ReadonlyMap<string, LeaseRow>, malformed: ReadonlySet<string>): boolean {
  return rows.size === 0 && malformed.size === 0;
}

/** Plans the rows that a stream lacks. */
export function planSync(input: SyncInput): SyncPlan {
  const { shards, rows, malformed, deletedRows = none, initial, rowContext } = input;
  if (isFirstSync(rows, malformed) && deletedRows.size === 0) {
    const found = firstLeases(shards, initial, input.listingProof);
    if (found.type === 'inconsistent') return found;
    // If another worker has created rows since the table was read, it may have started before the listing. The shards that it
    // reads may have been split since.
    const sinceMs = rowContext.serviceTimeMs - (input.seenAgoMs ?? 0);
    const latestAt = initial === 'LATEST' ? sinceMs - latestMarginMs : undefined;
    const firstRows = found.leases.map(({ shard, checkpoint }) =>
      newLeaseRow(rowContext, { ...shardFields(shard), checkpoint, latestAt }),
    );
    return { type: 'create', rows: firstRows, shardsWithDeletedRow: [], unanchored: [] };
  }

  const { restored, refused } = restorableRows(input);
  const leased = new Map<string, LeasedShard>(
    [...rows, ...restored].map(([shardId, row]) => [shardId, { ended: hasEnded(row) }]),
  );
  for (const shardId of malformed) leased.set(shardId, { ended: false, malformed: true });
  if (input.listingProof === 'lineage') {
    for (const shardId of ancestorsOfLeased(shards, new Map([...rows, ...restored]), malformed))
      if (!leased.has(shardId)) leased.set(shardId, { ended: true });
  }

  const anchor = earliestLatest([...rows.values(), ...deletedRows.values()]);
  const found = missingSince(input, leased, anchor);
  if (found.type === 'inconsistent') return found;
  // A parent of a leased shard has been read to its end. A listing that shows this parent as open is outdated.
  const endedParents = new Set([...rows.values()].flatMap(({ parentShardIds }) => parentShardIds));
  const missing = found.leases.filter(
    ({ shard }) => !refused.has(shard.shardId) && (!isOpen(shard) || !endedParents.has(shard.shardId)),
  );

  const ids = (leases: readonly MissingLease[]): string[] => leases.map((lease) => lease.shard.shardId);
  return {
    type: 'create',
    rows: [...restored.values(), ...missing.map((lease) => missingRow(rowContext, lease, rows, anchor))],
    shardsWithDeletedRow: ids(missing.filter((lease) => lease.because === 'orphan')),
    unanchored: anchor === undefined ? ids(missing.filter((lease) => lease.checkpoint === 'LATEST')) : [],
  };
}

const none: ReadonlyMap<string, LeaseRow | undefined> = new Map();

/** `deletedRows`: those of this stream. */
type RestorableInput = SyncInput & { readonly deletedRows: ReadonlyMap<string, LeaseRow> };

interface RestorableRows {
  readonly restored: ReadonlyMap<string, LeaseRow>;
  /** Shards whose row is left out because they may have ended. Their rows are not created from the start of the shard either. */
  readonly refused: ReadonlySet<string>;
}

/**
 * The deleted rows that can be created again as they were. A row is left out if its shard is not listed, or if it belongs to
 * another stream. It is also left out if a child of its shard may have begun: the shard may have ended since, and its row may have
 * been cleaned up.
 */
function restorableRows(given: SyncInput): RestorableRows {
  const input: RestorableInput = { ...given, deletedRows: deletedRowsOfThisStream(given) };
  const { shards, rows, malformed, deletedRows, rowContext } = input;
  const listed = new Set(shards.map(({ shardId }) => shardId));
  const isCandidate = ([shardId]: readonly [string, LeaseRow]): boolean =>
    listed.has(shardId) && !rows.has(shardId) && !malformed.has(shardId);
  const candidates = new Map([...deletedRows].filter(isCandidate));
  const children = childrenOfAll(input);

  const restored = new Map<string, LeaseRow>();
  // A child that comes back may allow its parents to come back, so the loop repeats until no row is added.
  let countBefore: number;
  do {
    countBefore = restored.size;
    for (const [shardId, row] of candidates) {
      const hasBegun = [...(children.get(shardId) ?? [])].some((child) =>
        mayHaveBeenRead(child, input, children, restored),
      );
      if (!restored.has(shardId) && !hasBegun) restored.set(shardId, restoredRow(rowContext, row));
    }
  } while (restored.size > countBefore);

  return { restored, refused: new Set([...candidates.keys()].filter((shardId) => !restored.has(shardId))) };
}

/** A row of an earlier stream says nothing about this one, although its shard may have the same id. */
function deletedRowsOfThisStream({ deletedRows = none, rowContext }: SyncInput): ReadonlyMap<string, LeaseRow> {
  return new Map(
    [...deletedRows].flatMap(([shardId, row]) => {
      const isOfStream =
        row !== undefined && (row.kinactStream === undefined || isSameStream(row.kinactStream, rowContext.stream));
      return isOfStream ? [[shardId, row] as const] : [];
    }),
  );
}

/** The children of each shard, as the listing and the rows name them. The listing alone is not enough, because it may omit shards. */
function childrenOfAll({ shards, rows, deletedRows }: RestorableInput): ReadonlyMap<string, ReadonlySet<string>> {
  const children = new Map<string, Set<string>>();
  const add = (parent: string, child: string): void => {
    const known = children.get(parent);
    if (known === undefined) children.set(parent, new Set([child]));
    else known.add(child);
  };
  for (const shard of shards) for (const parent of parentsOf(shard)) add(parent, shard.shardId);
  for (const [shardId, row] of [...deletedRows, ...rows]) {
    for (const parent of row.parentShardIds) add(parent, shardId);
    for (const child of namedChildren(shardId, row)) add(shardId, child);
  }
  return children;
}

/**
 * Whether reading of a shard may have begun. Its row shows this, even if the row is deleted or `restored`. If there is none, the row
 * of a descendant shows it. But a shard without a row has not begun while one of its parents is being read.
 */
function mayHaveBeenRead(
  shardId: string,
  { shards, rows, malformed, deletedRows }: RestorableInput,
  children: ReadonlyMap<string, ReadonlySet<string>>,
  restored: ReadonlyMap<string, LeaseRow>,
): boolean {
  const row = rows.get(shardId) ?? restored.get(shardId);
  if (row !== undefined) return hasProgress(row) || hasEnded(row);
  if (malformed.has(shardId)) return true;
  if (hasProgressIn(deletedRows, shardId)) return true;

  const parents = shards.filter((each) => each.shardId === shardId).flatMap(parentsOf);
  const isRead = (parent: string): boolean => {
    const found = rows.get(parent);
    return found !== undefined && !hasEnded(found);
  };
  if (parents.some(isRead)) return false;

  // Iterating a Set also visits members added during the loop. So each descendant is visited once, after any number of splits and merges.
  const descendants = new Set([shardId]);
  for (const each of descendants) for (const child of children.get(each) ?? []) descendants.add(child);
  descendants.delete(shardId);
  return [...descendants].some((each) => rows.has(each) || malformed.has(each) || hasProgressIn(deletedRows, each));
}

function hasProgressIn(rows: ReadonlyMap<string, LeaseRow>, shardId: string): boolean {
  const row = rows.get(shardId);
  return row !== undefined && hasProgress(row);
}

/** The row without an owner, at its last known checkpoint, with the counter of a row created again (`recreatedRow`). */
function restoredRow({ writer, serviceTimeMs, stream }: RowContext, row: LeaseRow): LeaseRow {
  const { leaseOwner: _owner, kinactFailover: _failover, checkpointOwner: _checkpointOwner, ...kept } = row;
  const leaseCounter = Math.max(row.leaseCounter + 2, Math.floor(serviceTimeMs));
  return { ...kept, leaseCounter, kinactWriter: writer, kinactStream: stream };
}

/**
 * The shards with a leased descendant, by the listing and by what rows name. They have been read, and their rows cleaned up: a row
 * created again would repeat the whole shard. Without hash ranges nothing else shows that.
 */
function ancestorsOfLeased(
  shards: readonly ListedShard[],
  rows: ReadonlyMap<string, LeaseRow>,
  malformed: ReadonlySet<string>,
): ReadonlySet<string> {
  const byId = new Map(shards.map((shard) => [shard.shardId, shard]));
  const parentsIn = (shardId: string): readonly string[] => {
    const shard = byId.get(shardId);
    return [...(shard === undefined ? [] : parentsOf(shard)), ...(rows.get(shardId)?.parentShardIds ?? [])];
  };

  const ancestors = new Set([...rows.keys(), ...malformed].flatMap(parentsIn));
  // Iterating a Set also visits members added during the loop.
  for (const shardId of ancestors) for (const parent of parentsIn(shardId)) ancestors.add(parent);
  return ancestors;
}

/**
 * Once the stream has rows, LATEST is a time in the past. Records since then must be read, even if their shard is closed by now.
 * So lineages start where they would start for AT_TIMESTAMP. A descendant of a leased shard is still read from its first record.
 */
function missingSince(
  { shards, initial, listingProof }: SyncInput,
  leased: ReadonlyMap<string, LeasedShard>,
  anchor: number | undefined,
): MissingLeases {
  const found = missingLeases(shards, leased, initial, listingProof);
  if (initial !== 'LATEST' || anchor === undefined) return found;
  const since = missingLeases(shards, leased, 'AT_TIMESTAMP', listingProof);
  // A listing that contradicts itself does so for both.
  if (found.type === 'inconsistent' || since.type === 'inconsistent') return since;
  const inherited = new Map(found.leases.map((lease) => [lease.shard.shardId, lease]));

  const leases = since.leases.map((lease): MissingLease => {
    const same = inherited.get(lease.shard.shardId);
    return same?.because === 'orphan' ? same : { ...lease, checkpoint: 'LATEST' };
  });
  return { type: 'missing', leases };
}

/** The earliest time that LATEST stands for in these rows. */
export function earliestLatest(rows: Iterable<LeaseRow | undefined>): number | undefined {
  let earliest: number | undefined;
  for (const row of rows) {
    const at = row?.kinactLatestAt;
    if (at !== undefined && (earliest === undefined || at < earliest)) earliest = at;
  }
  return earliest;
}

function shardFields(shard: ListedShard): Pick<NewRow, 'shardId' | 'parentShardIds' | 'hashKeyRange'> {
  return { shardId: shard.shardId, parentShardIds: parentsOf(shard), hashKeyRange: shard.hashKeyRange };
}

/**
 * A row that would start at LATEST starts at the time of LATEST in the existing rows (`anchor`), because records since then are unread.
 */
function missingRow(
  rowContext: RowContext,
  lease: MissingLease,
  rows: ReadonlyMap<string, LeaseRow>,
  anchor: number | undefined,
): LeaseRow {
  const fields = shardFields(lease.shard);
  if (lease.checkpoint === 'LATEST') {
    return newLeaseRow(rowContext, {
      ...fields,
      checkpoint: anchor === undefined ? 'TRIM_HORIZON' : 'LATEST',
      latestAt: anchor,
    });
  }
  const inherited = earliestLatest(fields.parentShardIds.map((parent) => rows.get(parent))) ?? anchor;
  return newLeaseRow(rowContext, { ...fields, checkpoint: lease.checkpoint, latestAt: inherited });
}

/** The row of a child at the end of its parent (KCL clause 2.7). Reading starts at the child's first record. */
export function childRow(rowContext: RowContext, child: ListedChild, latestAt: number | undefined): LeaseRow {
  return newLeaseRow(rowContext, {
    shardId: child.shardId,
    parentShardIds: child.parentShards,
    hashKeyRange: child.hashKeyRange,
    checkpoint: 'TRIM_HORIZON',
    latestAt,
  });
}
