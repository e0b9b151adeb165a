// Checks the evidence that a shard has ended, then creates its children's rows (KCL clause 2.7). The evidence
// is gathered once for all shards of a stream that end at the same time. Invariant: the result is `ready` only for a shard
// that a listing shows closed, or that two complete listings lack. The row must belong to the stream that was listed, and every
// child must have a row.
import type { CoordinatorSource } from '../../protocol/lease-messages.js';
import { readRow } from '../streams/table-calls.js';
import { leaseKeyOf } from '../../../src/core/lease-key.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import { childLeases, childrenIn, type ListedChild, type ListingProof } from '../../../src/core/shard-graph.js';
import { incompleteness } from '../../../src/core/shard-listing.js';
import {
  isSecondAbsence,
  mayHaveExpired,
  findInListing,
  type Absences,
  type ShardInListing,
} from '../../../src/core/shard-proof.js';
import { childRow, type RowContext } from '../../../src/core/shard-sync-plan.js';
import { isSameStream, streamIdentityOf } from '../../../src/core/stream-identity.js';
import type { ChildShard, LeaseStore, Shard } from '../../../src/api/ports.js';
import type { Evidence, ShardEndResult } from '../effect-results.js';

/** Shards that end, as far as it matters for which evidence is enough. */
export interface EndingShard {
  readonly shardId: string;
  /** No record of it was ever handed out, so the evidence must show whether its records may have expired. */
  readonly unread: boolean;
  /** What the source knows was not enough, or cannot be. */
  readonly needsListing: boolean;
}

/** Lists the shards, unless the source knows the ends from the answers to its readers, which came before each reader's last chain. */
export async function gatherEvidence(
  { source }: CoordinatorSource,
  ends: readonly EndingShard[],
  askedAt: number,
  signal: AbortSignal,
): Promise<Evidence> {
  const mayBeKnown = !ends.some(({ needsListing }) => needsListing);
  const known = mayBeKnown ? source.knownEnds?.(ends.map(({ shardId }) => shardId)) : undefined;
  if (known !== undefined && (known.showsExpiry || !ends.some(({ unread }) => unread)))
    return { ...known, askedAt, isNew: false };
  const { shards, serviceTimeMs } = await source.listShards({ type: 'all' }, signal);
  return { shards, serviceTimeMs, description: await source.describe(signal), askedAt, isNew: true };
}

export interface EndCase {
  readonly shardId: string;
  readonly row: LeaseRow;
  /** The shard's ancestors, as far as lease rows name them. */
  readonly ancestors: readonly string[];
  /** The children that GetRecords named at the end of the shard; undefined if it named none. */
  readonly children: readonly ChildShard[] | undefined;
  readonly notFound: boolean;
  /** No record of the shard was ever handed out. */
  readonly unread: boolean;
  readonly latestAt: number | undefined;
  /** Whether a closed shard without listed children is accepted as one that has none. */
  readonly acceptChildless: boolean;
  readonly absences: Absences;
  readonly listingProof: ListingProof | undefined;
  /** The minimum time between two listings that prove a shard gone: this worker's `failoverMs`. */
  readonly shardGoneAfterMs: number;
}

/** Everything that is needed to read and create rows. */
interface RowWork {
  readonly store: LeaseStore;
  readonly rowContext: RowContext;
  readonly signal: AbortSignal;
}

/** The end of a shard that the evidence proves; its children need rows yet. */
interface ProvenEnd {
  readonly type: 'proven';
  readonly children: readonly ListedChild[];
  readonly gone: boolean;
  readonly mayHaveLost: boolean;
}

/** Creates the rows of the children if the evidence proves the end of the shard. */
export async function createRowsOfEnded(work: RowWork, end: EndCase, evidence: Evidence): Promise<ShardEndResult> {
  const proven = proveEnd(work.rowContext, end, evidence);
  if (proven.type !== 'proven') return proven;

  const { children, gone, mayHaveLost } = proven;
  const missingRow = await createChildRows(work, end, children, evidence);
  if (missingRow !== undefined) return missingRow;
  return {
    type: 'ready',
    childShardIds: children.map((child) => child.shardId),
    childless: children.length === 0,
    disabled: evidence.description.disabled === true,
    gone,
    mayHaveLost,
  };
}

