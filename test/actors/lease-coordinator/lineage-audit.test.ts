// One worker of an application lists the shards of a stream without hash ranges at intervals, however many workers there are. When it
// dies, another one does. Real coordinators and keepers share a table in memory, in virtual time.
import { expect } from 'chai';
import { actorHarness } from '../../support/actor-harness.js';
import { leaseCluster } from '../../support/lease-cluster.js';
import { listedStream } from '../../support/listed-stream.js';
import { memoryLeaseStore } from '../../support/memory-lease-store.js';

const failoverMs = 10_000;
const idOf = (index: number): string => `shardId-${String(index).padStart(12, '0')}`;

function scene(workers: number, { lineage = true, shards = 6, seed = 1, maxLeases = 100 } = {}) {
  const harness = actorHarness(seed);
  const store = memoryLeaseStore();
  const stream = listedStream({ lineage, shards, hashRanges: !lineage });
  const cluster = leaseCluster(harness, store, stream, failoverMs);
  const ids = Array.from({ length: workers }, (_, index) => `w${index}`);
  for (const id of ids) cluster.join(id, { maxLeases });
  /** How many listings are asked for while this much time passes. */
  const listings = async (ms: number): Promise<number> => {
    const before = stream.filters.length;
    await harness.advance(ms);
    return stream.filters.length - before;
  };
  return { harness, store, stream, cluster, listings };
}

describe('the audit of a stream without hash ranges', function () {
  this.timeout(60_000);

  it('lists as often for one worker as for eight, also for those that hold no lease', async () => {
    const counts: number[] = [];
    for (const workers of [1, 8]) {
      const { harness, listings } = scene(workers);
      await harness.advance(60_000);
      counts.push(await listings(600_000));
    }
    for (const count of counts) expect(count, `10 minutes, ${counts.join(', ')}`).to.be.within(8, 12);
    const kinesis = scene(3, { lineage: false });
    await kinesis.harness.advance(60_000);
    expect(await kinesis.listings(600_000), 'a Kinesis stream: each worker').to.be.within(26, 34);
  });

  it('goes on when the worker that lists dies, and finds a shard that nobody reads', async () => {
    for (const seed of [1, 2, 3]) {
      const { harness, store, stream, cluster, listings } = scene(3, { seed });
      await harness.advance(60_000);
      const auditor = cluster.owner(idOf(0))!;
      await cluster.kill(auditor);
      // A second child of a shard that has ended is listed late, and its parent's row has been cleaned up.
      const [first, late] = stream.split(idOf(5));
      const all = stream.shards;
      stream.shards = all.filter(({ shardId }) => shardId !== late);
      await harness.advance(30_000);
      await cluster.endShard(idOf(5), { type: 'shardEnd', notFound: false });
      await harness.advance(10_000);
      expect(store.row(idOf(5)).childShardIds).to.deep.equal([first]);
      stream.shards = all;
      await harness.advance(90_000);
      expect(cluster.owner(late), `seed ${seed}`).to.be.oneOf([...cluster.processes.keys()]);
      expect(await listings(600_000), 'audit and clean-up, by one worker').to.be.within(16, 24);
    }
  });

  it('is that of a living worker, even if no other may take the leases of a dead one', async () => {
    const { harness, cluster, listings } = scene(2, { shards: 2, maxLeases: 1 });
    await harness.advance(60_000);
    await cluster.kill(cluster.owner(idOf(0))!);
    await harness.advance(60_000);
    expect(cluster.counts()).to.deep.equal([1]);
    expect(await listings(600_000)).to.be.within(8, 12);
  });

  it('lists soon again when every shard has ended: the table may have another stream', async () => {
    const { harness, cluster, stream, listings } = scene(1, { shards: 2 });
    await harness.advance(60_000);
    stream.shards = stream.shards.map((shard) => ({ ...shard, endingSequenceNumber: '999999' }));
    for (const id of [idOf(0), idOf(1)]) await cluster.endShard(id, { type: 'shardEnd', notFound: false });
    await harness.advance(300_000);
    expect(await listings(600_000), 'once a minute').to.be.within(8, 14);
  });

  it('shares one listing among shards that end together', async () => {
    const { harness, store, stream, cluster, listings } = scene(1, { shards: 60 });
    await harness.advance(60_000);
    for (let index = 0; index < 60; index += 1) stream.rollOver(idOf(index));
    for (let index = 0; index < 60; index += 1)
      await cluster.endShard(idOf(index), { type: 'shardEnd', notFound: false });
    expect(await listings(20_000)).to.be.at.most(3);
    const ended = [...store.rows.values()].filter(({ checkpoint }) => checkpoint === 'SHARD_END');
    expect(ended).to.have.length(60);
    expect(cluster.processes.get('w0')!.delivering()).to.have.length(60);
  });
});
