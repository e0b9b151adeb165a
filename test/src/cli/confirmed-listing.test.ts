// `kinact reset` treats a shard as missing only if two listings in a row agree.
import { expect } from 'chai';
import { confirmedListing } from '../../../src/cli/confirmed-listing.js';
import { ManualClock } from '../../../src/testing/manual-clock.js';
import { listedStream } from '../../support/listed-stream.js';

const zero = 'shardId-000000000000';

/** The result if the listings with these numbers lack the closed shard. */
async function outcome(lacking: (asked: number) => boolean, known: readonly string[] = []): Promise<object> {
  const clock = new ManualClock();
  const stream = listedStream({ shards: 1 });
  stream.split(zero);
  const { listShards } = stream;
  let asked = 0;
  stream.listShards = async (filter, signal) => {
    const listing = await listShards(filter, signal);
    asked += 1;
    return lacking(asked) ? { ...listing, shards: listing.shards.filter(({ shardId }) => shardId !== zero) } : listing;
  };
  const harness = { clock, timers: clock, random: { next: () => 0.5 } };
  const retry = { ...harness, retryForMs: 20_000, name: 'the stream', tableName: 'orders' };
  const result = confirmedListing(stream, known, retry, new AbortController().signal).then(
    ({ shards }) => ({ shards: shards.length }),
    ({ code, message }: { code: string; message: string }) => ({ code, message }),
  );
  await clock.advance(60_000);
  return { ...(await result), asked };
}

describe('the listing that a reset uses', () => {
  it('is the first one if no named shard is missing', async () => {
    expect(await outcome(() => false, [zero])).to.deep.equal({ shards: 3, asked: 1 });
  });

  it('is the second one if the first one lacks a shard that the second one shows', async () => {
    expect(await outcome((asked) => asked === 1)).to.deep.equal({ shards: 3, asked: 2 });
  });

  it('lacks a parent, or the shard of a row, if two listings in a row lack it', async () => {
    expect(await outcome(() => true)).to.deep.equal({ shards: 2, asked: 2 });
    expect(await outcome(() => false, ['shardId-000000000009'])).to.deep.equal({ shards: 3, asked: 2 });
  });

  it('is refused if the listings keep differing', async () => {
    const result = await outcome((asked) => asked % 2 === 1, ['shardId-000000000009']);
    expect(result).to.include({ code: 'REFUSED' });
  });
});
