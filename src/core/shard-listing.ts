// Decides whether a listing shows all of a stream's shards. Only a complete listing proves that a shard is gone, or never
// existed. Callers check this before they conclude anything from the absence of a shard.
import { gapsIn } from './hash-range.js';
import { isOpen, openParent, parentsOf, type ListedShard, type ListingProof } from './shard-graph.js';

/**
 * Why a listing is incomplete; undefined if nothing shows that it is. `shards` must be all pages of one listing. No open shard may
 * be listed together with its child. Under `hashRanges` there must be open shards, and they must cover all hash keys, if the service
 * reports hash ranges. Under `lineage` all shards may be closed, as in a disabled stream.
 */
export function incompleteness(shards: readonly ListedShard[], proof: ListingProof = 'hashRanges'): string | undefined {
  if (proof === 'lineage') return shards.length === 0 ? 'no shard is listed' : openParent(shards);
  const open = shards.filter(isOpen);
  if (open.length === 0) return 'no open shard is listed';
  const ranges = open.map((shard) => shard.hashKeyRange).filter((range) => range !== undefined);
  if (ranges.length > 0) {
    const hole = gapsIn(ranges)[0];
    if (hole !== undefined)
      return `no listed shard covers the hash keys ${hole.startingHashKey} to ${hole.endingHashKey}`;
  }
  return openParent(shards);
}

/**
 * Shards that are named but not listed: parents of listed shards, and `known`. In an older stream it is normal that parents are not
 * listed, and hash keys do not show whether a closed shard is missing. So a conclusion about these shards needs a second listing.
 */
export function unlisted(shards: readonly ListedShard[], known: Iterable<string> = []): ReadonlySet<string> {
  const missing = new Set([...shards.flatMap(parentsOf), ...known]);
  for (const { shardId } of shards) missing.delete(shardId);
  return missing;
}

/** Whether two listings show the same shards in the same state. */
export function isSameListing(one: readonly ListedShard[], other: readonly ListedShard[]): boolean {
  const states = new Map(one.map((shard) => [shard.shardId, isOpen(shard)]));
  return states.size === other.length && other.every((shard) => states.get(shard.shardId) === isOpen(shard));
}
