// Lease rows carry the stamp of their stream (`kinactStream`), and a coordinator stamps the rows that have none.
// It never starts on rows of another stream, even if that stream had the same name and was deleted and created again.
import { expect } from 'chai';
import { driveCoordinator, workerId, type CoordinatorDriver } from '../../support/coordinator-driver.js';
import { listedStream } from '../../support/listed-stream.js';
import { memoryLeaseStore, type MemoryLeaseStore } from '../../support/memory-lease-store.js';
import { readableIdentity, streamIdentityOf } from '../../../src/core/stream-identity.js';

const zero = 'shardId-000000000000';
const one = 'shardId-000000000001';
const arn = 'arn:aws:kinesis:x:1:stream/orders';
const identity = `${arn}#1700000000`;
const later = `${arn}#1700000060`;

const writes = (store: MemoryLeaseStore): readonly string[] =>
  store.calls
    .map(({ operation }) => operation)
    .filter((operation) => !['ensureTable', 'scan', 'get'].includes(operation));
const stamps = (store: MemoryLeaseStore): readonly (string | undefined)[] =>
  [...store.rows.values()].map(({ kinactStream }) => kinactStream);

describe('lease rows without the stamp of a stream', () => {
  it('are stamped by the shard sync, even at SHARD_END, and nothing else in them changes', async () => {
    const store = memoryLeaseStore();
    const before = [
      store.put({ leaseKey: zero, checkpoint: '7', leaseOwner: 'java', leaseCounter: 12 }),
      store.put({ leaseKey: one, checkpoint: 'SHARD_END', leaseCounter: 4 }),
    ];
    const stream = listedStream();
    const children = stream.split(one);
    for (const child of children) before.push(store.put({ leaseKey: child, parentShardIds: [one] }));
    await driveCoordinator({ store, stream }).started();
    expect([...store.rows.values()]).to.deep.equal(before.map((row) => ({ ...row, kinactStream: identity })));
  });

  it('are stamped a hundred at a time, and all 250 within 30 s', async () => {
    const store = memoryLeaseStore();
    const stream = listedStream({ shards: 250 });
    for (const { shardId } of stream.shards) store.put({ leaseKey: shardId });
    const driver = driveCoordinator({ store, stream, maxLeases: 1 });
    await driver.started();
    const stamped = (): number => stamps(store).filter((stamp) => stamp === identity).length;
    expect(stamped()).to.equal(100);
    await driver.harness.advance(30_000);
    expect(stamped()).to.equal(250);
    expect(store.calls.filter(({ operation }) => operation === 'updateMeta').length).to.equal(250);
  });

  it('are not created by the stamp if they are deleted meanwhile', async () => {
    const store = memoryLeaseStore();
    store.put({ leaseKey: zero });
    store.put({ leaseKey: one });
    store.script('updateMeta', { type: 'meanwhile', act: () => store.rows.delete(one) }, one);
    await driveCoordinator({ store }).started();
    expect([...store.rows.keys()]).to.deep.equal([zero]);
  });

  it('are stamped later if the table fails, and do not delay the start', async () => {
    const store = memoryLeaseStore();
    store.put({ leaseKey: zero });
    store.put({ leaseKey: one });
    store.script('updateMeta', { type: 'failBefore' }, zero);
    const driver = driveCoordinator({ store });
    expect(await driver.started()).to.deep.equal({ type: 'started' });
    expect(stamps(store)).to.deep.equal([undefined, undefined]);
    const { data } = driver.harness.events.find(({ name }) => name === 'retrying')!;
    expect(data).to.include({ operation: 'stamping lease rows with their stream', source: 'orders' });
    await driver.harness.advance(70_000);
    expect(stamps(store)).to.deep.equal([identity, identity]);
  });
});