/** Decides whether the evidence proves the end of the shard. Otherwise returns the obstacle. */
function proveEnd(rowContext: RowContext, end: EndCase, evidence: Evidence): ProvenEnd | ShardEndResult {
  const { shards, description, askedAt } = evidence;
  const { status } = description;
  if (status !== 'ACTIVE' && status !== 'UPDATING') return blockedResult(`the stream is ${status}`);

  const rowStream = end.row.kinactStream ?? rowContext.stream;
  const liveStream = streamIdentityOf(description);
  if (!isSameStream(rowStream, liveStream)) return { type: 'changed', rowStream, liveStream };

  const found = findInListing(shards, end.shardId, end.ancestors, end.listingProof);
  const obstacle = obstacleOf(end, found, askedAt);
  if (obstacle !== undefined) return obstacle;

  const children = childrenOf(end, shards);
  if (children.length === 0 && found.type === 'closed') {
    const reason = end.acceptChildless
      ? incompleteness(shards, end.listingProof)
      : 'the listing shows no child of the closed shard yet';
    if (reason !== undefined) return blockedResult(reason);
  }

  const createdMs = description.creationEpochSeconds * 1_000;
  return {
    type: 'proven',
    children,
    gone: found.type === 'absent',
    mayHaveLost:
      found.type === 'absent' ||
      (found.type === 'closed' && end.unread && mayHaveExpired(shards, found.shard, createdMs, evidence.serviceTimeMs)),
  };
}

function blockedResult(
  reason: string,
  absent: readonly string[] = [],
): Extract<ShardEndResult, { readonly type: 'blocked' }> {
  return { type: 'blocked', reason, needsSync: false, absent, waits: false };
}

function obstacleOf(end: EndCase, found: ShardInListing, askedAt: number): ShardEndResult | undefined {
  switch (found.type) {
    case 'open':
      return { type: 'readOn', reason: 'a listing shows the shard as open', certain: end.notFound };
    case 'closed':
      return end.notFound
        ? { type: 'readOn', reason: 'a listing still has the shard, but a read did not find it', certain: true }
        : undefined;
    case 'unclear':
      return blockedResult(`the shard is not listed, and the listing does not prove it gone: ${found.reason}`);
    case 'absent':
      return isSecondAbsence(end.absences, end.shardId, askedAt, end.shardGoneAfterMs)
        ? undefined
        : blockedResult('the shard is no longer listed; a second listing must confirm it', [end.shardId]);
  }
}

/** The children that GetRecords named, and the children in the listing. */
function childrenOf(end: EndCase, shards: readonly Shard[]): readonly ListedChild[] {
  const children = new Map<string, ListedChild>();
  for (const child of [...(end.children ?? []), ...childrenIn(shards, end.shardId)]) children.set(child.shardId, child);
  return [...children.values()];
}

/** Creates the missing rows of the children. Returns undefined if every child has a row now, otherwise the obstacle. */
async function createChildRows(
  { store, rowContext, signal }: RowWork,
  end: EndCase,
  children: readonly ListedChild[],
  { shards, askedAt }: Evidence,
): Promise<ShardEndResult | undefined> {
  const present = new Set<string>();
  for (const shardId of new Set(
    children.flatMap((child) => [child.shardId, ...(child.parentShards.length > 1 ? child.parentShards : [])]),
  )) {
    if ((await readRow(store, leaseKeyOf(rowContext.keyPrefix, shardId), signal)) !== undefined) present.add(shardId);
  }

  // A merge partner without a row counts as gone once two listings lack the partner.
  const isAbsent = (shardId: string): boolean => findInListing(shards, shardId, [], end.listingProof).type === 'absent';
  const isGone = (shardId: string): boolean =>
    isAbsent(shardId) && isSecondAbsence(end.absences, shardId, askedAt, end.shardGoneAfterMs);
  const plan = childLeases(end.shardId, children, (shardId) => present.has(shardId), isGone);
  if (plan.type === 'blocked') {
    const absent = plan.missing.filter(isAbsent);
    // A listed merge partner gets its row when its own parent ends. Another worker may need hours to read that parent.
    return { ...blockedResult(plan.reason, absent), needsSync: true, waits: absent.length === 0 };
  }

  for (const child of plan.children) {
    const row = childRow(rowContext, child, end.latestAt);
    if ((await store.create(row, signal)) === 'created' || (await readRow(store, row.leaseKey, signal)) !== undefined)
      continue;
    // The store answered that the row exists, but a read found none. One wrong answer must not leave a child without a row.
    return blockedResult(`the row of its child ${child.shardId} was refused as existing but was not found`);
  }
  return undefined;
}
