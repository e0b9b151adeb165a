// A listing that may be partial or old proves nothing about a shard; an absence is proven by a second listing, begun long enough later.
import { expect } from 'chai';
import type { ListedShard } from '../../../src/core/shard-graph.js';
import {
  afterAbsent,
  afterListed,
  ancestorsIn,
  isSecondAbsence,
  mayHaveExpired,
  findInListing,
} from '../../../src/core/shard-proof.js';
import { leaseRow } from '../../support/memory-lease-store.js';

const top = (1n << 128n) - 1n;
const half = top / 2n;
const shard = (shardId: string, from: bigint, to: bigint, more: Partial<ListedShard> = {}): ListedShard => ({
  shardId,
  startingSequenceNumber: '1',
  hashKeyRange: { startingHashKey: String(from), endingHashKey: String(to) },
  ...more,
});
const low = shard('low', 0n, half);
const high = shard('high', half + 1n, top);
const closed = shard('closed', 0n, top, { endingSequenceNumber: '9' });

describe('what a listing shows about a shard', () => {
  it('is open, closed or absent', () => {
    expect(findInListing([low, high], 'low').type).to.equal('open');
    expect(findInListing([low, high, closed], 'closed')).to.deep.equal({ type: 'closed', shard: closed });
    expect(findInListing([low, high], 'gone').type).to.equal('absent');
  });

  it('is unclear if the listing lacks hash keys or shows a parent as open', () => {
    for (const partial of [[], [low], [high], [closed]])
      expect(findInListing(partial, 'gone').type).to.equal('unclear');
    expect(findInListing([low, high], 'gone', ['low']).type).to.equal('unclear');
  });

  it('is unclear if a listing from before two reshards shows the grandparent as open', () => {
    const all = shard('0', 0n, top);
    const rows = new Map([
      ['1', leaseRow({ leaseKey: '1', parentShardIds: ['0'] })],
      ['2', leaseRow({ leaseKey: '2', parentShardIds: ['1'] })],
    ]);
    const ancestors = ancestorsIn(rows, rows.get('2')!);
    expect(ancestors).to.deep.equal(['1', '0']);
    expect(findInListing([all], '2', ancestors).type).to.equal('unclear');
  });

  it('is never `absent` if any open shard is missing from the listing', () => {
    for (let count = 1; count <= 12; count += 1) {
      const width = (top + 1n) / BigInt(count);
      const shards = Array.from({ length: count }, (_, index) =>
        shard(`s${index}`, BigInt(index) * width, index === count - 1 ? top : BigInt(index + 1) * width - 1n),
      );
      expect(findInListing(shards, 'gone').type).to.equal('absent');
      for (const left of shards) {
        const partial = shards.filter((each) => each !== left);
        expect(findInListing(partial, 'gone').type, `${count} without ${left.shardId}`).to.equal('unclear');
        expect(findInListing(partial, left.shardId).type).to.equal('unclear');
      }
    }
  });
});

describe('an absence', () => {
  it('is proven by a second listing that begins long enough after the first answer', () => {
    const first = afterAbsent(new Map(), ['gone'], 1_000);
    expect(isSecondAbsence(first, 'gone', 10_999, 10_000)).to.equal(false);
    expect(isSecondAbsence(first, 'gone', 11_000, 10_000)).to.equal(true);
    expect(isSecondAbsence(first, 'other', 11_000, 0)).to.equal(false);
    expect(afterAbsent(first, ['gone'], 5_000).get('gone'), 'the first counts').to.equal(1_000);
  });

  it('ends with a listing that names the shard', () => {
    const first = afterAbsent(new Map(), ['low', 'gone'], 1_000);
    expect([...afterListed(first, [low]).keys()]).to.deep.equal(['gone']);
  });
});

describe('records of a closed shard that was never read', () => {
  const day = 24 * 3_600_000;
  const child = shard('child', 0n, top, { parentShardId: 'closed', endingSequenceNumber: '19' });

  it('may have expired unless a parent is still listed or the stream is younger than a day', () => {
    expect(mayHaveExpired([child], child, 1, 2 * day)).to.equal(true);
    expect(mayHaveExpired([closed, child], child, 1, 2 * day)).to.equal(false);
    expect(mayHaveExpired([child], child, 2 * day - 1, 2 * day)).to.equal(false);
    expect(mayHaveExpired([closed], closed, 0, 2 * day), 'a first shard of unknown age').to.equal(false);
  });
});
