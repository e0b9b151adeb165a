// The calls of one shard sync (KCL clause 2.6). Invariant: nothing is written before the rows are known to belong
// to the stream. The steps, each with its function:
//   1. identify   `isIdentified` (stream-check.ts) compares the stream's description with the identity that the rows have
//   2. list       `listChecked` lists the shards; `checkRows` (stream-check.ts) compares the listing with the rows
//   3. plan       `planRows`, by `planSync` (src/core/shard-sync-plan.ts); a plan that leaves parents out is checked by a second listing
//   4. postpone   `isPostponed`: the holders of the missing rows may still create them again
//   5. create     `createPlanned`, by `createRows` (row-creation.ts)
import type { CoordinatorSource } from '../../protocol/lease-messages.js';
import { checkRows, isIdentified, type Check } from './stream-check.js';
import type { StreamRows } from './stream-rows.js';
import { notePlacement } from './stream-placement.js';
import { createRows, type RowProgress } from './row-creation.js';
import { leaseKeyOf, shardIdOf } from '../../../src/core/lease-key.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import type { PlacementState } from '../../../src/core/record-placement.js';
import type { FirstCheckpoint } from '../../../src/core/shard-graph.js';
import { isFirstSync, planSync, type SyncPlan } from '../../../src/core/shard-sync-plan.js';
import { isSameListing, unlisted } from '../../../src/core/shard-listing.js';
import { isSecondAbsence, type Absences } from '../../../src/core/shard-proof.js';
import type { LeaseStore, Shard, ShardFilter, ShardListing } from '../../../src/api/ports.js';
import type { InitialPosition } from '../../../src/core/position.js';
import type { SyncResult, Misidentified } from '../effect-results.js';

/** What a sync needs to know about the rows of its stream. */
export interface SyncRequest {
  readonly stream: StreamRows;
  readonly writer: string;
  readonly progress: RowProgress;
  /** Monotonic. */
  readonly now: () => number;
  /** Whether an earlier sync has succeeded, so that leases may be held. */
  readonly hasSynced: boolean;
  /**
   * Whether it is too early to create missing rows, unless the stream has no row at all. Somebody may just have deleted a row, and
   * its living holder creates the row again at its own checkpoint.
   */
  readonly isTooEarly: boolean;
  /** Monotonic: when the scan that showed the rows was sent. */
  readonly seenAt: number;
  /** Since when complete listings have lacked a shard, and for how long they must have lacked the parents of a shard. */
  readonly absences: Absences;
  readonly shardGoneAfterMs: number;
  /** The last readable version of each row that was deleted and not created again, by shard id. */
  readonly deletedRows: ReadonlyMap<string, LeaseRow | undefined>;
}

/** A sync under way. */
interface SyncUnderWay {
  readonly check: Check;
  readonly initialPosition: InitialPosition;
  readonly request: SyncRequest;
  /** The stream has no row, and none was deleted. Then `filter` lists only the shards at the initial position. */
  readonly isFirst: boolean;
  readonly filter: ShardFilter;
}

interface CheckedListing {
  readonly listing: ShardListing;
  readonly unstamped: readonly LeaseRow[];
}

interface PlacedPlan {
  readonly plan: SyncPlan;
  readonly placement: PlacementState | undefined;
  /** Shards that the plan waits for: their children are listed, but only later listings can show that they are gone. */
  readonly doubtful: readonly string[];
}

type CreatePlan = Extract<SyncPlan, { readonly type: 'create' }>;

/** Runs a whole sync. Rejects with STREAM_CHANGED, before anything is written, if the rows belong to another stream. */
export async function syncShards(
  store: LeaseStore,
  { source, initialPosition }: CoordinatorSource,
  request: SyncRequest,
  signal: AbortSignal,
): Promise<SyncResult | Misidentified> {
  const { stream, deletedRows } = request;
  const description = await source.describe(signal);
  const check = { store, source, stream, description, signal };
  if (!(await isIdentified(check, request.hasSynced))) return { another: description };

  const isFirst = isFirstSync(stream.rows, stream.malformed) && deletedRows.size === 0;
  const filter: ShardFilter = isFirst ? filterFor(initialPosition) : { type: 'all' };
  const sync: SyncUnderWay = { check, initialPosition, request, isFirst, filter };

  const { listing, unstamped } = await listChecked(sync);
  const { plan, placement, doubtful } = await planRows(sync, listing);
  const postponed = isPostponed(sync, plan);
  const handledDeletedKeys = [...deletedRows.keys()].map((shardId) => leaseKeyOf(stream.keyPrefix, shardId));

  const { retentionHours } = description;
  const known = { placement, retentionHours, doubtful };
  const common = { shards: listing.shards, isComplete: !isFirst, unstamped, ...known, postponed, handledDeletedKeys };
  if (plan.type === 'create' && !postponed)
    return { ...common, inconsistent: undefined, ...(await createPlanned(sync, plan)) };
  const inconsistent = plan.type === 'inconsistent' ? plan.reason : undefined;
  return { ...common, created: [], inconsistent, shardsWithDeletedRow: [], unanchored: [] };
}

function filterFor(initial: InitialPosition): ShardFilter {
  if (initial === 'LATEST') return { type: 'atLatest' };
  if (initial === 'TRIM_HORIZON') return { type: 'atTrimHorizon' };
  return { type: 'atTimestamp', timestampMs: initial.getTime() };
}

