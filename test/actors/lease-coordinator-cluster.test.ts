// Workers share leases evenly within 30 s, take over from a stopped or killed one in time, and read children after their parents.
// Real coordinators and keepers over one table in memory, in virtual time, mostly from several seeds. A stub stands for the pipeline.
import { expect } from 'chai';
import { actorHarness } from '../support/actor-harness.js';
import { leaseCluster, type Cluster } from '../support/lease-cluster.js';
import { listedStream, type ListedStream } from '../support/listed-stream.js';
import { memoryLeaseStore, type MemoryLeaseStore } from '../support/memory-lease-store.js';
import type { Harness } from '../support/actor-harness.js';

const failoverMs = 10_000;

interface Scene {
  readonly harness: Harness;
  readonly store: MemoryLeaseStore;
  readonly stream: ListedStream;
  readonly cluster: Cluster;
}

function scene(shards: number, seed: number): Scene {
  const harness = actorHarness(seed);
  const store = memoryLeaseStore();
  store.tableExists = false;
  const stream = listedStream({ shards });
  return { harness, store, stream, cluster: leaseCluster(harness, store, stream, failoverMs) };
}

function expectEven({ cluster }: Scene, shards: number): void {
  const counts = cluster.counts();
  expect(
    counts.reduce((sum, count) => sum + count, 0),
    `delivered shards, ${counts.join(',')}`,
  ).to.equal(shards);
  expect(counts.at(-1)! - counts[0]!, `counts ${counts.join(',')}`).to.be.at.most(1);
}

/** Fences rise from owner to owner, and an old owner ends with the renewal that fails for the theft, at the latest. */
function expectFenced({ cluster }: Scene): void {
  for (const leaseKey of new Set(cluster.deliveries.map((each) => each.leaseKey))) {
    const all = cluster.deliveries.filter((each) => each.leaseKey === leaseKey);
    for (let index = 1; index < all.length; index++) {
      expect(all[index]!.fence).to.be.above(all[index - 1]!.fence);
      const end = all[index - 1]!.until ?? Infinity;
      expect(end, `${leaseKey} of ${all[index - 1]!.process}`).to.be.at.most(all[index]!.from + failoverMs / 3 + 1_000);
    }
  }
}

const seeds = [1, 2, 3, 4, 5];

