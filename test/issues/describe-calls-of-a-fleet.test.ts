// DescribeStream has ten calls a second in an account. Each process listed the shards twice for an end: before its reader's last chain of
// iterators, and again for the proof of the end. Shards that end together shared the first listing, but not the second. An end costs one
// call at most now, whichever worker reads the shard and however large the stream is. Whole consumers, in virtual time.
import { expect } from 'chai';
import type { ScriptedTablesOptions } from '../../src/testing/index.js';
import { outOfOrder, tableWorld } from '../support/table-world.js';
import { virtualClock } from '../support/virtual.js';

const shards = 12;
const minutes = 2;
/** The audit and the clean-up list once a minute each, in one process. A third one may fall into the time that is counted. */
const listingsAtRest = 3;
const items = Array.from({ length: 12 }, (_, index) => `order ${index}`);

interface Scene {
  readonly workers: number;
  /** `inTurn`: every five seconds another shard. `together`: all at one moment, once a minute. */
  readonly rolls: 'inTurn' | 'together';
  readonly tables?: ScriptedTablesOptions;
  /** The error of each call that asks for the children of one shard. */
  readonly filterFails?: string;
}

interface Counted {
  /** Calls of DescribeStream in a minute. */
  readonly calls: number;
  /** How many of all calls asked for the children of one shard. */
  readonly filtered: number;
}

/** Counts the calls of the fleet while each of twelve shards rolls over once a minute. */
async function countCalls({ workers: count, rolls, tables = {}, filterFails }: Scene): Promise<Counted> {
  using clock = virtualClock();
  const world = tableWorld(clock, tables, shards);
  world.script = ({ input }) => (input['ShardFilter'] === undefined ? undefined : filterFails);
  const workers = Array.from({ length: count }, (_, index) => world.worker('w'.repeat(index + 1)));
  for (const worker of workers) await world.start(worker);
  await clock.advance(90_000);
  const before = world.of('DescribeStream').length;
  for (let second = 0; second < minutes * 60; second += 1) {
    const [oldest] = world.tables.openShards('orders').toSorted();
    if (rolls === 'inTurn' && second % 5 === 0) world.tables.rollShard('orders', oldest);
    if (rolls === 'together' && second % 60 === 10) world.tables.rollShard('orders');
    world.write(items);
    await clock.advance(1_000);
  }
  const calls = world.of('DescribeStream').length - before;

  await clock.advance(20_000);
  const seen = workers.flatMap((worker) => worker.ids());
  expect(seen.toSorted(), 'every change once').to.deep.equal(world.written.toSorted());
  for (const worker of workers) expect(outOfOrder(worker.ids())).to.deep.equal([]);
  const ended = [...world.rows().values()].filter(({ checkpoint }) => checkpoint === 'SHARD_END').length;
  expect(world.rows().size - ended, 'every child has a row').to.equal(shards);
  await world.stop(...workers);
  const filtered = world.of('DescribeStream').filter(({ input }) => input['ShardFilter'] !== undefined).length;
  return { calls: calls / minutes, filtered };
}

describe('the DescribeStream calls of a fleet whose shards roll over', function () {
  this.timeout(120_000);

  it('are one for each end, and do not grow with the number of workers', async () => {
    const one = await countCalls({ workers: 1, rolls: 'inTurn' });
    const six = await countCalls({ workers: 6, rolls: 'inTurn' });
    expect(one.calls, 'one worker').to.be.at.most(shards + listingsAtRest);
    expect(six.calls, `six workers, beside ${one.calls} of one`).to.be.at.most(1.25 * one.calls);
  });

  it('are fewer if the shards end together: one for each process that reads some', async () => {
    for (const workers of [1, 3, 6]) {
      const { calls } = await countCalls({ workers, rolls: 'together' });
      expect(calls, `${workers} workers`).to.be.at.most(workers + listingsAtRest);
    }
  });

  it('are one for each end also of a stream that has many pages of shards', async () => {
    const pageSize = 4;
    const pages = Math.ceil((shards * (minutes + 2)) / pageSize);
    const { calls, filtered } = await countCalls({ workers: 2, rolls: 'inTurn', tables: { pageSize } });
    expect(calls).to.be.at.most(shards + listingsAtRest * pages);
    expect(filtered, 'most ends of two minutes').to.be.within(shards, shards * minutes);
  });

  it('bring every child if a server ignores or refuses the filter for the children of one shard, and it is not asked again', async () => {
    const [workers, rolls, tables] = [2, 'inTurn', { pageSize: 4 }] as const;
    const ignored = await countCalls({ workers, rolls, tables: { ...tables, childFilter: false } });
    expect(ignored.filtered, 'once by each process').to.equal(workers);
    const refused = await countCalls({ workers, rolls, tables, filterFails: 'ValidationException' });
    expect(refused.filtered, 'once by each process').to.equal(workers);
  });

  it('bring every child if the filter fails for other reasons, and it is asked again', async () => {
    const [workers, rolls, tables] = [1, 'inTurn', { pageSize: 4 }] as const;
    for (const filterFails of ['ResourceNotFoundException', 'InternalServerError'])
      expect((await countCalls({ workers, rolls, tables, filterFails })).filtered).to.be.above(shards);
  });
});
