// A coordinator refuses a table whose rows do not fit its sources: keys of the other form, or rows of both kinds of streams in a table
// that Java workers use. And of the rows of streams that it does not read, it takes, counts, audits and removes none.
import { expect } from 'chai';
import { driveCoordinator, type CoordinatorDriver } from '../../support/coordinator-driver.js';
import { listedStream, type ListedStream } from '../../support/listed-stream.js';
import { memoryLeaseStore, type MemoryLeaseStore } from '../../support/memory-lease-store.js';
import type { CoordinatorStarted } from '../../../actors/lease-coordinator/lease-coordinator.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import { writerOf, writerPrefixOf } from '../../../src/core/writer-signature.js';
import { isKinactError } from '../../../src/api/errors.js';

const shard0 = 'shardId-000000000000';
const prefixOf = (stream: string): string => `123456789012:${stream}:1700000000`;

function row(leaseKey: string, more: Partial<LeaseRow> = {}): LeaseRow {
  return {
    leaseKey,
    checkpoint: '5',
    checkpointSubSequenceNumber: 0,
    leaseCounter: 3,
    ownerSwitchesSinceCheckpoint: 0,
    parentShardIds: [],
    childShardIds: [],
    kinactWriter: writerOf(writerPrefixOf('peer', 'p9'), 1),
    ...more,
  } as LeaseRow;
}

/** A row that a Java worker has written. */
function javaRow(leaseKey: string, more: Partial<LeaseRow> = {}): LeaseRow {
  const { kinactWriter: _, ...rest } = row(leaseKey, { leaseOwner: 'java', ...more });
  return rest;
}

/** The stream of a table. */
function changes(): ListedStream {
  const stream = listedStream({ name: 'rows', shards: 1, lineage: true });
  const { describe } = stream;
  const streamArn = 'arn:aws:dynamodb:eu-west-1:123456789012:table/rows/stream/2026-01-01T00:00:00.000';
  const streamName = 'eu-west-1$123456789012$rows$2026-01-01T00_00_00.000';
  stream.describe = async (signal) => ({ ...(await describe(signal)), streamArn, streamName, creationEpochSeconds: 0 });
  return stream;
}

function start(rows: readonly LeaseRow[], sources: readonly ListedStream[], multiStream = true): CoordinatorDriver {
  return driveCoordinator({
    store: memoryLeaseStore([...rows]),
    sources: sources.map((source) => ({ source, initialPosition: 'TRIM_HORIZON' as const })),
    multiStream,
  });
}

async function refusal(driver: CoordinatorDriver): Promise<string> {
  await driver.harness.advance(1_000);
  const outcome = (await driver.started()) as Extract<CoordinatorStarted, { type: 'failed' }>;
  expect(outcome).to.have.property('type', 'failed');
  expect(isKinactError(outcome.error) && outcome.error.code).to.equal('INVALID_OPTION');
  return outcome.error.message;
}

async function starts(driver: CoordinatorDriver): Promise<void> {
  await driver.harness.advance(1_000);
  expect(await driver.started()).to.deep.equal({ type: 'started' });
}

const writesOf = (store: MemoryLeaseStore): string[] =>
  store.calls
    .map(({ operation }) => operation)
    .filter((operation) => !['scan', 'get', 'ensureTable'].includes(operation));

describe('a lease table whose keys have the other form', () => {
  it('is refused, without a write, by the name of a row', async () => {
    const single = start([row('shardId-000000000007')], [listedStream({ shards: 1 })]);
    expect(await refusal(single))
      .to.include("'shardId-000000000007'")
      .and.include('leases.multiStream is true');
    expect(writesOf(single.store)).to.deep.equal([]);
    const multi = start([row(`${prefixOf('else')}:${shard0}`)], [listedStream({ shards: 1 })], false);
    expect(await refusal(multi))
      .to.include(`'${prefixOf('else')}:${shard0}'`)
      .and.include('leases.multiStream is not set');
    expect(writesOf(multi.store)).to.deep.equal([]);
  });

  it('is used if only the scan still shows such a row', async () => {
    const driver = start([row('shardId-000000000007')], [listedStream({ shards: 1 })]);
    const { get } = driver.store;
    driver.store.get = async (leaseKey, signal) => (leaseKey.includes(':') ? get(leaseKey, signal) : undefined);
    await driver.harness.advance(300);
    driver.store.rows.delete('shardId-000000000007');
    await driver.harness.advance(5_000);
    expect(await driver.started()).to.deep.equal({ type: 'started' });
  });

  it('does not end a coordinator that has worked', async () => {
    const driver = start([], [listedStream({ shards: 1 })]);
    await starts(driver);
    driver.store.put(row('shardId-000000000007'));
    await driver.harness.advance(130_000);
    expect(driver.status().phase).to.equal('running');
    for (const name of ['sourceFailed', 'retrying'] as const) expect(driver.harness.eventsOf(name)).to.deep.equal([]);
  });
});

