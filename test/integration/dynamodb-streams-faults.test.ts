// A consumer of a table while the service misbehaves: trimmed data, late and contradictory listings, a stream that is disabled and enabled
// again, throttling. In virtual time, over the scripted tables.
import { expect } from 'chai';
import { outOfOrder, tableWorld, type TableWorld } from '../support/table-world.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';

const dayMs = 86_400_000;

async function writeFor(world: TableWorld, seconds: number, ids: readonly string[] = ['a', 'b', 'c']): Promise<void> {
  for (let second = 1; second <= seconds; second += 1) {
    world.write(ids);
    await world.clock.advance(1_000);
  }
}

describe('a consumer of a table while the service misbehaves', () => {
  it('goes on with the oldest change left if those after its checkpoint are trimmed, and says so', async () => {
    using clock = virtualClock();
    const world = tableWorld(clock);
    const first = world.worker('a');
    await world.start(first);
    await writeFor(world, 5);
    await clock.advance(10_000);
    await world.stop(first);
    await writeFor(world, 5);
    const lost = world.written.length;
    world.tables.advance(dayMs);
    await writeFor(world, 5);

    const second = world.worker('bb');
    await world.start(second);
    await writeFor(world, 5);
    await clock.advance(20_000);
    expect(second.heard('trimmed')).to.have.length(1);
    expect(second.ids().toSorted()).to.deep.equal(world.written.slice(lost).toSorted());
    await world.stop(second);
  });

  it('waits for the next change where all of an open shard are trimmed', async () => {
    using clock = virtualClock();
    const world = tableWorld(clock);
    const worker = world.worker('a');
    await world.start(worker);
    await writeFor(world, 5);
    await clock.advance(10_000);
    world.tables.advance(dayMs);
    await clock.advance(120_000);
    await writeFor(world, 3);
    await clock.advance(60_000);
    expect(worker.ids().toSorted()).to.deep.equal(world.written.toSorted());
    await world.stop(worker);
  });

  it('takes a closed shard whose changes are all trimmed as ended, and reads its child', async () => {
    using clock = virtualClock();
    const world = tableWorld(clock);
    await writeFor(world, 5);
    const lost = world.written.length;
    const [parent] = world.tables.openShards('orders');
    world.tables.rollShard('orders');
    world.tables.trim('orders', parent!);
    await writeFor(world, 5);
    const worker = world.worker('a');
    await world.start(worker);
    await clock.advance(60_000);
    expect(worker.ids().toSorted()).to.deep.equal(world.written.slice(lost).toSorted());
    expect(worker.heard('shardEnded').map(({ shardId }) => shardId)).to.include(parent);
    expect(worker.heard('trimmed').map(({ shardId, certain }) => [shardId, certain])).to.deep.equal([[parent, false]]);
    await world.stop(worker);
  });

  it('says once that all changes of a shard were trimmed before it was read, whether its parent is still listed or not', async () => {
    using clock = virtualClock();
    const world = tableWorld(clock);
    const first = world.worker('a');
    await world.start(first);
    await writeFor(world, 5);
    await world.stop(first);
    const [root] = world.tables.openShards('orders');
    const [child] = world.tables.rollShard('orders');
    await writeFor(world, 5);
    const [grandchild] = world.tables.rollShard('orders');
    await writeFor(world, 5);
    const lost = world.written.length;
    world.tables.rollShard('orders');
    for (const shardId of [root, child, grandchild]) world.tables.trim('orders', shardId!);
    await writeFor(world, 5);
    const second = world.worker('bb');
    await world.start(second);
    await clock.advance(180_000);
    expect(second.ids().toSorted()).to.deep.equal(world.written.slice(lost).toSorted());
    expect(second.heard('trimmed').map(({ shardId }) => shardId)).to.deep.equal([root, child, grandchild]);
    await world.stop(second);
  });

  it('finds a child that is listed 40 seconds late, and loses nothing of it', async () => {
    using clock = virtualClock();
    const world = tableWorld(clock);
    const worker = world.worker('a');
    await world.start(worker);
    await writeFor(world, 5);
    const [child] = world.tables.rollShard('orders');
    const list = world.tables.listLate('orders', child!);
    await writeFor(world, 40);
    list();
    await writeFor(world, 5);
    await clock.advance(180_000);
    expect(worker.ids().toSorted()).to.deep.equal(world.written.toSorted());
    expect(outOfOrder(worker.ids())).to.deep.equal([]);
    await world.stop(worker);
  });

  it('takes a parent for closed that is listed as open although it has a child', async () => {
    using clock = virtualClock();
    const world = tableWorld(clock);
    const [parent] = world.tables.openShards('orders');
    const worker = world.worker('a');
    await world.start(worker);
    await writeFor(world, 5);
    world.tables.rollShard('orders');
    world.tables.listOpen('orders', parent!);
    await writeFor(world, 20);
    await clock.advance(60_000);
    expect(worker.ids().toSorted()).to.deep.equal(world.written.toSorted());
    expect(outOfOrder(worker.ids())).to.deep.equal([]);
    await world.stop(worker);
  });

  it('follows children where the service ignores the filter, and where it lists two shards a page', async () => {
    using clock = virtualClock();
    const world = tableWorld(clock, { childFilter: false, pageSize: 2 });
    const worker = world.worker('a');
    await world.start(worker);
    for (let round = 1; round <= 5; round += 1) {
      await writeFor(world, 5);
      world.tables.rollShard('orders');
    }
    await clock.advance(60_000);
    expect(worker.ids().toSorted()).to.deep.equal(world.written.toSorted());
    await world.stop(worker);
  });

  it('reads a disabled stream to its end; the stream enabled again is another one, and no row of the old one serves it', async () => {
    using clock = virtualClock();
    const world = tableWorld(clock);
    const worker = world.worker('a');
    await world.start(worker);
    // The worker is behind when the stream is disabled, and descriptions show the new one before it has read on.
    world.script = ({ operation }) => (operation === 'GetRecords' ? 'ThrottlingException' : undefined);
    await writeFor(world, 5);
    world.tables.disableStream('orders');
    world.tables.enableStream('orders');
    const old = world.written.length;
    await writeFor(world, 5);
    await clock.advance(240_000);
    expect(worker.ids()).to.deep.equal([]);
    world.script = () => undefined;
    await clock.advance(60_000);
    expect(worker.ids().toSorted()).to.deep.equal(world.written.slice(0, old).toSorted());
    await inVirtualTime(clock, worker.consumer.stop(), 120_000).catch(() => {});

    const next = world.worker('bb');
    const refusal: unknown = await world.start(next).then(
      () => inVirtualTime(clock, next.consumer.closed, 600_000).catch((error: unknown) => error),
      (error: unknown) => error,
    );
    expect(refusal).to.have.property('code', 'STREAM_CHANGED');
    expect((refusal as Error).message).to.include('kinact reset --application app --table orders');
    expect(next.ids()).to.deep.equal([]);
  });

  it('hands the former stream on to a worker without shards, which then reads it to its end, and fails loudly', async () => {
    using clock = virtualClock();
    const world = tableWorld(clock);
    const [first, second] = [world.worker('a'), world.worker('bb')];
    await world.start(first);
    await writeFor(world, 5);
    await world.start(second);
    await writeFor(world, 20);
    expect(second.ids(), 'one worker has no shard').to.deep.equal([]);
    world.script = ({ operation }) => (operation === 'GetRecords' ? 'ThrottlingException' : undefined);
    await writeFor(world, 5);
    world.tables.disableStream('orders');
    world.tables.enableStream('orders');
    await clock.advance(600_000);
    for (const { heard } of [first, second]) expect(heard('sourceFailed')).to.deep.equal([]);

    await world.stop(first);
    await clock.advance(200_000);
    world.script = () => undefined;
    const ended = second.consumer.closed.catch((error: unknown) => error);
    await clock.advance(30_000);
    const seen = [...first.ids(), ...second.ids()];
    expect(seen.toSorted()).to.deep.equal(world.written.toSorted());
    expect(outOfOrder(seen)).to.deep.equal([]);
    expect(await inVirtualTime(clock, ended, 240_000)).to.have.property('code', 'STREAM_CHANGED');
    expect(second.heard('sourceFailed').map(({ error }) => error.code)).to.deep.equal(['STREAM_CHANGED']);
  });

  it('says within four minutes that the table has another stream, also if a lone worker has read the former one to its end', async () => {
    using clock = virtualClock();
    const world = tableWorld(clock);
    const worker = world.worker('a');
    await world.start(worker);
    await writeFor(world, 5);
    await clock.advance(10_000);
    world.tables.disableStream('orders');
    world.tables.enableStream('orders');
    const ended = worker.consumer.closed.catch((error: unknown) => error);
    expect(await inVirtualTime(clock, ended, 240_000)).to.have.property('code', 'STREAM_CHANGED');
    expect(worker.ids().toSorted()).to.deep.equal(world.written.toSorted());
  });

  it("goes on with the other tables of the lease table when one table's stream is enabled again", async () => {
    using clock = virtualClock();
    const world = tableWorld(clock);
    world.tables.createTable('others');
    const leases = { client: world.leases.client, multiStream: true };
    const worker = world.worker('a', { also: ['others'], source: { application: undefined }, options: { leases } });
    await world.start(worker);
    await writeFor(world, 5);
    world.tables.disableStream('orders');
    world.tables.enableStream('orders');
    await clock.advance(600_000);
    expect(worker.heard('sourceFailed').map(({ source, error }) => [source, error.code])).to.deep.equal([
      ['orders', 'STREAM_CHANGED'],
    ]);
    world.write(['x', 'y'], 'others');
    world.tables.rollShard('others');
    world.write(['x', 'y'], 'others');
    await clock.advance(60_000);
    expect(worker.ids().toSorted()).to.deep.equal(world.written.toSorted());
    expect(worker.consumer.status().state).to.equal('running');
    await world.stop(worker);
  });

  it('goes on after throttled descriptions and reads, and counts no failure', async () => {
    using clock = virtualClock();
    const world = tableWorld(clock);
    let throttled = 0;
    world.script = ({ operation }) => {
      // The call itself is in the log already: of four calls in a row, two are throttled.
      if (world.of(operation).length % 4 < 2 || throttled === 60) return undefined;
      const refusal = { DescribeStream: 'LimitExceededException', GetRecords: 'ThrottlingException' }[operation];
      if (refusal !== undefined) throttled += 1;
      return refusal;
    };
    const worker = world.worker('a');
    await world.start(worker);
    for (let round = 1; round <= 4; round += 1) {
      await writeFor(world, 5);
      world.tables.rollShard('orders');
    }
    await clock.advance(60_000);
    expect(worker.ids().toSorted()).to.deep.equal(world.written.toSorted());
    expect(worker.heard('pipelineRestarted')).to.deep.equal([]);
    expect(throttled).to.be.greaterThan(20);
    const kinds = worker.heard('retrying').map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind !== 'throttled')).to.deep.equal([]);
    await world.stop(worker);
  });

  it('goes on where it was if an iterator expires', async () => {
    using clock = virtualClock();
    const world = tableWorld(clock);
    const worker = world.worker('a');
    await world.start(worker);
    for (let round = 1; round <= 4; round += 1) {
      await writeFor(world, 5);
      world.tables.expireIterators();
    }
    await clock.advance(30_000);
    expect(worker.ids().toSorted()).to.deep.equal(world.written.toSorted());
    expect(outOfOrder(worker.ids())).to.deep.equal([]);
    expect(worker.consumer.status().counters.expiredIterators).to.equal(4);
    await world.stop(worker);
  });
});
