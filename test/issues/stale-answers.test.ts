// Symptom: the coordinator acted on answers that were no longer true. Cause: it believed a single listing or description, or
// remembered what a later one had refuted. An absence from one wrong listing outlived an hour of listings that named the shard. A
// SHARD_END that was written here outlived a reset of the row. An older row from a scan was preferred to the row that the keeper
// had taken.
import { expect } from 'chai';
import { driveCoordinator, type CoordinatorDriver, holdingAll } from '../support/coordinator-driver.js';
import { listedStream } from '../support/listed-stream.js';
import { memoryLeaseStore } from '../support/memory-lease-store.js';

const zero = 'shardId-000000000000';
const one = 'shardId-000000000001';
const two = 'shardId-000000000002';

describe('a shard that one listing lacks and later listings name', () => {
  const lostAndTakenAgain = async (driver: CoordinatorDriver, ms: number): Promise<void> => {
    await driver.news(zero, { type: 'lost', reason: 'taken', retake: false });
    const { leaseOwner: _, ...free } = driver.store.row(zero);
    driver.store.put({ ...free, leaseCounter: free.leaseCounter + 1 });
    await driver.harness.advance(ms);
    await driver.taken(zero);
  };

  it('is not proven gone by a second wrong listing an hour later', async () => {
    const stream = listedStream();
    const driver = await holdingAll({ stream });
    stream.split(zero);
    const all = stream.shards;
    const wrong = all.filter(({ shardId }) => shardId !== zero);
    stream.shards = wrong;
    expect(await driver.askEnd(zero, { notFound: true })).to.include({ type: 'blocked' });
    stream.shards = all;
    await driver.harness.advance(3_600_000);
    stream.shards = wrong;
    expect(await driver.askEnd(zero, { notFound: true })).to.include({ type: 'blocked' });
  });

  it('is not proven gone by an absence that was noted in an earlier tenure', async () => {
    const stream = listedStream();
    const driver = await holdingAll({ stream });
    stream.split(zero);
    stream.shards = stream.shards.filter(({ shardId }) => shardId !== zero);
    expect(await driver.askEnd(zero, { notFound: true })).to.include({ type: 'blocked' });
    await lostAndTakenAgain(driver, 40_000);
    expect(await driver.askEnd(zero, { notFound: true })).to.include({ type: 'blocked' });
  });
});

describe('rows that are reset while the process that ended them lives', () => {
  it('let the child wait for its parent again', async () => {
    const store = memoryLeaseStore();
    const stream = listedStream({ shards: 1 });
    const driver = await holdingAll({ stream, store });
    const [left] = stream.split(zero);
    store.put({ leaseKey: one, parentShardIds: [zero] });
    store.put({ leaseKey: two, parentShardIds: [zero] });
    await driver.end(zero, [one, two]);
    await driver.harness.advance(5_000);
    await driver.takenAll();
    await driver.end(left, []);
    await driver.harness.advance(5_000);
    // kinact reset --shard zero one --to TRIM_HORIZON: both rows have ended, so no worker holds them.
    for (const key of [zero, one]) {
      const { leaseOwner: _, ...row } = store.row(key);
      store.put({ ...row, checkpoint: 'TRIM_HORIZON', leaseCounter: row.leaseCounter + 1, childShardIds: [] });
    }
    await driver.harness.advance(10_000);
    for (const key of [zero, one]) await driver.taken(key);
    await driver.harness.advance(5_000);
    expect(driver.startable()).to.not.include(one);
  });
});

describe('a scan that is older than what a keeper has taken', () => {
  it('does not decide which stream the row belongs to when the shard ends', async () => {
    const driver = await holdingAll();
    const { store, stream } = driver;
    stream.split(zero);
    const former = `arn:aws:kinesis:x:1:stream/orders#1600000000`;
    const old = [...store.rows.values()].map((row) => ({ ...row, leaseCounter: 1, kinactStream: former }));
    store.staleScan(old);
    await driver.harness.advance(70_000);
    expect(await driver.askEnd(zero)).to.include({ type: 'ready' });
    expect(driver.harness.eventsOf('sourceFailed')).to.deep.equal([]);
  });
});