describe('a lease table of both kinds of streams', () => {
  const ofTable = 'eu-west-1$123456789012$other$2026-01-01T00_00_00.000';
  const tableRow = `123456789012:${ofTable}:1:${shard0}`;

  it('is refused if a Java worker has a row in it', async () => {
    const both = start([javaRow(`${prefixOf('else')}:${shard0}`)], [listedStream({ shards: 1 }), changes()]);
    expect(await refusal(both))
      .to.include('Java workers')
      .and.include(`${prefixOf('else')}:${shard0}`);
    const kinesis = start([javaRow(tableRow)], [listedStream({ shards: 1 })]);
    expect(await refusal(kinesis)).to.include(tableRow);
    const { leaseOwner: _, ...free } = javaRow(`${prefixOf('else')}:${shard0}`);
    expect(await refusal(start([free], [changes()]))).to.include(`${prefixOf('else')}:${shard0}`);
    for (const { store } of [both, kinesis]) expect(writesOf(store)).to.deep.equal([]);
  });

  it('is used if all its workers are of kinact, or all its streams of one kind', async () => {
    await starts(
      start([row(`${prefixOf('else')}:${shard0}`, { leaseOwner: 'peer' })], [listedStream({ shards: 1 }), changes()]),
    );
    await starts(start([javaRow(`${prefixOf('else')}:${shard0}`)], [listedStream({ shards: 1 })]));
    await starts(start([javaRow(tableRow)], [changes()]));
  });
});

describe('rows of streams that a worker does not read', () => {
  const foreign = (id: number, more: Partial<LeaseRow> = {}): LeaseRow =>
    row(`${prefixOf('else')}:shardId-00000000000${id}`, more);

  it('are not taken, not counted, not audited and not removed', async () => {
    const parent = foreign(0, { checkpoint: 'SHARD_END', childShardIds: ['shardId-000000000001'] });
    const child = foreign(1, { parentShardIds: [shard0], checkpoint: '900' });
    const others = Array.from({ length: 7 }, (_, index) => foreign(index + 2, { leaseOwner: `peer-${index}` }));
    const driver = start([parent, child, ...others], [listedStream({ shards: 4 })]);
    await starts(driver);
    await driver.takenAll();
    await driver.harness.advance(700_000);
    const leases = [0, 1, 2, 3].map((index) => `${prefixOf('orders')}:shardId-00000000000${index}`);
    // Seven workers hold leases of the other stream. If they counted, this worker would leave half of its leases to them.
    expect(driver.keepers.map(({ args }) => args.leaseKey)).to.have.members(leases);
    expect(
      driver
        .status()
        .leases.filter(({ here }) => here !== undefined)
        .map(({ leaseKey }) => leaseKey),
    ).to.have.members(leases);
    for (const left of [parent, child, ...others]) expect(driver.store.row(left.leaseKey)).to.deep.equal(left);
    expect(driver.harness.eventsOf('leaseHole')).to.deep.equal([]);
    const touched = driver.store.calls.filter(({ leaseKey = '' }) => leaseKey.startsWith(prefixOf('else')));
    expect(touched).to.deep.equal([]);
  });

  it('are not created again when they vanish', async () => {
    const driver = start([foreign(0), foreign(1)], [listedStream({ shards: 1 })]);
    await starts(driver);
    driver.store.rows.delete(foreign(0).leaseKey);
    await driver.harness.advance(300_000);
    expect([...driver.store.rows.keys()]).to.have.members([foreign(1).leaseKey, `${prefixOf('orders')}:${shard0}`]);
    expect(driver.harness.eventsOf('warning')).to.deep.equal([]);
  });
});
