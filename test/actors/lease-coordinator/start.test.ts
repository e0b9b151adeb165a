// A start creates the table and one row per shard, as the KCL does, and takes the leases without a sleep. An error that time cannot
// cure fails the start at once; every other error is retried until the deadline.
import { expect } from 'chai';
import { driveCoordinator } from '../../support/coordinator-driver.js';
import { listedStream } from '../../support/listed-stream.js';
import { memoryLeaseStore } from '../../support/memory-lease-store.js';
import type {
  LeaseCoordinatorMessage,
  CoordinatorStarted,
} from '../../../actors/lease-coordinator/lease-coordinator.js';
import { KinactError, type ErrorCode } from '../../../src/api/errors.js';

const zero = 'shardId-000000000000';
const one = 'shardId-000000000001';

describe('a lease coordinator that starts', () => {
  it('creates the table and a row for every shard, and takes the leases without a sleep', async () => {
    const store = memoryLeaseStore();
    store.tableExists = false;
    const driver = driveCoordinator({ store });
    expect(await driver.started()).to.deep.equal({ type: 'started' });
    expect(store.tableExists).to.equal(true);
    expect([...store.rows.keys()]).to.deep.equal([zero, one]);
    expect(driver.keepers.map(({ args }) => args.leaseKey)).to.have.members([zero, one]);
  });

  it('writes rows like the KCL, but with its signature and the service time as the counter', async () => {
    const driver = driveCoordinator();
    await driver.started();
    expect(driver.store.row(zero)).to.deep.equal({
      leaseKey: zero,
      leaseCounter: 1_700_000_500_000,
      ownerSwitchesSinceCheckpoint: 0,
      checkpoint: 'TRIM_HORIZON',
      checkpointSubSequenceNumber: 0,
      parentShardIds: [],
      childShardIds: [],
      startingHashKey: '0',
      endingHashKey: '170141183460469231731687303715884105727',
      kinactWriter: driver.keeper(zero).args.writer.replace(/\d+$/, '0'),
      kinactStream: 'arn:aws:kinesis:x:1:stream/orders#1700000000',
    });
  });

  it('lists the shards of its initial position if the table has no row of the stream', async () => {
    for (const [initialPosition, type] of [
      ['LATEST', 'atLatest'],
      ['TRIM_HORIZON', 'atTrimHorizon'],
      [new Date(5), 'atTimestamp'],
    ] as const) {
      const stream = listedStream();
      await driveCoordinator({ sources: [{ source: stream, initialPosition }] }).started();
      expect(stream.filters[0]).to.deep.include({ type });
    }
  });

  it('lists all shards if the table has rows, even malformed ones', async () => {
    const store = memoryLeaseStore();
    store.malformed.push({ leaseKey: zero, reason: 'leaseCounter is missing' });
    const driver = driveCoordinator({ store });
    await driver.started();
    expect(driver.stream.filters[0]).to.deep.equal({ type: 'all' });
    await driver.harness.advance(11_000);
    expect([...store.rows.keys()]).to.deep.equal([one]);
  });

  it('writes `kinactLatestAt`, the service time less two seconds, into a row at LATEST', async () => {
    const stream = listedStream();
    const driver = driveCoordinator({ stream, sources: [{ source: stream, initialPosition: 'LATEST' }] });
    await driver.started();
    expect(driver.store.row(one)).to.deep.include({ checkpoint: 'LATEST', kinactLatestAt: 1_700_000_498_000 });
  });

  it('creates rows at AT_TIMESTAMP if the initial position is a date', async () => {
    const stream = listedStream();
    const driver = driveCoordinator({
      stream,
      sources: [{ source: stream, initialPosition: new Date(1_600_000_000_000) }],
    });
    await driver.started();
    expect(driver.store.row(zero).checkpoint).to.equal('AT_TIMESTAMP');
    expect(driver.store.row(zero).kinactLatestAt).to.equal(undefined);
    expect(stream.filters[0]).to.deep.equal({ type: 'atTimestamp', timestampMs: 1_600_000_000_000 });
  });

  it('writes entityType if a row of the table already has it', async () => {
    const store = memoryLeaseStore();
    store.put({ leaseKey: zero, entityType: 'LEASE' });
    const driver = driveCoordinator({ store });
    await driver.started();
    await driver.harness.advance(11_000);
    expect(store.row(one).entityType).to.equal('LEASE');
  });

  it('gives each keeper the row as read, the hash range, an unused signature and the service time', async () => {
    const driver = driveCoordinator();
    await driver.started();
    const { args } = driver.keeper(zero);
    expect(args).to.deep.include({
      shardId: zero,
      source: 'orders',
      idempotencyPrefix: `123456789012:orders:1700000000:${zero}`,
      workerId: 'me',
      seenRow: driver.store.row(zero),
      mayNotStart: false,
      hashKeyRange: { startingHashKey: '0', endingHashKey: '170141183460469231731687303715884105727' },
      serviceTimeMs: driver.store.serviceTimeMs,
    });
    expect(args.writer.startsWith(`${args.writerPrefix}/`)).to.equal(true);
    expect(new Set(driver.keepers.map((keeper) => keeper.args.writer)).size).to.equal(2);
  });

  it('starts at the same time as two others on a missing table', async () => {
    const store = memoryLeaseStore();
    store.tableExists = false;
    const stream = listedStream({ shards: 6 });
    const drivers = ['a', 'b', 'c'].map((workerId) =>
      driveCoordinator({ store, stream, workerId, processNonce: workerId }),
    );
    for (const driver of drivers) expect(await driver.started()).to.deep.equal({ type: 'started' });
    expect(store.rows.size).to.equal(6);
  });

  for (const code of [
    'STREAM_NOT_FOUND',
    'STREAM_CHANGED',
    'ACCESS_DENIED',
    'WRONG_REGION',
    'TABLE_NOT_KCL',
    'KCL3_TABLE',
  ] as const satisfies readonly ErrorCode[]) {
    it(`fails at once on ${code}, without a retry`, async () => {
      const driver = driveCoordinator();
      const error = new KinactError(code, 'no');
      driver.store.script('ensureTable', { type: 'failBefore', error });
      expect(await driver.started()).to.deep.equal({ type: 'failed', error });
      expect(driver.harness.eventsOf('retrying')).to.deep.equal([]);
      expect(await driver.started(), 'asked again').to.deep.equal({ type: 'failed', error });
    });
  }

  it('fails at once if the scan or the first listing gets ACCESS_DENIED', async () => {
    const denied = new KinactError('ACCESS_DENIED', 'no');
    const scanning = driveCoordinator();
    scanning.store.script('scan', { type: 'failBefore', error: denied });
    expect(await scanning.started()).to.deep.equal({ type: 'failed', error: denied });
    const listing = driveCoordinator();
    listing.stream.faults.listShards.push(denied);
    expect(await listing.started()).to.deep.equal({ type: 'failed', error: denied });
    expect(listing.keepers).to.deep.equal([]);
  });

  it('creates no table for a stream that does not exist', async () => {
    const store = memoryLeaseStore();
    store.tableExists = false;
    const stream = listedStream();
    stream.faults.describe.push(new KinactError('STREAM_NOT_FOUND', 'no'));
    await driveCoordinator({ store, stream }).started();
    expect(store.tableExists).to.equal(false);
  });

  it('retries after all other errors, and reports `retrying`, until it succeeds', async () => {
    const stream = listedStream();
    stream.faults.describe.push(new Error('down'));
    const driver = driveCoordinator({ stream });
    driver.store.script('ensureTable', { type: 'failBefore' });
    driver.store.script('scan', { type: 'failBefore' });
    driver.stream.faults.listShards.push(new Error('throttled'));
    expect(await driver.started()).to.equal(undefined);
    await driver.harness.advance(20_000);
    expect(await driver.started()).to.deep.equal({ type: 'started' });
    expect(driver.harness.eventsOf('retrying').map((event) => event.operation)).to.deep.equal([
      'start',
      'start',
      'scan of the lease table',
      'shard sync',
    ]);
  });

  it('waits for a complete listing if the first one shows the middle of a reshard', async () => {
    const stream = listedStream({ shards: 1 });
    stream.split(zero);
    const whole = stream.shards;
    stream.shards = whole.slice(0, 2);
    const driver = driveCoordinator({ stream, sources: [{ source: stream, initialPosition: 'LATEST' }] });
    expect(await driver.started()).to.equal(undefined);
    expect(driver.store.rows.size).to.equal(0);
    stream.shards = whole;
    await driver.harness.advance(2_000);
    expect(await driver.started()).to.deep.equal({ type: 'started' });
    expect([...driver.store.rows.keys()]).to.deep.equal([one, 'shardId-000000000002']);
  });

  it('fails at the deadline with START_TIMEOUT, caused by the last error, and continues to try', async () => {
    const stream = listedStream();
    const cause = new Error('still down');
    for (let index = 0; index < 200; index++) stream.faults.describe.push(cause);
    const driver = driveCoordinator({ stream, startDeadlineMs: 30_000 });
    const asked = await driver.harness.ask<LeaseCoordinatorMessage, CoordinatorStarted>(
      driver.coordinator,
      (replyTo) => ({
        type: 'awaitStart',
        replyTo,
      }),
    );
    await driver.harness.advance(29_999);
    expect(asked.later()).to.equal(undefined);
    await driver.harness.advance(1);
    expect(asked.later()).to.have.nested.property('error.code', 'START_TIMEOUT');
    expect(asked.later()).to.have.nested.property('error.cause', cause);
    await driver.harness.advance(60_000);
    expect(driver.harness.endingOf(driver.coordinator), 'the one that asked decides').to.equal(undefined);
    stream.faults.describe.length = 0;
    await driver.harness.advance(6_000);
    expect(await driver.started(), 'it was tried further').to.deep.equal({ type: 'started' });
  });

  it('refuses several streams in one table without leases.multiStream', () => {
    const sources = [listedStream(), listedStream({ name: 'returns' })].map((source) => ({
      source,
      initialPosition: 'LATEST' as const,
    }));
    expect(() => driveCoordinator({ sources })).to.throw('leases.multiStream');
  });

  it('serves several streams from one table if the keys name the streams', async () => {
    const sources = [listedStream(), listedStream({ name: 'returns' })].map((source) => ({
      source,
      initialPosition: 'TRIM_HORIZON' as const,
    }));
    const driver = driveCoordinator({ sources, multiStream: true });
    expect(await driver.started()).to.deep.equal({ type: 'started' });
    expect([...driver.store.rows.keys()]).to.have.members([
      `123456789012:orders:1700000000:${zero}`,
      `123456789012:orders:1700000000:${one}`,
      `123456789012:returns:1700000000:${zero}`,
      `123456789012:returns:1700000000:${one}`,
    ]);
    expect(driver.store.row(`123456789012:returns:1700000000:${one}`)).to.deep.include({
      streamName: '123456789012:returns:1700000000',
      shardId: one,
    });
    expect(driver.keepers.map(({ args }) => args.source)).to.have.members(['orders', 'orders', 'returns', 'returns']);
  });

  it('takes no lease of a stream that is not its own', async () => {
    const store = memoryLeaseStore();
    store.put({ leaseKey: `123456789012:elsewhere:1700000000:${zero}` });
    const driver = driveCoordinator({ store, multiStream: true });
    await driver.started();
    expect(driver.keepers.map(({ args }) => args.source)).to.deep.equal(['orders', 'orders']);
  });

  it('counts an unknown message and continues', async () => {
    const driver = driveCoordinator();
    await driver.harness.tell(driver.coordinator, { type: 'nonsense' } as never);
    expect(driver.harness.counts.get('unknownMessage')).to.equal(1);
    expect(await driver.started()).to.deep.equal({ type: 'started' });
  });
});
