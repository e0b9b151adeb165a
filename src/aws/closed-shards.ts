// Spares listings that ask whether a shard is closed: a closed shard never opens again. Many shards are read long after they closed.
// Called by the source of Kinesis.
import type { ShardListing } from '../api/ports.js';
import type { Ask } from './shared-request.js';

/** The last listing if it shows the shard closed, otherwise a new one. */
export function listingUnlessClosed(
  shardId: string,
  last: () => ShardListing | undefined,
  ask: Ask<ShardListing>,
): Ask<ShardListing> {
  return async (signal) => {
    const known = last();
    return known?.shards.some((shard) => shard.shardId === shardId && shard.endingSequenceNumber !== undefined)
      ? known
      : ask(signal);
  };
}
