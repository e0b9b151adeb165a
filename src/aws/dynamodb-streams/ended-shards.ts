// Learns which shards are closed, and which children they have, with few calls of DescribeStream. A reader asks at the end of a chain of
// iterators, and the coordinator uses the same answer as proof of the end. A listing answers for all shards. If it has more pages than
// shards ask, each shard costs one call instead, for its own children: a shard with a listed child is closed. Invariant: nothing is
// concluded from what such an answer lacks. Then the shards are listed. Called by the source.
import type { Clock, Shard, ShardListing, Timers } from '../../api/ports.js';
import { sharedRequest, type Ask } from '../shared-request.js';
import { someEnd, type FilteredChildren, type WholeListing } from './stream-pages.js';

/** For how long an answer proves ends. A child that is listed later than its sibling is found by the audit, which is as frequent. */
const knownForMs = 60_000;
/** An hour less than records are kept. */
const youngMs = 23 * 3_600_000;

export interface EndedShardsDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Lists all shards. The result also goes to `noteListing`. */
  readonly list: Ask<ShardListing>;
  readonly childrenOf: (shardId: string, signal: AbortSignal) => Promise<FilteredChildren>;
}

/** What is known without a call. */
export interface KnownShards extends ShardListing {
  readonly streamArn: string;
  readonly showsExpiry: boolean;
}

export interface EndedShards {
  /** For the reader of this shard: a listing that shows the shard closed, or one that began after the reader asked. */
  listingFor(shardId: string): Ask<ShardListing>;
  /** Each of these shards closed and with children, from answers of the last minute; undefined if they do not show all of it. */
  known(shardIds: readonly string[]): KnownShards | undefined;
  /** `at`: when the listing was asked for. */
  noteListing(listing: WholeListing, at: number): void;
  close(): void;
}

interface Noted {
  readonly at: number;
  readonly shards: readonly Shard[];
  readonly serviceTimeMs: number;
}

export function endedShards({ clock, timers, list, childrenOf }: EndedShardsDeps): EndedShards {
  let whole: (WholeListing & { readonly at: number }) | undefined;
  /** By the id of the closed shard: the shard and its children. */
  const filtered = new Map<string, Noted>();
  let hasFilter = true;
  /** The last filtered call has failed. A listing comes next, because a server may fail only when it is asked with the filter. */
  let filterFailed = false;
  /** One object for each reader that waits, because a shard may have an earlier reader that still waits, too. */
  let asking = new Set<{ readonly shardId: string }>();

  const isFresh = ({ at }: { readonly at: number }): boolean => clock.now() - at < knownForMs;

  /** One call for each shard. Undefined if some shard has no listed child: it may be open, or its child is listed late. */
  async function askOneByOne(shardIds: readonly string[], signal: AbortSignal): Promise<ShardListing | undefined> {
    const shards: Shard[] = [];
    let earliest = Infinity;
    for (const shardId of shardIds) {
      const at = clock.now();
      const found = await childrenOf(shardId, signal);
      if (found.type === 'noFilter') hasFilter = false;
      if (found.type !== 'children') return undefined;
      const closed = { shardId, startingSequenceNumber: '0', endingSequenceNumber: someEnd };
      const noted = { at, shards: [closed, ...found.children], serviceTimeMs: found.serviceTimeMs };
      filtered.set(shardId, noted);
      shards.push(...noted.shards);
      earliest = Math.min(earliest, noted.serviceTimeMs);
    }
    return { shards, serviceTimeMs: earliest };
  }

  const requests = sharedRequest<ShardListing>(
    async (signal) => {
      const shardIds = [...new Set([...asking].map(({ shardId }) => shardId))];
      asking = new Set();
      for (const [shardId, noted] of filtered) if (!isFresh(noted)) filtered.delete(shardId);
      const isCheaper = hasFilter && !filterFailed && whole !== undefined && shardIds.length < whole.pages;
      // Stays so if the call rejects.
      filterFailed = isCheaper;
      const answer = isCheaper ? await askOneByOne(shardIds, signal) : undefined;
      filterFailed = false;
      return answer ?? list(signal);
    },
    { clock, timers },
  );

  /** Where the shard is shown closed: it never opens again. */
  const closedIn = (shardId: string): ShardListing | undefined =>
    filtered.get(shardId) ?? (whole !== undefined && isClosedIn(whole.shards, shardId) ? whole : undefined);

  return {
    listingFor: (shardId) => async (signal) => {
      const known = closedIn(shardId);
      if (known !== undefined) return known;
      const reader = { shardId };
      asking.add(reader);
      try {
        return await requests.ask(signal);
      } finally {
        asking.delete(reader);
      }
    },
    known(shardIds) {
      if (whole === undefined) return undefined;
      const { streamArn } = whole;
      const listing = isFresh(whole) ? whole : undefined;
      const others: Noted[] = [];
      for (const shardId of shardIds) {
        if (listing !== undefined && isEndedIn(listing.shards, shardId)) continue;
        const noted = filtered.get(shardId);
        if (noted === undefined || !isFresh(noted)) return undefined;
        others.push(noted);
      }
      if (others.length === 0) return listing && { ...listing, showsExpiry: true };
      const shards = [...(listing?.shards ?? []), ...others.flatMap((noted) => noted.shards)];
      const serviceTimeMs = Math.min(...others.map((noted) => noted.serviceTimeMs));
      return {
        streamArn,
        // The later entry of a shard is the newer one.
        shards: [...new Map(shards.map((shard) => [shard.shardId, shard])).values()],
        serviceTimeMs,
        showsExpiry: shardIds.every((shardId) => isYoung(shardId, serviceTimeMs)),
      };
    },
    noteListing(listing, at) {
      // Shards of another stream may have the same ids.
      if (whole?.streamArn !== listing.streamArn) filtered.clear();
      whole = { ...listing, at };
    },
    close: () => requests.close(),
  };
}

/** The service's ids begin with the time at which the shard was made. A younger shard cannot have lost a record yet. */
function isYoung(shardId: string, serviceTimeMs: number): boolean {
  const madeAt = /^shardId-(\d{20})-/.exec(shardId)?.[1];
  return madeAt !== undefined && serviceTimeMs - Number(madeAt) < youngMs;
}

function isClosedIn(shards: readonly Shard[], shardId: string): boolean {
  return shards.some((shard) => shard.shardId === shardId && shard.endingSequenceNumber !== undefined);
}

function isEndedIn(shards: readonly Shard[], shardId: string): boolean {
  return isClosedIn(shards, shardId) && shards.some(({ parentShardId }) => parentShardId === shardId);
}
