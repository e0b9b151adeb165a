// Shards that are split and merged by hand, scale by themselves, close empty, or have ended long ago: whole consumers in virtual time,
// by polling and by enhanced fan-out.
import { expect } from 'chai';
import { idOf, ReshardingScene } from '../../support/resharding-scene.js';
import { virtualClock } from '../../support/virtual.js';

/** Everything was read once and in order, and every child was read soon after its parents. */
function expectAll(scene: ReshardingScene): void {
  expect(scene.lost(), 'lost').to.deep.equal([]);
  expect(scene.outOfOrder(), 'out of order').to.deep.equal([]);
  expect(scene.repeats(), 'repeated').to.deep.equal([]);
  expect(scene.unended(), 'not at SHARD_END').to.deep.equal([]);
  expect(scene.handOvers().filter(({ isWithin, ms }) => ms >= (isWithin ? 1_000 : 3_000))).to.deep.equal([]);
}

for (const retrieval of ['polling', 'fan-out'] as const) {
  describe(`the end of a shard that is read by ${retrieval}`, function () {
    this.timeout(60_000);

    it('is followed by its children after splits and merges by hand, and a merge waits for both parents', async () => {
      using clock = virtualClock();
      // One process is behind when its shard merges with one of the other: the child must wait for both.
      let isSlow = false;
      const itemMs = (_: string, worker: string): number => (isSlow && worker === 'b' ? 3_000 : 0);
      const scene = new ReshardingScene(clock, { seed: 7, shards: 2, retrieval, itemMs });
      for (const name of ['a', 'b']) await scene.start(name);
      await scene.write(15_000);
      const [low, middle] = scene.split(idOf(0));
      const [next, high] = scene.split(idOf(1));
      await scene.write(5_000);
      isSlow = true;
      await scene.write(300);
      isSlow = false;
      const across = scene.merge(middle!, next!);
      await scene.write(10_000);
      const [left] = scene.split(across);
      await scene.write(2_000);
      scene.merge(low!, left!);
      await scene.write(10_000);
      await scene.settled();
      expectAll(scene);
      expect(scene.handOvers()).to.have.length(8);
      expect(scene.open.map(({ shardId }) => shardId)).to.include(high);
      await scene.stop();
    });

    it('is passed in a moment if the shard has closed empty, and so have its children', async () => {
      using clock = virtualClock();
      const scene = new ReshardingScene(clock, { seed: 3, shards: 1, retrieval });
      await scene.start('only');
      await scene.write(15_000);
      const [low, high] = scene.split(idOf(0));
      // Four generations within a moment: none of the shards in between has a record.
      const [first, second] = scene.split(low!);
      scene.merge(scene.merge(first!, second!), high!);
      await scene.write(15_000);
      await scene.settled();
      expectAll(scene);
      expect(scene.handOvers()).to.have.length(6);
      expect(scene.heard('shardEnded')).to.have.length(6);
      expect(scene.heard('trimmed')).to.deep.equal([]);
      await scene.stop();
    });

    it('is followed by its children on an on-demand stream that scales by itself', async () => {
      using clock = virtualClock();
      const scene = new ReshardingScene(clock, { seed: 5, shards: 4, retrieval, settings: { mode: 'ON_DEMAND' } });
      for (const name of ['a', 'b']) await scene.start(name);
      scene.kinesis.scale('orders', 8, 15_000);
      scene.kinesis.scale('orders', 6, 30_000);
      scene.kinesis.scale('orders', 12, 45_000);
      await scene.write(60_000, 50);
      await scene.settled();
      expectAll(scene);
      expect(scene.open).to.have.length(12);
      await scene.stop();
    });
  });
}

/** 500 shards of which 450 have ended: 50 that six times merge in pairs and split again, with records in each generation. */
async function manyEnded(scene: ReshardingScene): Promise<void> {
  for (let generation = 0; generation < 6; generation += 1) {
    await scene.write(2_000, 20);
    const open = scene.open.toSorted((a, b) => (a.startingHashKey < b.startingHashKey ? -1 : 1));
    const merged = open.flatMap(({ shardId }, index) =>
      index % 2 === 0 ? [scene.merge(shardId, open[index + 1]!.shardId)] : [],
    );
    for (const shardId of merged) scene.split(shardId);
  }
  await scene.write(2_000, 20);
  expect([scene.shards.length, scene.open.length]).to.deep.equal([500, 50]);
}

describe('a stream of 500 shards of which 450 have ended', function () {
  this.timeout(60_000);

  it('is read whole and in order from TRIM_HORIZON, and no generation waits for a second', async () => {
    using clock = virtualClock();
    const scene = new ReshardingScene(clock, { seed: 1, shards: 50 });
    await manyEnded(scene);
    for (const name of ['a', 'b']) await scene.start(name);
    await scene.settled();
    expectAll(scene);
    expect(scene.handOvers()).to.have.length(450);
    await scene.stop();
  });

  for (const retrieval of ['polling', 'fan-out'] as const)
    it(`costs no lease and no read for what has ended, from LATEST and after a restart (${retrieval})`, async () => {
      using clock = virtualClock();
      const initialPosition = 'LATEST';
      const scene = new ReshardingScene(clock, { seed: 1, shards: 50, retrieval, stream: { initialPosition } });
      await manyEnded(scene);
      await scene.start('a');
      const open = scene.open.map(({ shardId }) => shardId);
      await scene.write(3_000);
      await scene.stop();
      await scene.start('b');
      const listings = scene.client.of('ListShards').length;
      await scene.write(20_000);
      await clock.advance(5_000);
      expect([...scene.rows.keys()]).to.have.members(open);
      expect(scene.client.of('ListShards').length - listings).to.be.below(5);
      const read = ['GetShardIterator', 'SubscribeToShard'].flatMap((operation) => scene.client.of(operation));
      expect(new Set(read.map(({ input }) => input['ShardId'] as string))).to.deep.equal(new Set(open));
      expect(scene.repeats()).to.deep.equal([]);
      // What was put after the first start; two seconds of records lay before it.
      expect(scene.delivered.map(({ id }) => id)).to.include.members(scene.written.slice(-1_100));
      await scene.stop();
    });
});
