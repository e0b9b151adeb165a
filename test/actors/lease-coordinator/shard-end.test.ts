// A shard ends only after a listing shows it closed and its children have rows. One listing is not enough to count a shard as gone.
// Each test sets the listings, the state of the stream and the rows.
import { expect } from 'chai';
import { driveCoordinator, type CoordinatorDriver, holdingAll } from '../../support/coordinator-driver.js';
import { listedStream, type ListedStream } from '../../support/listed-stream.js';
import { leaseRow, memoryLeaseStore } from '../../support/memory-lease-store.js';
import { KinactError } from '../../../src/api/errors.js';
import type { ChildShard, Shard } from '../../../src/api/ports.js';

const zero = 'shardId-000000000000';
const one = 'shardId-000000000001';
const two = 'shardId-000000000002';
const three = 'shardId-000000000003';
const failoverMs = 10_000;

const child = (shardId: string, ...parentShards: string[]): ChildShard => ({ shardId, parentShards });
const warnings = (driver: CoordinatorDriver): string[] =>
  driver.harness.eventsOf('warning').map((event) => event.message);
/** As the service lists a stream when the retention of a closed shard has passed. */
const forget = (stream: ListedStream, ...shardIds: readonly string[]): Shard[] =>
  (stream.shards = stream.shards.filter(({ shardId }) => !shardIds.includes(shardId)));