describe('the first listing of a stream that was resharded', () => {
  const begun = async (wrong: number): Promise<CoordinatorDriver> => {
    const stream = listedStream({ shards: 1 });
    stream.split(zero);
    const { listShards } = stream;
    let left = wrong;
    stream.listShards = async (filter, signal) => {
      const listing = await listShards(filter, signal);
      return left-- > 0 ? { ...listing, shards: listing.shards.filter(({ shardId }) => shardId !== zero) } : listing;
    };
    const driver = driveCoordinator({ stream });
    await driver.started();
    await driver.harness.advance(10_000);
    return driver;
  };

  it('does not start the children without their parent if only this listing lacks the parent', async () => {
    const driver = await begun(1);
    expect([...driver.store.rows.keys()]).to.deep.equal([zero]);
    expect(driver.harness.eventsOf('retrying')).to.have.length(1);
  });

  it('is believed if the second listing shows the same: the parent may have been trimmed', async () => {
    const driver = await begun(Infinity);
    expect([...driver.store.rows.keys()]).to.deep.equal([one, two]);
    expect(driver.harness.eventsOf('retrying')).to.deep.equal([]);
  });
});

describe('a start whose first description shows the stream from before it was created again', () => {
  const yesterdayOnce = async ({ stream }: Pick<CoordinatorDriver, 'stream'>): Promise<void> => {
    const now = stream.describe;
    const yesterday = { ...(await now(new AbortController().signal)), creationEpochSeconds: 1_600_000_000 };
    let left = 1;
    stream.describe = (signal) => (left-- > 0 ? Promise.resolve(yesterday) : now(signal));
  };

  for (const multiStream of [false, true]) {
    const table = multiStream ? 'a multi-stream table' : 'a table';
    it(`continues with the rows of ${table}, and creates none`, async () => {
      const first = await holdingAll({ multiStream });
      const { stream, store } = first;
      const keys = [...store.rows.keys()];
      await yesterdayOnce(first);
      const driver = driveCoordinator({ store, stream, multiStream, processNonce: 'p2' });
      await driver.started();
      await driver.harness.advance(10_000);
      expect(driver.harness.eventsOf('sourceFailed')).to.deep.equal([]);
      expect(await driver.started()).to.deep.equal({ type: 'started' });
      expect([...store.rows.keys()]).to.deep.equal(keys);
      await driver.takenAll();
      expect(driver.keepers.map(({ args }) => args.stream?.split('#')[1])).to.deep.equal(['1700000000', '1700000000']);
    });
  }

  it('creates rows of the current stream in an empty table', async () => {
    const stream = listedStream();
    await yesterdayOnce({ stream });
    const driver = driveCoordinator({ stream });
    await driver.started();
    await driver.harness.advance(5_000);
    const stamps = [...driver.store.rows.values()].map(({ kinactStream }) => kinactStream?.split('#')[1]);
    expect(stamps).to.deep.equal(['1700000000', '1700000000']);
  });

  it('fails with STREAM_CHANGED if the rows belong to the former stream', async () => {
    const { stream, store } = await holdingAll();
    const now = stream.describe;
    const yesterday = await now(new AbortController().signal);
    stream.recreate();
    const today = stream.describe;
    let left = 1;
    stream.describe = (signal) => (left-- > 0 ? Promise.resolve(yesterday) : today(signal));
    const driver = driveCoordinator({ store, stream, processNonce: 'p2' });
    await driver.started();
    await driver.harness.advance(10_000);
    const failures = driver.harness.eventsOf('sourceFailed').map(({ error }) => (error as { code?: string }).code);
    expect(failures).to.deep.equal(['STREAM_CHANGED']);
  });
});
