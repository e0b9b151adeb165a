// The main job over the changes of a table whose shards roll over: nothing is lost, nothing is repeated without a fault, and the changes
// of an item stay in order. In virtual time.
import { expect } from 'chai';
import { outOfOrder, tableWorld, type TableWorld } from '../support/table-world.js';
import { virtualClock } from '../support/virtual.js';

const ids = Array.from({ length: 20 }, (_, index) => `order ${index}`);

/** Writes for so many seconds, and rolls a shard over every `rollEvery` seconds, now and then into two. */
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
    await run(world, 120, 7);
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
});
