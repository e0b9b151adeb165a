// Finds out from a listing which shard a record will go to. A producer uses it to put user records of one shard into one
// aggregate. The result is only as current as the listing: after a split or merge the service decides otherwise.
import type { Shard } from '../../api/ports.js';
import { spanContains, spanOf, type HashKey, type HashKeySpan } from '../aggregation/hash-key.js';

/** What a shard map needs of a shard. A shard with an ending sequence number is closed and takes no records. */
export type TargetShard = Pick<Shard, 'shardId' | 'hashKeyRange' | 'endingSequenceNumber'>;

/** Finds the open shard with this hash key in its range; undefined if the listing has none. */
export type ShardMap = (hashKey: HashKey) => string | undefined;

/** Reads a listing. Closed shards and shards without a readable hash range are left out. */
export function shardMap(shards: readonly TargetShard[]): ShardMap {
  const targets: { readonly shardId: string; readonly span: HashKeySpan }[] = [];
  for (const { shardId, hashKeyRange, endingSequenceNumber } of shards) {
    const span = hashKeyRange && endingSequenceNumber === undefined ? spanOf(hashKeyRange) : undefined;
    if (span) targets.push({ shardId, span });
  }

  // Ranges of open shards do not overlap, so this order is also the order of their ends.
  targets.sort((a, b) => (a.span.start < b.span.start ? -1 : 1));

  return (hashKey) => {
    let low = 0;
    let high = targets.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (targets[middle]!.span.end < hashKey) low = middle + 1;
      else high = middle;
    }
    const target = targets[low];
    return target && spanContains(target.span, hashKey) ? target.shardId : undefined;
  };
}
