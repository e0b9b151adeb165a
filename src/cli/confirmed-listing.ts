// The listing that `kinact reset` uses. Invariant: it is complete. If it lacks shards that are named elsewhere, another
// listing, some seconds before, was the same. One listing alone may lack a closed shard, and the row of that shard would then
// be removed.
import { withRetry, type RetryOptions } from '../aws/retry.js';
import { sleep } from '../aws/sleep.js';
import { incompleteness, isSameListing, unlisted } from '../core/shard-listing.js';
import { KinactError } from '../api/errors.js';
import type { ShardListing, StreamSource } from '../api/ports.js';

export interface ListingRetry extends RetryOptions {
  /** For the data of a REFUSED error. */
  readonly tableName: string;
}

const listings = 5;
/** The time between a listing and the one that confirms it. */
const confirmAfterMs = 3_000;

/** A listing that lacks `known` shards or parents is returned once a second one is the same. */
export async function confirmedListing(
  source: StreamSource,
  known: readonly string[],
  retry: ListingRetry,
  signal: AbortSignal,
): Promise<ShardListing> {
  let listing = await completeListing(source, retry, signal);
  for (let attempt = 1; unlisted(listing.shards, known).size > 0; attempt += 1) {
    await sleep(retry.timers, confirmAfterMs, signal, retry.name);
    const second = await completeListing(source, retry, signal);
    if (isSameListing(listing.shards, second.shards)) return second;
    if (attempt === listings) {
      const text = `the listings of stream '${source.name}' differ`;
      throw refused(`${text}: try again in a minute. Nothing was changed`, retry.tableName);
    }
    listing = second;
  }
  return listing;
}

async function completeListing(source: StreamSource, retry: ListingRetry, signal: AbortSignal): Promise<ShardListing> {
  for (let attempt = 1; ; attempt += 1) {
    const listing = await withRetry(retry, () => source.listShards({ type: 'all' }, signal), signal);
    const reason = incompleteness(listing.shards, source.listingProof);
    if (reason === undefined) return listing;
    if (attempt === listings) {
      const text = `the listing of stream '${source.name}' is not complete (${reason})`;
      throw refused(`${text}: try again in a minute. Nothing was changed`, retry.tableName);
    }
    await sleep(retry.timers, 1_000, signal, retry.name);
  }
}

function refused(reason: string, table: string): KinactError {
  return new KinactError('REFUSED', reason, { data: { table } });
}