describe('a coordinator that compares its stream with the rows', () => {
  const refused = async (driver: CoordinatorDriver): Promise<{ readonly message: string; readonly data: object }> => {
    const outcome = await driver.started();
    if (outcome?.type !== 'failed') throw new Error('it started');
    expect(outcome.error).to.include({ code: 'STREAM_CHANGED', retryable: false });
    return outcome.error;
  };
  const started = async (): Promise<CoordinatorDriver> => {
    const driver = driveCoordinator();
    await driver.started();
    await driver.takenAll();
    return driver;
  };

  it('does not start, and changes no row, if the stream was deleted and created again meanwhile', async () => {
    const { store, stream } = await started();
    const before = [...store.rows.values()];
    stream.recreate();
    store.calls.length = 0;
    const error = await refused(driveCoordinator({ store, stream, processNonce: 'p2' }));
    expect(error.message).to.include(readableIdentity(identity)).and.to.include(readableIdentity(later));
    expect(error.data).to.include({ stream: 'orders', table: 'memory', rowStream: identity, liveStream: later });
    expect(writes(store)).to.deep.equal([]);
    expect([...store.rows.values()]).to.deep.equal(before);
  });

  it('removes no row of another stream at a clean-up, and then a shard sync fails the source', async () => {
    const stream = listedStream();
    const driver = driveCoordinator({ stream, shardSyncIntervalMs: 1e9 });
    await driver.started();
    await driver.takenAll();
    driver.store.put({ leaseKey: 'shardId-000000000007', checkpoint: 'SHARD_END', kinactStream: identity });
    await driver.harness.advance(5_000);
    stream.recreate();
    await driver.harness.advance(70_000);
    expect([...driver.store.rows.keys()]).to.have.length(3);
    expect(driver.harness.eventsOf('sourceFailed')).to.have.length(1);
  });

  it('does not start if the rows belong to a stream of another name', async () => {
    const { store } = await started();
    const stream = listedStream({ name: 'bills', shards: 5 });
    expect((await refused(driveCoordinator({ store, stream }))).data).to.include({ rowStream: identity });
  });

  it('does not start, and stamps no row, if only a sequence number shows another stream', async () => {
    const store = memoryLeaseStore();
    store.put({ leaseKey: zero, checkpoint: '7' });
    store.put({ leaseKey: one, checkpoint: 'SHARD_END' });
    const stream = listedStream();
    stream.recreate();
    expect((await refused(driveCoordinator({ store, stream }))).data).not.to.have.property('rowStream');
    expect(stamps(store)).to.deep.equal([undefined, undefined]);
  });

  it('does not start in a multi-stream table, where the rows of the earlier stream have other keys', async () => {
    const store = memoryLeaseStore();
    const stream = listedStream({ shards: 3 });
    const options = { store, multiStream: true };
    await driveCoordinator({ ...options, stream }).started();
    expect(store.rows.size).to.equal(3);
    stream.recreate(2);
    await refused(driveCoordinator({ ...options, stream, processNonce: 'p2' }));
    // Rows without a stamp, as an older kinact or a Java worker writes them.
    for (const { kinactStream: _, ...row } of [...store.rows.values()]) store.rows.set(row.leaseKey, row);
    await refused(driveCoordinator({ ...options, stream, processNonce: 'p3' }));
    expect(store.rows.size).to.equal(3);
  });

  it('does not fail if only an outdated scan shows another stream, and starts after the next scan', async () => {
    const { store, stream } = await started();
    const before = [...store.rows.values()];
    stream.recreate();
    for (const row of before) store.rows.set(row.leaseKey, { ...row, kinactStream: later, leaseCounter: 1 });
    store.staleScan(before);
    const driver = driveCoordinator({ store, stream, processNonce: 'p2' });
    expect(await driver.started()).to.equal(undefined);
    store.staleScan(undefined);
    await driver.harness.advance(2_000);
    expect(await driver.started()).to.deep.equal({ type: 'started' });
  });

  it('does not fail the source if a second description contradicts the first', async () => {
    const driver = await started();
    const { stream } = driver;
    const yesterday = await stream.describe(new AbortController().signal);
    stream.recreate();
    const today = stream.describe;
    let asked = 0;
    Object.assign(stream, {
      describe: (signal: AbortSignal) => (asked++ === 0 ? today(signal) : Promise.resolve(yesterday)),
    });
    await driver.harness.advance(70_000);
    expect(asked).to.be.above(1);
    expect(driver.harness.eventsOf('sourceFailed')).to.deep.equal([]);
  });

  it('fails the source at the next shard sync, or within 7 s if a row shows another stream', async () => {
    for (const shows of [false, true]) {
      const driver = await started();
      driver.stream.recreate();
      const [row] = driver.store.rows.values();
      if (shows) driver.store.rows.set(row!.leaseKey, { ...row!, kinactStream: later });
      const { length } = driver.stream.filters;
      await driver.harness.advance(shows ? 7_000 : 67_000);
      const { message, data } = changed(driver);
      expect(data).to.include({ rowStream: identity, liveStream: later });
      expect(message).to.include('while it was being read');
      for (const { told } of driver.keepers) {
        expect(told.at(-1)).to.include({ type: 'release', reason: 'its source has failed: STREAM_CHANGED' });
      }
      expect(driver.stream.filters.slice(length), 'nothing is listed, nothing made').to.deep.equal([]);
    }
  });

  it('does not take a lease whose row has the stamp of another stream', async () => {
    const driver = await started();
    driver.store.put({ ...driver.store.row(zero), kinactStream: later, leaseOwner: 'peer' });
    await driver.news(zero, { type: 'lost', reason: 'taken', retake: false });
    const { leaseOwner: _, ...free } = driver.store.row(zero);
    driver.store.rows.set(zero, free);
    await driver.harness.advance(5_000);
    expect(driver.keepers.filter(({ args }) => args.leaseKey === zero)).to.have.length(1);
    expect(driver.store.row(zero).leaseOwner).not.to.equal(workerId);
  });

  it('accepts its stream after a reshard, a trim and a write by an older kinact', async () => {
    const driver = await started();
    const { store, stream } = driver;
    const [left] = stream.split(zero);
    stream.shards = stream.shards.filter(({ shardId }) => shardId !== zero);
    const { kinactStream: _, ...row } = store.row(one);
    store.rows.set(one, { ...row, checkpoint: '5' });
    await driver.harness.advance(130_000);
    expect(store.row(left).kinactStream).to.equal(identity);
    expect(store.row(one).kinactStream).to.equal(identity);
    expect(driver.harness.events.filter(({ name }) => name === 'retrying')).to.deep.equal([]);
  });
});

/** The error STREAM_CHANGED among the events of the coordinator. */
function changed(driver: CoordinatorDriver): Error & { readonly data: object } {
  const errors = driver.harness.events.map(({ data }) => (data as { readonly error?: unknown }).error);
  const found = errors.find((error) => (error as { readonly code?: unknown } | undefined)?.code === 'STREAM_CHANGED');
  if (found === undefined) throw new Error('nobody noticed');
  return found as Error & { readonly data: object };
}

it('the identity of a stream description equals the stamp in its rows', async () => {
  const description = await listedStream().describe(new AbortController().signal);
  expect(streamIdentityOf(description)).to.equal(identity);
});