describe('processes that share a lease table', function () {
  this.timeout(60_000);

  for (const seed of seeds) {
    it(`all come up at once on a missing table and share evenly within 30 s, then no lease moves (seed ${seed})`, async () => {
      const it = scene(10, seed);
      for (const id of ['a', 'b', 'c']) it.cluster.join(id);
      await it.harness.advance(30_000);
      expectEven(it, 10);
      expectFenced(it);
      const before = it.cluster.deliveries.length;
      await it.harness.advance(120_000);
      expect(it.cluster.deliveries.length).to.equal(before);
      expectEven(it, 10);
    });

    it(`share evenly within 30 s of a join (seed ${seed})`, async () => {
      const it = scene(9, seed);
      it.cluster.join('a');
      await it.harness.advance(30_000);
      expectEven(it, 9);
      it.cluster.join('b');
      it.cluster.join('c');
      await it.harness.advance(30_000);
      expectEven(it, 9);
      expectFenced(it);
    });

    it(`take over within 3 s what a stopped one gives up (seed ${seed})`, async () => {
      const it = scene(7, seed);
      for (const id of ['a', 'b', 'c']) it.cluster.join(id);
      await it.harness.advance(40_000);
      const given = it.cluster.processes.get('a')!.delivering();
      expect(given).to.not.deep.equal([]);
      const report = await it.cluster.stop('a');
      await it.harness.advance(0);
      expect(report()!.map((lease) => lease.leaseKey)).to.have.members(given);
      for (const lease of report()!) expect(lease).to.include({ released: true, recordsLeft: 0 });
      await it.harness.advance(3_000);
      for (const leaseKey of given) expect(it.cluster.owner(leaseKey), leaseKey).to.be.oneOf(['b', 'c']);
      await it.harness.advance(27_000);
      expectEven(it, 7);
      expectFenced(it);
    });

    it(`take over within failover and 3 s what a killed one held (seed ${seed})`, async () => {
      const it = scene(7, seed);
      for (const id of ['a', 'b', 'c']) it.cluster.join(id);
      await it.harness.advance(40_000 + 700 * seed);
      const held = it.cluster.processes.get('a')!.delivering();
      await it.cluster.kill('a');
      await it.harness.advance(failoverMs + 3_000);
      for (const leaseKey of held) expect(it.cluster.owner(leaseKey), leaseKey).to.be.oneOf(['b', 'c']);
      await it.harness.advance(17_000);
      expectEven(it, 7);
      expectFenced(it);
    });
  }

  for (const seed of seeds) {
    it(`move no lease because their failoverMs differ, as while a deploy changes it (seed ${seed})`, async () => {
      const it = scene(9, seed);
      it.cluster.join('a', { failoverMs: 20_000 });
      it.cluster.join('b', { failoverMs: 3_000 });
      it.cluster.join('c', { failoverMs: 10_000 });
      await it.harness.advance(60_000);
      expectEven(it, 9);
      const before = it.cluster.deliveries.length;
      await it.harness.advance(120_000);
      expect(it.cluster.deliveries.length).to.equal(before);
      expectEven(it, 9);
      const held = it.cluster.processes.get('a')!.delivering();
      await it.cluster.kill('a');
      await it.harness.advance(23_000);
      for (const leaseKey of held) expect(it.cluster.owner(leaseKey), leaseKey).to.be.oneOf(['b', 'c']);
    });
  }

  it('go on delivering through a scan that fails for a minute', async () => {
    const it = scene(4, 1);
    for (const id of ['a', 'b']) it.cluster.join(id);
    await it.harness.advance(40_000);
    const before = it.cluster.deliveries.length;
    for (let fault = 0; fault < 40; fault++) it.store.script('scan', { type: 'failBefore' });
    await it.harness.advance(60_000);
    expect(it.cluster.deliveries.length).to.equal(before);
    expectEven(it, 4);
  });

  it('read the children of a split only after it has ended, at once and in the same process', async () => {
    const it = scene(1, 1);
    it.cluster.join('a');
    await it.harness.advance(10_000);
    const [parent] = it.cluster.processes.get('a')!.delivering();
    const children = it.stream.split(parent!);
    await it.cluster.endShard(parent!, {
      type: 'shardEnd',
      notFound: false,
      children: children.map((shardId) => ({ shardId, parentShards: [parent!] })),
    });
    await it.harness.advance(50);
    expect(it.store.row(parent!)).to.deep.include({ checkpoint: 'SHARD_END', childShardIds: children });
    expect(it.store.row(parent!).leaseOwner, 'as the KCL leaves it').to.equal('a');
    expect(it.cluster.processes.get('a')!.delivering()).to.have.members(children);
  });

  it('read a merge child only after both parents have ended, whichever worker had them', async () => {
    const it = scene(2, 3);
    for (const id of ['a', 'b']) it.cluster.join(id);
    await it.harness.advance(30_000);
    expectEven(it, 2);
    const [left, right] = it.stream.shards.map((shard) => shard.shardId) as [string, string];
    const merged = it.stream.merge(left, right);
    const end = {
      type: 'shardEnd',
      notFound: false,
      children: [{ shardId: merged, parentShards: [left, right] }],
    } as const;
    await it.cluster.endShard(left, end);
    await it.harness.advance(20_000);
    expect(it.store.row(merged).leaseOwner, 'held by somebody').to.be.a('string');
    expect(it.cluster.owner(merged), 'read by nobody').to.equal(undefined);
    await it.cluster.endShard(right, end);
    await it.harness.advance(2_500);
    expect(it.cluster.owner(merged)).to.be.a('string');
    expectFenced(it);
  });

  it('share the children of a reshard evenly', async () => {
    const it = scene(4, 2);
    for (const id of ['a', 'b', 'c', 'd']) it.cluster.join(id);
    await it.harness.advance(40_000);
    const [parent] = it.cluster.processes.get('b')!.delivering();
    const children = it.stream.split(parent!);
    await it.cluster.endShard(parent!, { type: 'shardEnd', notFound: false });
    await it.harness.advance(30_000);
    expectEven(it, 5);
    for (const child of children) expect(it.cluster.owner(child)).to.be.a('string');
  });

  it('give a shard up whose worker stopped for good, and somebody else reads it', async () => {
    const it = scene(2, 4);
    for (const id of ['a', 'b']) it.cluster.join(id);
    await it.harness.advance(30_000);
    const [leaseKey] = it.cluster.processes.get('a')!.delivering();
    await it.cluster.endShard(leaseKey!, { type: 'stopShard', error: new Error('poison') });
    await it.harness.advance(3_000);
    expect(it.cluster.owner(leaseKey!)).to.equal('b');
  });
});
