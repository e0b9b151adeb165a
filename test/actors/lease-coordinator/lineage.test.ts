// A coordinator of a stream without hash ranges: what ends a shard, what starts one, and what finds a shard that nobody reads. The
// rules themselves are tested in test/src/core/shard-lineage.test.ts.
import { expect } from 'chai';
import { driveCoordinator, workerId, type CoordinatorDriver, holdingAll } from '../../support/coordinator-driver.js';
import { listedStream, type ListedStream } from '../../support/listed-stream.js';
import { memoryLeaseStore } from '../../support/memory-lease-store.js';
import type { Shard } from '../../../src/api/ports.js';

const idOf = (index: number): string => `shardId-${String(index).padStart(12, '0')}`;
const [zero, one, two] = [idOf(0), idOf(1), idOf(2)];
const failoverMs = 10_000;

const holding = (
  stream: ListedStream,
  setup: Parameters<typeof driveCoordinator>[0] = {},
): Promise<CoordinatorDriver> => holdingAll({ stream, ...setup });

/** Closes every shard, as disabling the stream does. */
const disable = (stream: ListedStream): Shard[] =>
  (stream.shards = stream.shards.map((shard) => ({ endingSequenceNumber: '9999', ...shard })));
const hide = (stream: ListedStream, ...shardIds: readonly string[]): (() => void) => {
  const before = stream.shards;
  stream.shards = before.filter(({ shardId }) => !shardIds.includes(shardId));
  return () => void (stream.shards = before);
};

/** Asks until the answer is `ready`; returns how often it asked. */
async function endWithoutChildren(driver: CoordinatorDriver, leaseKey: string): Promise<number> {
  for (let asks = 1; asks <= 20; asks += 1) {
    const plan = await driver.askEnd(leaseKey);
    if (plan?.type === 'ready') {
      expect(plan.childShardIds).to.deep.equal([]);
      await driver.end(leaseKey);
      return asks;
    }
  }
  throw new Error('the shard has not ended');
}