describe('a coordinator that is asked for the end of a shard', () => {
  it('creates child rows at TRIM_HORIZON with parents, hash range and `kinactLatestAt`', async () => {
    const stream = listedStream({ shards: 1 });
    const driver = await holdingAll({ stream, sources: [{ source: stream, initialPosition: 'LATEST' }] });
    const children = stream.split(zero);
    const plan = await driver.askEnd(zero, { children: [child(one, zero), child(two, zero)] });
    expect(plan).to.deep.equal({ type: 'ready', childShardIds: children });
    expect(driver.store.row(one)).to.deep.include({
      checkpoint: 'TRIM_HORIZON',
      parentShardIds: [zero],
      startingHashKey: '0',
      endingHashKey: '170141183460469231731687303715884105727',
      childShardIds: [],
      kinactLatestAt: 1_700_000_498_000,
      leaseCounter: driver.store.serviceTimeMs,
    });
  });

  it('answers `blocked`, then `readOn`, while listings show the shard open, even if the reader named children', async () => {
    const stream = listedStream({ shards: 1 });
    const driver = await holdingAll({ stream });
    const children = [child(one, zero), child(two, zero)];
    for (let look = 0; look < 2; look += 1)
      expect(await driver.askEnd(zero, { children }), 'the listing may lag').to.include({ type: 'blocked' });
    expect(await driver.askEnd(zero, { children })).to.include({ type: 'readOn' });
    expect(driver.harness.eventsOf('retrying').at(-1)).to.deep.include({
      operation: 'end of the shard',
      shardId: zero,
    });
    expect(driver.store.rows.has(one)).to.equal(false);
  });

  it('creates rows for all children that the listing shows or the reader has named', async () => {
    const stream = listedStream({ shards: 1 });
    const driver = await holdingAll({ stream });
    stream.split(zero);
    const plan = await driver.askEnd(zero, { children: [child(three, zero)] });
    expect(plan).to.deep.equal({ type: 'ready', childShardIds: [three, one, two] });
    for (const shardId of [one, two, three]) expect(driver.store.row(shardId).checkpoint).to.equal('TRIM_HORIZON');
  });

  it('answers `blocked` until both parents of a merge child have rows, and has a missing row created', async () => {
    const stream = listedStream();
    const driver = await holdingAll({ stream });
    await driver.harness.advance(5_000);
    stream.merge(zero, one);
    driver.store.rows.delete(one);
    const children = [child(two, zero, one)];
    expect(await driver.askEnd(zero, { children })).to.deep.include({
      type: 'blocked',
      reason: `shard ${one}, merged with ${zero} into ${two}, has no lease yet`,
    });
    expect(driver.store.rows.has(two)).to.equal(false);
    // The keeper that holds this lease has failoverMs to create the row again.
    await driver.harness.advance(12_000);
    expect(driver.store.row(one).checkpoint).to.equal('TRIM_HORIZON');
    expect(await driver.askEnd(zero, { children })).to.deep.equal({ type: 'ready', childShardIds: [two] });
    expect(driver.store.row(two).parentShardIds).to.deep.equal([zero, one]);
  });

  it('waits for no merge partner that has no row and is missing in two complete listings', async () => {
    const stream = listedStream();
    const driver = await holdingAll({ stream });
    stream.merge(zero, one);
    driver.store.rows.delete(one);
    forget(stream, one);
    expect(await driver.askEnd(zero)).to.include({ type: 'blocked', retryMs: failoverMs });
    await driver.harness.advance(failoverMs / 2);
    expect(await driver.askEnd(zero)).to.include({ type: 'blocked' });
    await driver.harness.advance(failoverMs / 2);
    expect(await driver.askEnd(zero)).to.deep.equal({ type: 'ready', childShardIds: [two] });
    expect(driver.store.row(two)).to.deep.include({ checkpoint: 'TRIM_HORIZON', parentShardIds: [zero, one] });
  });

  it('counts a merge partner with a malformed row as present', async () => {
    const stream = listedStream();
    const driver = await holdingAll({ stream });
    stream.merge(zero, one);
    driver.store.rows.delete(one);
    driver.store.script('get', { type: 'failBefore', error: new KinactError('MALFORMED_LEASE', 'garbage') }, one);
    expect(await driver.askEnd(zero)).to.deep.equal({ type: 'ready', childShardIds: [two] });
  });

  it('answers `blocked` until a read confirms that the row of a child exists', async () => {
    const stream = listedStream({ shards: 1 });
    const driver = await holdingAll({ stream });
    const children = stream.split(zero);
    // As after a wrong answer of the table, or after another process has deleted the row.
    driver.store.script('create', { type: 'meanwhile', act: () => driver.store.put({ leaseKey: one }) }, one);
    driver.store.script('get', { type: 'meanwhile', act: () => {} }, one);
    driver.store.script('get', { type: 'meanwhile', act: () => driver.store.rows.delete(one) }, one);
    expect(await driver.askEnd(zero)).to.include({ type: 'blocked' });
    expect(driver.store.rows.has(one)).to.equal(false);
    expect(await driver.askEnd(zero)).to.deep.equal({ type: 'ready', childShardIds: children });
    expect(driver.store.row(one).checkpoint).to.equal('TRIM_HORIZON');
  });

  it('leaves child rows that exist as they are', async () => {
    const stream = listedStream();
    const driver = await holdingAll({ stream });
    const childShardIds = stream.split(zero);
    driver.store.put({ leaseKey: two, checkpoint: '4711', parentShardIds: [zero] });
    expect(await driver.askEnd(zero)).to.deep.equal({ type: 'ready', childShardIds });
    expect(driver.store.row(two).checkpoint).to.equal('4711');
  });

  it('accepts that a closed shard has no children only at the sixth look, and warns', async () => {
    const stream = listedStream({ hashRanges: false });
    const driver = await holdingAll({ stream });
    const [ending, other] = stream.shards;
    stream.shards = [{ ...ending!, endingSequenceNumber: '5' }, other!];
    for (let look = 0; look < 5; look++) expect(await driver.askEnd(zero)).to.include({ type: 'blocked' });
    expect(await driver.askEnd(zero)).to.deep.equal({ type: 'ready', childShardIds: [] });
    expect(warnings(driver)[0]).to.include('no child of it is listed');
  });

  it('accepts no end without children while no other shard has the hash keys', async () => {
    const stream = listedStream({ shards: 1 });
    const driver = await holdingAll({ stream });
    stream.shards = [{ ...stream.shards[0]!, endingSequenceNumber: '5' }];
    for (let look = 0; look < 20; look++) expect(await driver.askEnd(zero)).to.include({ type: 'blocked' });
  });

  it('answers `blocked` and reports `retrying` if the table fails, and `ready` at the next request', async () => {
    const stream = listedStream();
    const driver = await holdingAll({ stream });
    stream.split(zero);
    driver.store.script('create', { type: 'failBefore' });
    expect(await driver.askEnd(zero)).to.include({ type: 'blocked' });
    expect(driver.harness.eventsOf('retrying')[0]).to.deep.include({
      operation: 'end of the shard',
      source: 'orders',
      shardId: zero,
    });
    expect(await driver.askEnd(zero)).to.include({ type: 'ready' });
  });

  it('answers `blocked` and reports `retrying` if a listing or a description fails, and then `ready`', async () => {
    for (const call of ['listShards', 'describe'] as const) {
      const stream = listedStream();
      const driver = await holdingAll({ stream });
      stream.split(zero);
      stream.faults[call].push(new Error('not now'));
      expect(await driver.askEnd(zero)).to.include({ type: 'blocked' });
      expect(driver.harness.eventsOf('retrying')).to.have.length(1);
      expect(await driver.askEnd(zero)).to.include({ type: 'ready' });
    }
  });

  it('answers `blocked` and creates no child rows for a lease that is not held', async () => {
    const driver = await holdingAll();
    expect(await driver.askEnd('nobody', { children: [child(two, zero)] })).to.include({ type: 'blocked' });
    expect(driver.store.rows.has(two)).to.equal(false);
  });

  it('answers `blocked` and fails the source if the row is of another stream', async () => {
    const stream = listedStream();
    const driver = await holdingAll({ stream });
    stream.split(zero);
    const { describe } = stream;
    stream.describe = async (signal) => ({ ...(await describe(signal)), creationEpochSeconds: 1_800_000_000 });
    expect(await driver.askEnd(zero)).to.include({ type: 'blocked' });
    await driver.harness.advance(2_000);
    const said = driver.harness.eventsOf('sourceFailed').at(-1) as { error: KinactError };
    expect(said.error).to.have.property('code', 'STREAM_CHANGED');
    expect(driver.store.rows.has(two), 'nothing is written').to.equal(false);
  });

  it('answers `blocked` while the stream is being created or deleted', async () => {
    for (const status of ['CREATING', 'DELETING'] as const) {
      const stream = listedStream();
      const driver = await holdingAll({ stream });
      stream.split(zero);
      const { describe } = stream;
      stream.describe = async (signal) => ({ ...(await describe(signal)), status });
      expect(await driver.askEnd(zero)).to.deep.include({ type: 'blocked', reason: `the stream is ${status}` });
    }
  });

  it('lists the stream at most three times for fifty shards that end at the same time', async () => {
    const stream = listedStream({ shards: 50 });
    const driver = await holdingAll({ stream });
    for (const { shardId } of stream.shards.slice(0, 50)) stream.split(shardId);
    const listings = stream.filters.length;
    const later = await Promise.all(
      [...driver.keepers].map(({ args: { leaseKey } }) =>
        driver.harness.ask(driver.coordinator, (replyTo) => ({
          type: 'askShardEnd' as const,
          leaseKey,
          notFound: false,
          replyTo,
        })),
      ),
    );
    await driver.harness.advance(1_000);
    for (const each of later) expect(each.later()).to.include({ type: 'ready' });
    expect(stream.filters.length - listings).to.be.at.most(3);
  });
});