/** Lists the shards to plan with. Before that, compares the rows with a complete listing: a filtered one lacks shards that exist. */
async function listChecked({ check, isFirst, filter }: SyncUnderWay): Promise<CheckedListing> {
  const { source, stream, signal } = check;
  const hasRowsToCompare = !isFirst || stream.otherEpochs.length > 0;
  const compared = await source.listShards(hasRowsToCompare ? { type: 'all' } : filter, signal);
  const unstamped = await checkRows(check, hasRowsToCompare ? compared.shards : undefined);
  const mustListAgain = isFirst && hasRowsToCompare;
  return { listing: mustListAgain ? await source.listShards(filter, signal) : compared, unstamped };
}

/**
 * Plans the missing rows. If a row would have a parent that nobody reads, a second listing has to show the same shards. Under
 * `lineage` no hash keys show that the listing has all new shards. A child may be listed before its parent, and a parent with a leased
 * child is never created. So the child waits until listings have lacked the parent for a while. The first sync does not wait, because
 * then the parents of the oldest shards are always missing.
 */
async function planRows(sync: SyncUnderWay, { shards, serviceTimeMs }: ShardListing): Promise<PlacedPlan> {
  const { check, request, filter } = sync;
  const { store, source, stream, signal } = check;
  const { rows, malformed, keyPrefix, entityType, rowStamp } = stream;
  const { writer, deletedRows, seenAt } = request;
  const askedAt = request.now();
  const seenAgoMs = Math.ceil(askedAt - seenAt);

  // The source must know the placement before any record is read: it decides which records may be dropped.
  const placement = await notePlacement(store, source, rows, signal);
  const rowContext = { keyPrefix, entityType, writer, serviceTimeMs, stream: rowStamp };
  const initial = firstCheckpoint(sync.initialPosition);

  const { listingProof } = source;
  const plan = planSync({ shards, rows, malformed, deletedRows, initial, listingProof, seenAgoMs, rowContext });

  // A first sync at LATEST leaves closed shards out on purpose.
  const leavesOutOnPurpose = sync.isFirst && initial === 'LATEST';
  const skipped = leavesOutOnPurpose ? [] : skippedParents(plan, stream, shards);
  if (skipped.length === 0) return { plan, placement, doubtful: [] };
  if (plan.type === 'create' && listingProof === 'lineage' && !sync.isFirst) {
    const isGone = (shardId: string): boolean =>
      isSecondAbsence(request.absences, shardId, askedAt, request.shardGoneAfterMs);
    const doubtful = skipped.filter((shardId) => !isGone(shardId));
    const isSure = ({ parentShardIds }: LeaseRow): boolean =>
      !parentShardIds.some((parent) => doubtful.includes(parent));
    return { plan: { ...plan, rows: plan.rows.filter(isSure) }, placement, doubtful };
  }

  const again = await source.listShards(filter, signal);
  if (isSameListing(shards, again.shards)) return { plan, placement, doubtful: [] };
  return { plan: { type: 'inconsistent', reason: 'listed twice, it shows other shards' }, placement, doubtful: [] };
}

function firstCheckpoint(initial: InitialPosition): FirstCheckpoint {
  return initial === 'TRIM_HORIZON' || initial === 'LATEST' ? initial : 'AT_TIMESTAMP';
}

/** The parents of planned rows that have no row and are not listed. They would never be read. */
function skippedParents(plan: SyncPlan, { rows, malformed }: StreamRows, shards: readonly Shard[]): string[] {
  const missing = unlisted(shards);
  const isSkipped = (shardId: string): boolean => missing.has(shardId) && !rows.has(shardId) && !malformed.has(shardId);
  const parents = plan.type === 'create' ? plan.rows.flatMap(({ parentShardIds }) => parentShardIds) : [];
  return [...new Set(parents.filter(isSkipped))];
}

/** Whether rows are missing, and their holders may still create them again. */
function isPostponed({ request, isFirst }: SyncUnderWay, plan: SyncPlan): boolean {
  return !isFirst && request.isTooEarly && plan.type === 'create' && plan.rows.length > 0;
}

/** Creates the planned rows. The result names only shards whose row did not exist before. */
async function createPlanned(
  { check, request }: SyncUnderWay,
  plan: CreatePlan,
): Promise<Pick<SyncResult, 'created' | 'shardsWithDeletedRow' | 'unanchored'>> {
  const { progress, now } = request;
  const { keyPrefix } = check.stream;
  progress.toCreate = progress.created + plan.rows.length;
  const noteExisting = (): void => {
    progress.created += 1;
    progress.at = now();
  };
  const shardOf = (row: LeaseRow): string => shardIdOf(keyPrefix, row.leaseKey)!;

  const created = await createRows(check.store, plan.rows, { shardIdOf: shardOf, noteExisting }, check.signal);
  const createdKeys = new Set(created.map((row) => row.leaseKey));
  const only = (ids: readonly string[]): string[] => ids.filter((id) => createdKeys.has(leaseKeyOf(keyPrefix, id)));
  return {
    created,
    shardsWithDeletedRow: only(plan.shardsWithDeletedRow),
    unanchored: only(plan.unanchored),
  };
}