describe('a coordinator of a stream without hash ranges', () => {
  it('lets the shards of a disabled stream end without children, at the sixth look', async () => {
    const stream = listedStream({ lineage: true, shards: 1 });
    const driver = await holding(stream);
    disable(stream);
    expect(await endWithoutChildren(driver, zero)).to.equal(6);
  });

  it('does not end a shard that is listed open, or that one listing omits', async () => {
    const stream = listedStream({ lineage: true, shards: 2 });
    const driver = await holding(stream);
    expect(await driver.askEnd(zero)).to.include({ type: 'blocked' });
    hide(stream, zero);
    expect(await driver.askEnd(zero)).to.include({ type: 'blocked' });
    expect(await driver.askEnd(zero)).to.include({ type: 'blocked' });
    await driver.harness.advance(failoverMs);
    expect(await driver.askEnd(zero)).to.deep.equal({ type: 'ready', childShardIds: [] });
  });

  it('counts a shard as gone though no shard is open, once two listings lack it, but never by an empty listing', async () => {
    const stream = listedStream({ lineage: true, shards: 2 });
    const driver = await holding(stream);
    disable(stream);
    const show = hide(stream, zero, one);
    for (let look = 0; look < 3; look += 1) {
      expect(await driver.askEnd(zero)).to.include({ type: 'blocked' });
      await driver.harness.advance(failoverMs);
    }
    show();
    hide(stream, zero);
    expect(await driver.askEnd(zero)).to.include({ type: 'blocked', retryMs: failoverMs });
    await driver.harness.advance(failoverMs);
    expect(await driver.askEnd(zero)).to.include({ type: 'ready' });
  });

  it('finds within 15 s a child that is listed after its parent has ended, although no other lease is left', async () => {
    const stream = listedStream({ lineage: true, shards: 1 });
    const driver = await holding(stream);
    stream.rollOver(zero);
    const show = hide(stream, one);
    await endWithoutChildren(driver, zero);
    await driver.harness.advance(3_000);
    show();
    await driver.harness.advance(12_000);
    expect(driver.store.row(one)).to.deep.include({ checkpoint: 'TRIM_HORIZON', parentShardIds: [zero] });
    await driver.taken(one);
    expect(driver.startable()).to.include(one);
  });

  it('lets a child wait that is listed before its parent, and reads the parent first', async () => {
    const stream = listedStream({ lineage: true, shards: 1 });
    const driver = await holding(stream);
    stream.rollOver(zero);
    stream.rollOver(one);
    const hideAll = hide(stream, one, two);
    await endWithoutChildren(driver, zero);
    hideAll();
    const show = hide(stream, one);
    await driver.harness.advance(30_000);
    expect([...driver.store.rows.keys()]).to.deep.equal([zero]);
    show();
    await driver.harness.advance(60_000);
    expect([...driver.store.rows.keys()])
      .to.include(one)
      .and.not.include(two);
  });

  it('reads a child without its parent once listings have lacked the parent for a minute', async () => {
    const stream = listedStream({ lineage: true, shards: 1 });
    const driver = await holding(stream);
    stream.rollOver(zero);
    stream.rollOver(one);
    const hideAll = hide(stream, one, two);
    await endWithoutChildren(driver, zero);
    hideAll();
    hide(stream, one);
    await driver.harness.advance(30_000);
    expect([...driver.store.rows.keys()]).to.deep.equal([zero]);
    await driver.harness.advance(60_000);
    expect(driver.store.row(two)).to.deep.include({ checkpoint: 'TRIM_HORIZON', parentShardIds: [one] });
  });

  it('stops looking for children of a disabled stream after a few listings, and then looks once a minute', async () => {
    const stream = listedStream({ lineage: true, shards: 1 });
    const driver = await holding(stream);
    disable(stream);
    await endWithoutChildren(driver, zero);
    const before = stream.filters.length;
    await driver.harness.advance(120_000);
    const soon = stream.filters.length;
    await driver.harness.advance(3_600_000);
    expect(soon - before, 'in the first two minutes').to.be.within(4, 7);
    expect(stream.filters.length - soon, 'in an hour, with the clean-up').to.be.within(60, 80);
  });

  it('creates rows for closed leaves that have none: a stream that was disabled before the first start', async () => {
    for (const initialPosition of ['TRIM_HORIZON', 'LATEST'] as const) {
      const stream = listedStream({ lineage: true, shards: 1 });
      stream.rollOver(zero);
      disable(stream);
      const driver = driveCoordinator({ stream, sources: [{ source: stream, initialPosition }] });
      await driver.started();
      expect([...driver.store.rows.keys()]).to.deep.equal([initialPosition === 'LATEST' ? one : zero]);
    }
  });

  it('lets children wait for parents in rows that a Java worker created all at once', async () => {
    const stream = listedStream({ lineage: true, shards: 1 });
    stream.rollOver(zero);
    stream.rollOver(one);
    const store = memoryLeaseStore();
    for (const [index, shard] of stream.shards.entries())
      store.put({
        leaseKey: shard.shardId,
        ...{ startingHashKey: '0', endingHashKey: '1' },
        ...(index === 0 ? {} : { parentShardIds: [idOf(index - 1)] }),
      });
    const driver = await holding(stream, { store });
    await driver.takenAll();
    expect(driver.startable()).to.deep.equal([zero]);
    expect(await driver.askEnd(zero)).to.deep.equal({ type: 'ready', childShardIds: [one] });
    await driver.end(zero, [one]);
    expect(driver.startable()).to.deep.equal([one]);
    await driver.harness.advance(60_000);
    expect(driver.startable(), 'the grandchild still waits').to.deep.equal([one]);
    expect(driver.store.row(one), 'hash keys of the Java adapter stay').to.include({
      startingHashKey: '0',
      endingHashKey: '1',
    });
  });

  it('never creates the row of a shard again that was cleaned up, whatever a late listing omits', async () => {
    const stream = listedStream({ lineage: true, shards: 1 });
    const driver = await holding(stream);
    stream.split(zero);
    const show = hide(stream, two);
    expect(await driver.askEnd(zero)).to.deep.equal({ type: 'ready', childShardIds: [one] });
    await driver.end(zero, [one]);
    driver.store.put({ ...(await driver.taken(one)), checkpoint: '5', leaseCounter: 7 });
    await driver.harness.advance(130_000);
    expect([...driver.store.rows.keys()], 'the parent is cleaned up').to.deep.equal([one]);
    show();
    await driver.harness.advance(130_000);
    expect([...driver.store.rows.keys()]).to.deep.equal([one, two]);
    expect(driver.store.row(two).checkpoint).to.equal('TRIM_HORIZON');
    const again = hide(stream, one);
    await driver.harness.advance(130_000);
    again();
    expect([...driver.store.rows.keys()]).to.deep.equal([one, two]);
  });

  it('removes the row of a shard that is gone only if a second listing lacks the shard, too', async () => {
    const stream = listedStream({ lineage: true, shards: 2 });
    const driver = await holding(stream);
    disable(stream);
    await endWithoutChildren(driver, zero);
    const { listShards } = stream;
    // Every other listing omits the shard.
    let calls = 0;
    stream.listShards = async (filter, signal) => {
      const listing = await listShards(filter, signal);
      const isPartial = (calls += 1) % 2 === 1;
      return isPartial ? { ...listing, shards: listing.shards.filter(({ shardId }) => shardId !== zero) } : listing;
    };
    await driver.harness.advance(300_000);
    expect(driver.store.rows.has(zero)).to.equal(true);
    stream.listShards = listShards;
    hide(stream, zero);
    await driver.harness.advance(300_000);
    expect(driver.store.rows.has(zero)).to.equal(false);
  });

  it('reads no parents for leases that wait for another shard, when hundreds end together', async () => {
    const count = 200;
    const stream = listedStream({ lineage: true, shards: count });
    const store = memoryLeaseStore();
    for (let index = 0; index < count; index += 1) {
      stream.rollOver(idOf(index));
      store.put({ leaseKey: idOf(index) });
      store.put({ leaseKey: idOf(count + index), parentShardIds: [idOf(index)] });
    }
    const driver = await holding(stream, { store });
    await driver.takenAll();
    expect(driver.startable()).to.have.length(count);
    const reads = (): number => store.calls.filter(({ operation }) => operation === 'get').length;
    const before = reads();
    for (let index = 0; index < count; index += 1) await driver.end(idOf(index), [idOf(count + index)]);
    expect(driver.startable()).to.have.length(count);
    expect(reads() - before).to.be.at.most(3 * count);
    expect(store.row(idOf(count)).leaseOwner).to.equal(workerId);
  });
});