describe('a shard that its reader does not find', () => {
  /** A shard with children that is not listed any more. */
  async function forgotten(): Promise<{ driver: CoordinatorDriver; stream: ListedStream; children: string[] }> {
    const stream = listedStream();
    const driver = await holdingAll({ stream });
    const children = stream.split(zero);
    forget(stream, zero);
    return { driver, stream, children };
  }
  const notFound = { notFound: true, position: { sequenceNumber: '7', subSequenceNumber: 2 } };

  it('does not end while a listing shows it, open or closed', async () => {
    const stream = listedStream();
    const driver = await holdingAll({ stream });
    expect(await driver.askEnd(zero, notFound)).to.include({ type: 'readOn' });
    stream.split(zero);
    expect(await driver.askEnd(zero, notFound)).to.include({ type: 'readOn' });
    expect(driver.store.rows.has(two)).to.equal(false);
  });

  it('is gone after two complete listings, failoverMs apart: children get rows, `trimmed` reports the loss', async () => {
    const { driver, children } = await forgotten();
    expect(await driver.askEnd(zero, notFound)).to.include({ type: 'blocked', retryMs: failoverMs });
    await driver.harness.advance(failoverMs - 500);
    expect(await driver.askEnd(zero, notFound)).to.include({ type: 'blocked' });
    expect(driver.store.rows.has(children[0]!)).to.equal(false);
    await driver.harness.advance(500);
    expect(await driver.askEnd(zero, notFound)).to.deep.equal({ type: 'ready', childShardIds: children });
    for (const shardId of children) expect(driver.store.row(shardId).checkpoint).to.equal('TRIM_HORIZON');
    expect(driver.harness.eventsOf('trimmed')).to.deep.equal([
      { source: 'orders', shardId: zero, sequenceNumber: '7', subSequenceNumber: 2, certain: false },
    ]);
    expect(warnings(driver)[0]).to.include('is no longer listed');
  });

  it('is not gone if a listing between the two shows it', async () => {
    const { driver, stream } = await forgotten();
    const without = stream.shards;
    await driver.askEnd(zero, notFound);
    stream.shards = [
      { shardId: zero, startingSequenceNumber: '1', endingSequenceNumber: '2' },
      ...without.map((shard) => ({ ...shard })),
    ];
    expect(await driver.askEnd(zero, notFound)).to.include({ type: 'readOn' });
    stream.shards = without;
    await driver.harness.advance(failoverMs);
    expect(await driver.askEnd(zero, notFound)).to.include({ type: 'blocked' });
  });

  it('is not gone if the listings are incomplete', async () => {
    const incomplete: Record<string, (shards: readonly Shard[]) => Shard[]> = {
      'an empty one': () => [],
      'one that leaves hash keys out': (shards) => shards.slice(0, -1),
      'one whose open shard has a child': (shards) => [
        ...shards,
        { ...shards[0]!, shardId: 'child', parentShardId: shards[0]!.shardId },
      ],
    };
    for (const [what, cut] of Object.entries(incomplete)) {
      const { driver, stream } = await forgotten();
      stream.shards = cut(stream.shards);
      for (let look = 0; look < 4; look += 1) {
        expect(await driver.askEnd(zero, notFound), what).to.include({ type: 'blocked' });
        await driver.harness.advance(failoverMs);
      }
      expect(driver.harness.eventsOf('trimmed')).to.deep.equal([]);
    }
  });

  it('is not gone while its parent is listed as open', async () => {
    const stream = listedStream({ shards: 1 });
    const store = memoryLeaseStore([
      leaseRow({ leaseKey: zero, checkpoint: 'SHARD_END' }),
      leaseRow({ leaseKey: one, parentShardIds: [zero], checkpoint: '5' }),
    ]);
    const driver = driveCoordinator({ stream, store });
    await driver.started();
    await driver.taken(one);
    for (let look = 0; look < 3; look += 1) {
      expect(await driver.askEnd(one, notFound)).to.include({ type: 'blocked' });
      await driver.harness.advance(failoverMs);
    }
  });
});

