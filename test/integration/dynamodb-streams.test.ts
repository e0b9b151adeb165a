// The main job over the changes of a table whose shards roll over: nothing is lost, nothing is repeated without a fault, and the changes
// of an item stay in order. In virtual time.
import { expect } from 'chai';
import { outOfOrder, tableWorld, type TableWorld } from '../support/table-world.js';
import { virtualClock } from '../support/virtual.js';

const ids = Array.from({ length: 12 }, (_, index) => `order ${index}`);

/** Writes for this many seconds, and rolls a shard over every `rollEvery` seconds, now and then into two. */
async function run(world: TableWorld, seconds: number, rollEvery: number): Promise<void> {
  for (let second = 1; second <= seconds; second += 1) {
    world.write(ids);
    await world.clock.advance(1_000);
    if (second % rollEvery !== 0) continue;
    const open = world.tables.openShards('orders');
    const splits = second % (3 * rollEvery) === 0 && open.length < 4;
    world.tables.rollShard('orders', open[second % open.length], splits ? 2 : 1);
  }
}

describe('a consumer of a table', () => {
  it('follows shards that roll over: every change once, the changes of an item in order, over four reducers', async () => {
    using clock = virtualClock();
    const world = tableWorld(clock);
    const worker = world.worker('a');
    await world.start(worker);
    await run(world, 70, 6);
    await clock.advance(20_000);
    expect(worker.ids().toSorted()).to.deep.equal(world.written.toSorted());
    expect(outOfOrder(worker.ids())).to.deep.equal([]);
    await world.stop(worker);
    const ended = [...world.rows().values()].filter(({ checkpoint }) => checkpoint === 'SHARD_END');
    expect([...world.rows().keys()]).to.include.members(world.tables.openShards('orders') as string[]);
    expect(ended.length, 'rows of ended shards are cleaned up').to.be.lessThan(
      world.tables.stream('orders').shards.size,
    );
  });

  it('reads a disabled stream to its end, and warns of no shard without children', async () => {
    using clock = virtualClock();
    const world = tableWorld(clock);
    const worker = world.worker('a');
    const said: string[] = [];
    worker.consumer.on('warning', ({ message }) => void said.push(message));
    await world.start(worker);
    world.write(ids);
    world.tables.disableStream('orders');
    await clock.advance(120_000);
    expect(worker.ids().toSorted()).to.deep.equal(world.written.toSorted());
    expect([...world.rows().values()].map(({ checkpoint }) => checkpoint)).to.deep.equal(['SHARD_END']);
    expect(said.filter((message) => message.includes('child'))).to.deep.equal([]);
    await world.stop(worker);
  });

  it('shares its shards among three workers while they roll over, and no worker delivers a change that another has', async () => {
    using clock = virtualClock();
    const world = tableWorld(clock, {}, 4);
    const workers = ['a', 'bb', 'ccc'].map((name) => world.worker(name));
    for (const worker of workers) await world.start(worker);
    await run(world, 60, 9);
    await clock.advance(60_000);
    const seen = workers.flatMap((worker) => worker.ids());
    expect(seen.toSorted()).to.deep.equal(world.written.toSorted());
    expect(workers.map((worker) => worker.ids().length > 0)).to.deep.equal([true, true, true]);
    await world.stop(...workers);
  });

  it('keeps the changes of an item in order over parent and child, if one worker ends and another goes on', async () => {
    using clock = virtualClock();
    const world = tableWorld(clock, { endOfShard: 'emptyAnswer' });
    const first = world.worker('a');
    await world.start(first);
    await run(world, 20, 6);
    await world.stop(first);
    await run(world, 20, 6);
    const second = world.worker('bb');
    await world.start(second);
    await run(world, 20, 6);
    await clock.advance(20_000);
    const seen = [...first.ids(), ...second.ids()];
    expect(seen.toSorted()).to.deep.equal(world.written.toSorted());
    expect(outOfOrder(seen)).to.deep.equal([]);
    await world.stop(second);
  });

  for (const eventTimes of ['second', 'minute'] as const)
    it(`begins at LATEST without a gap, where event times are cut to the ${eventTimes}`, async () => {
      using clock = virtualClock();
      const world = tableWorld(clock, { eventTimes });
      await run(world, 200, 40);
      const before = world.written.length;
      const worker = world.worker('a', { source: { initialPosition: 'LATEST' } });
      const started = world.start(worker);
      // Written before the first read: an iterator of the type LATEST would be too late.
      world.write(ids);
      await started;
      await run(world, 30, 8);
      await clock.advance(20_000);
      await world.stop(worker);
      const due = world.written.slice(before);
      expect(worker.ids()).to.include.members([...due]);
      const early = worker.ids().length - due.length;
      expect(early / ids.length, 'what is older by a minute and the margin does not come').to.be.at.most(62);

      const again = world.worker('bb');
      await world.start(again);
      await clock.advance(20_000);
      expect(again.ids(), 'it goes on after its checkpoints').to.deep.equal([]);
      await world.stop(again);
    });

  it('reads two tables whose streams have the same shard ids and sequence numbers, and mixes nothing up', async () => {
    using clock = virtualClock();
    const world = tableWorld(clock, { numbering: 'stream' });
    world.tables.createTable('others');
    const worker = world.worker('a', { also: ['others'] });
    await world.start(worker);
    for (let round = 1; round <= 10; round += 1) {
      world.write(['order 1', 'order 2']);
      world.write(['other 1', 'other 2'], 'others');
      for (const table of round % 3 === 0 ? ['orders', 'others'] : []) world.tables.rollShard(table);
      await clock.advance(2_000);
    }
    await clock.advance(20_000);
    const [one, other] = ['orders', 'others'].map((table) => [...world.tables.stream(table).shards.keys()]);
    expect(one).to.deep.equal(other);
    expect(worker.ids().toSorted()).to.deep.equal(world.written.toSorted());
    expect(outOfOrder(worker.ids())).to.deep.equal([]);
    for (const { source, value } of worker.seen) {
      expect(value.keys.id).to.match(source === 'orders' ? /^order / : /^other /);
    }
    await world.stop(worker);
  });

  it('asks for descriptions no more often with three workers than with one', async () => {
    const perMinute: number[] = [];
    for (const names of [['a'], ['a', 'bb', 'ccc']]) {
      using clock = virtualClock();
      const world = tableWorld(clock, {}, 6);
      const workers = names.map((name) => world.worker(name, { source: { idleMs: 10_000 } }));
      for (const worker of workers) await world.start(worker);
      await clock.advance(180_000);
      const from = world.of('DescribeStream').length;
      await clock.advance(600_000);
      perMinute.push((world.of('DescribeStream').length - from) / 10);
      await world.stop(...workers);
    }
    const [one = 0, three = 0] = perMinute;
    expect(three, `${one} a minute with one worker`).to.be.at.most(one + 1);
  });
});
