// Workers share leases evenly within 30 s, take the leases of a stopped or killed worker in time, and read children after parents.
// Real coordinators and keepers over one table in memory, in virtual time, mostly from several seeds. A stub stands for the pipeline.
import { expect } from 'chai';
import { actorHarness, type Harness } from '../../support/actor-harness.js';
import { leaseCluster, type Cluster } from '../../support/lease-cluster.js';
import { listedStream, type ListedStream } from '../../support/listed-stream.js';
import { memoryLeaseStore, type MemoryLeaseStore } from '../../support/memory-lease-store.js';

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

/** Fences rise from owner to owner. An old owner ends at the latest with its next renewal, which fails because of the steal. */
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

describe('workers that share a lease table', function () {
  this.timeout(60_000);

  for (const seed of seeds) {
    it(`start together on a missing table, share its leases evenly within 30 s, then move none (seed ${seed})`, async () => {
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

    it(`share the leases evenly within 30 s after two workers have joined (seed ${seed})`, async () => {
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

    it(`take within 3 s the leases that a stopped worker has released (seed ${seed})`, async () => {
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

    it(`take the leases of a killed worker within failoverMs + 3 s (seed ${seed})`, async () => {
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
    it(`move no lease although their failoverMs differ, and take those of a killed worker (seed ${seed})`, async () => {
      // As while a deploy changes failoverMs.
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

  it('continue to deliver, and move no lease, while the scans of the table fail for a minute', async () => {
    const it = scene(4, 1);
    for (const id of ['a', 'b']) it.cluster.join(id);
    await it.harness.advance(40_000);
    const before = it.cluster.deliveries.length;
    for (let fault = 0; fault < 40; fault++) it.store.script('scan', { type: 'failBefore' });
    await it.harness.advance(60_000);
    expect(it.cluster.deliveries.length).to.equal(before);
    expectEven(it, 4);
  });

  it('read both children at once, in the same worker, when the parent of a split has ended', async () => {
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

  it('read a merge child only after both of its parents, read by different workers, have ended', async () => {
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

  it('share the shards evenly after a split, and read both children', async () => {
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

  it('move a shard to the other worker within 3 s after its shard worker ends with `stopShard`', async () => {
    const it = scene(2, 4);
    for (const id of ['a', 'b']) it.cluster.join(id);
    await it.harness.advance(30_000);
    const [leaseKey] = it.cluster.processes.get('a')!.delivering();
    await it.cluster.endShard(leaseKey!, { type: 'stopShard', error: new Error('poison') });
    await it.harness.advance(3_000);
    expect(it.cluster.owner(leaseKey!)).to.equal('b');
  });
});