describe('a closed shard that was never read', () => {
  const ended = async (createdSeconds: number, parentIsListed: boolean): Promise<unknown[]> => {
    const stream = listedStream({ shards: 1 });
    stream.serviceTimeMs = 1_700_000_000_000;
    const { describe } = stream;
    stream.describe = async (signal) => ({ ...(await describe(signal)), creationEpochSeconds: createdSeconds });
    const [left] = stream.split(zero);
    stream.split(left);
    if (!parentIsListed) forget(stream, zero);
    const row = leaseRow({ leaseKey: left, parentShardIds: [zero] });
    const driver = driveCoordinator({ stream, store: memoryLeaseStore([row, leaseRow({ leaseKey: two })]) });
    await driver.started();
    await driver.taken(left);
    expect(await driver.askEnd(left)).to.include({ type: 'ready' });
    return driver.harness.eventsOf('trimmed');
  };
  const aWeekAgo = 1_700_000_000 - 7 * 86_400;

  it('causes `trimmed`, without a position, if it may be older than the retention', async () => {
    expect(await ended(aWeekAgo, false)).to.deep.equal([{ source: 'orders', shardId: one, certain: false }]);
  });

  it('causes no `trimmed` if its parent is listed, or the stream is younger than the shortest retention', async () => {
    expect(await ended(aWeekAgo, true)).to.deep.equal([]);
    expect(await ended(1_700_000_000 - 3_600, false)).to.deep.equal([]);
  });
});
