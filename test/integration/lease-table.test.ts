// Each write to a row is conditional and has exactly one winner. Attributes that Java wrote stay as they are. A refusal shows the
// current row. The server is dynalite.
import { DeleteItemCommand, DynamoDBClient, PutItemCommand, type AttributeValue } from '@aws-sdk/client-dynamodb';
import { expect } from 'chai';
import { openLeaseTable, type LeaseTableOptions } from '../../src/aws/dynamodb/lease-table.js';
import type { LeaseRow } from '../../src/core/lease.js';
import { isKinactError } from '../../src/api/errors.js';
import type { LeaseStore } from '../../src/api/ports.js';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { faultyProxy } from '../support/faulty-proxy.js';
import { readStrictly, snapshotTable } from '../support/strict-lease-reader.js';

const signal = new AbortController().signal;
const harness: Pick<LeaseTableOptions, 'clock' | 'timers'> = {
  clock: { now: () => performance.now(), wallNow: () => Date.now() },
  timers: {
    after(ms, callback) {
      const timer = setTimeout(callback, ms);
      return () => clearTimeout(timer);
    },
  },
};

function rowOf(leaseKey: string, more: Partial<LeaseRow> = {}): LeaseRow {
  return {
    leaseKey,
    leaseCounter: 100,
    ownerSwitchesSinceCheckpoint: 0,
    checkpoint: 'TRIM_HORIZON',
    checkpointSubSequenceNumber: 0,
    parentShardIds: [],
    childShardIds: [],
    startingHashKey: '0',
    endingHashKey: '340282366920938463463374607431768211455',
    kinactWriter: 'p0/0',
    ...more,
  };
}

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('it was expected to reject');
}

describe('the lease table on dynalite', () => {
  let servers: LocalServers;
  let raw: DynamoDBClient;
  let tables = 0;
  let tableName: string;
  let table: LeaseStore;
  const opened: LeaseStore[] = [];

  const open = (more: Partial<LeaseTableOptions> = {}): LeaseStore => {
    const { region, credentials } = servers.clientConfig.dynamodb;
    const store = openLeaseTable({ tableName, region, credentials, endpoint: servers.dynamodb, ...harness, ...more });
    opened.push(store);
    return store;
  };
  const putRaw = (item: Record<string, AttributeValue>): Promise<unknown> =>
    raw.send(new PutItemCommand({ TableName: tableName, Item: item }));

  before(async () => {
    servers = await startLocalServers();
    raw = new DynamoDBClient(servers.clientConfig.dynamodb);
  });
  after(async () => {
    for (const store of opened) store.close();
    raw.destroy();
    await servers.stop();
  });
  beforeEach(async () => {
    tableName = `leases-${++tables}`;
    table = open();
    await table.ensureTable(signal);
  });

  it('returns created rows by scan and by get, with the time of the service', async () => {
    const parent = rowOf('shardId-0', { checkpoint: 'SHARD_END', childShardIds: ['shardId-1', 'shardId-2'] });
    const child = rowOf('shardId-1', {
      parentShardIds: ['shardId-0'],
      kinactLatestAt: 1_700_000_000_000,
      leaseOwner: 'w',
    });
    expect(await table.create(parent, signal)).to.equal('created');
    expect(await table.create(child, signal)).to.equal('created');
    const fromMs = Math.floor(Date.now() / 1_000) * 1_000;
    const { rows, malformed, serviceTimeMs } = await table.scan(signal);
    expect([...rows].sort((a, b) => a.leaseKey.localeCompare(b.leaseKey))).to.deep.equal([parent, child]);
    expect(malformed).to.deep.equal([]);
    expect(serviceTimeMs).to.be.within(fromMs, Date.now());
    expect(await table.get('shardId-1', signal)).to.deep.equal(child);
    expect(await table.get('shardId-9', signal)).to.equal(undefined);
    await readStrictly(raw, tableName, { expectKinact: true });
  });

  it('creates no row over an existing row', async () => {
    await table.create(rowOf('s', { leaseCounter: 7 }), signal);
    expect(await table.create(rowOf('s', { leaseCounter: 1 }), signal)).to.equal('exists');
    expect((await table.get('s', signal))?.leaseCounter).to.equal(7);
  });

  it('scans every page', async () => {
    const keys = Array.from({ length: 10 }, (_, index) => `shardId-${index}`);
    for (const key of keys) await table.create(rowOf(key), signal);
    const { rows } = await open({ scanPageItems: 3 }).scan(signal);
    expect(rows.map((row) => row.leaseKey).sort()).to.deep.equal(keys);
  });

  it('reports malformed rows with a reason, skips rows of other kinds and reads the rest', async () => {
    await table.create(rowOf('good'), signal);
    await putRaw({ leaseKey: { S: 'no-counter' }, checkpoint: { S: '1' } });
    await putRaw({
      leaseKey: { S: 'owner-null' },
      leaseCounter: { N: '1' },
      checkpoint: { S: '1' },
      leaseOwner: { NULL: true },
    });
    await putRaw({ leaseKey: { S: 'wid' }, entityType: { S: 'WORKER_METRIC_STATS' }, lut: { N: '1' } });
    const { rows, malformed } = await table.scan(signal);
    expect(rows.map((row) => row.leaseKey)).to.deep.equal(['good']);
    expect([...malformed].sort((a, b) => a.leaseKey.localeCompare(b.leaseKey))).to.deep.equal([
      { leaseKey: 'no-counter', reason: 'leaseCounter is missing' },
      { leaseKey: 'owner-null', reason: 'leaseOwner is not of type S but NULL' },
    ]);
    expect(await rejection(table.get('no-counter', signal))).to.include({ code: 'MALFORMED_LEASE' });
  });

  it('takes, renews, checkpoints and releases the row of a Java worker, and keeps its foreign attributes', async () => {
    await putRaw({
      leaseKey: { S: 'shardId-1' },
      leaseCounter: { N: '4711' },
      leaseOwner: { S: 'java' },
      ownerSwitchesSinceCheckpoint: { N: '2' },
      checkpoint: { S: '41' },
      checkpointSubSequenceNumber: { N: '0' },
      parentShardId: { SS: ['shardId-0'] },
      pendingCheckpoint: { S: '42' },
      pendingCheckpointSubSequenceNumber: { N: '0' },
      pendingCheckpointState: { B: new Uint8Array([1, 2]) },
      startingHashKey: { S: '0' },
      endingHashKey: { S: '9' },
      throughputKBps: { N: '12.5' },
      team: { M: { name: { S: 'blue' }, none: { NULL: true } } },
      count: { N: '1' },
    });
    const before = await snapshotTable(raw, tableName);
    const taken = await table.update(
      'shardId-1',
      {
        expected: { counter: 4711 },
        change: { leaseOwner: 'me', countOwnerSwitch: true, kinactLatestAt: 5 },
        writer: 'p1/1',
      },
      signal,
    );
    expect(taken).to.deep.equal({ type: 'written', counter: 4712 });
    expect(await table.get('shardId-1', signal)).to.include({
      leaseOwner: 'me',
      ownerSwitchesSinceCheckpoint: 3,
      kinactWriter: 'p1/1',
      kinactLatestAt: 5,
    });
    expect(
      await table.update(
        'shardId-1',
        { expected: { counter: 4712 }, change: { kinactLatestAt: 6 }, writer: 'p1/2' },
        signal,
      ),
    ).to.deep.equal({
      type: 'written',
      counter: 4713,
    });
    expect(await table.get('shardId-1', signal)).to.include({
      leaseCounter: 4713,
      kinactWriter: 'p1/2',
      kinactLatestAt: 5,
      checkpoint: '41',
    });
    const checkpoint = { checkpoint: '42', subSequenceNumber: 7 };
    await table.update(
      'shardId-1',
      { expected: { counter: 4713, owner: 'me' }, change: { checkpoint, leaseOwner: null }, writer: 'p1/3' },
      signal,
    );
    expect(await table.get('shardId-1', signal)).to.deep.equal({
      leaseKey: 'shardId-1',
      leaseCounter: 4714,
      ownerSwitchesSinceCheckpoint: 0,
      checkpoint: '42',
      checkpointSubSequenceNumber: 7,
      parentShardIds: ['shardId-0'],
      childShardIds: [],
      startingHashKey: '0',
      endingHashKey: '9',
      kinactLatestAt: 5,
      kinactWriter: 'p1/3',
    });
    const after = await readStrictly(raw, tableName, { before, afterCleanStop: true, expectKinact: true });
    expect(after.get('shardId-1')).to.not.have.any.keys(
      'pendingCheckpoint',
      'pendingCheckpointSubSequenceNumber',
      'pendingCheckpointState',
      'leaseOwner',
    );
  });

  it('ends a shard in one write of checkpoint and children, and keeps the owner', async () => {
    await table.create(rowOf('s', { leaseOwner: 'me' }), signal);
    const change = {
      checkpoint: { checkpoint: 'SHARD_END', subSequenceNumber: 0 },
      childShardIds: ['a', 'b'],
    };
    expect(
      await table.update('s', { expected: { counter: 100, owner: 'me' }, change, writer: 'p1/1' }, signal),
    ).to.deep.equal({
      type: 'written',
      counter: 101,
    });
    const row = await table.get('s', signal);
    expect(row).to.include({ checkpoint: 'SHARD_END', leaseOwner: 'me' });
    expect(row?.childShardIds).to.have.members(['a', 'b']);
  });

  it('writes meta-information without changing the counter, and only to an existing row', async () => {
    await putRaw({
      leaseKey: { S: 's' },
      leaseCounter: { N: '5' },
      checkpoint: { S: 'LATEST' },
      kinactLatestAt: { N: '3' },
    });
    const meta = {
      childShardIds: ['c'],
      hashKeyRange: { startingHashKey: '0', endingHashKey: '9' },
      kinactLatestAt: 8,
    };
    expect(await table.updateMeta('s', meta, signal)).to.equal(true);
    expect(await table.get('s', signal)).to.deep.include({
      leaseCounter: 5,
      childShardIds: ['c'],
      startingHashKey: '0',
      endingHashKey: '9',
      kinactLatestAt: 3,
    });
    for (const [given, kept] of [
      [5, 5],
      [3, 5],
      [7, 7],
    ] as const) {
      await table.updateMeta('s', { kinactAutoAt: given }, signal);
      expect(await table.get('s', signal)).to.include({ kinactAutoAt: kept, leaseCounter: 5 });
    }
    expect(await table.updateMeta('s', {}, signal)).to.equal(true);
    for (const nothing of [meta, {}]) expect(await table.updateMeta('gone', nothing, signal)).to.equal(false);
    expect(await table.get('gone', signal)).to.equal(undefined);
  });

  it('refuses a write with the current row, or without one if the row is gone', async () => {
    await table.create(rowOf('s', { leaseOwner: 'other' }), signal);
    const current = await table.get('s', signal);
    expect(await table.update('s', { expected: { counter: 99 }, change: {}, writer: 'p1/1' }, signal)).to.deep.equal({
      type: 'refused',
      current,
    });
    expect(
      await table.update('s', { expected: { counter: 100, owner: 'me' }, change: {}, writer: 'p1/1' }, signal),
    ).to.deep.equal({
      type: 'refused',
      current,
    });
    for (const expected of [
      { counter: 100, writer: 'p1/1' },
      { counter: 100, owner: null },
    ])
      expect(await table.update('s', { expected, change: {}, writer: 'p1/1' }, signal)).to.deep.equal({
        type: 'refused',
        current,
      });
    expect(await table.get('s', signal)).to.deep.equal(current);
    expect(await table.update('gone', { expected: { counter: 1 }, change: {}, writer: 'p1/1' }, signal)).to.deep.equal({
      type: 'refused',
      current: undefined,
    });
    expect(await table.get('gone', signal)).to.equal(undefined);
  });

  it('deletes a row only at the expected counter', async () => {
    await table.create(rowOf('s'), signal);
    expect(await table.delete('s', 99, signal)).to.equal(false);
    expect(await table.get('s', signal)).to.not.equal(undefined);
    expect(await table.delete('s', 100, signal)).to.equal(true);
    expect(await table.get('s', signal)).to.equal(undefined);
    expect(await table.delete('s', 100, signal)).to.equal(false);
  });

  it('writes entityType only if the table already shows it', async () => {
    await table.create(rowOf('plain'), signal);
    await table.scan(signal);
    await table.create(rowOf('plain-2'), signal);
    expect(await table.get('plain-2', signal)).to.not.have.property('entityType');
    await table.create(rowOf('typed', { entityType: 'LEASE' }), signal);
    await table.scan(signal);
    await table.create(rowOf('typed-2'), signal);
    expect(await table.get('typed-2', signal)).to.include({ entityType: 'LEASE' });
  });

  it('has exactly one winner when four workers take one lease, and shows the winner to the losers', async () => {
    const workers = Array.from({ length: 4 }, (_, index) => ({ name: `w${index}`, store: open() }));
    await table.create(rowOf('s'), signal);
    let counter = 100;
    for (let round = 0; round < 20; round++) {
      const outcomes = await Promise.all(
        workers.map(({ name, store }) =>
          store.update(
            's',
            { expected: { counter }, change: { leaseOwner: name, countOwnerSwitch: true }, writer: `${name}/${round}` },
            signal,
          ),
        ),
      );
      const winners = workers.filter((_, index) => outcomes[index]?.type === 'written');
      expect(winners.length).to.equal(1);
      counter += 1;
      for (const outcome of outcomes) {
        if (outcome.type === 'written') expect(outcome.counter).to.equal(counter);
        else
          expect(outcome.current).to.include({
            leaseOwner: winners[0]?.name,
            leaseCounter: counter,
            kinactWriter: `${winners[0]?.name}/${round}`,
          });
      }
    }
    expect(await table.get('s', signal)).to.include({ leaseCounter: 120, ownerSwitchesSinceCheckpoint: 20 });
  });

  it('has exactly one creator when four workers create one row', async () => {
    const workers = Array.from({ length: 4 }, () => open());
    for (let round = 0; round < 20; round++) {
      const outcomes = await Promise.all(workers.map((store) => store.create(rowOf(`s${round}`), signal)));
      expect(outcomes.filter((outcome) => outcome === 'created').length).to.equal(1);
    }
  });

  it('reports an unknown outcome if the reply to a write is lost, and shows the row later', async () => {
    const proxy = await faultyProxy(servers.dynamodb);
    try {
      const lossy = open({ endpoint: proxy.endpoint });
      await lossy.create(rowOf('s', { leaseOwner: 'me' }), signal);
      const write = { checkpoint: { checkpoint: '42', subSequenceNumber: 0 } };
      const lost = proxy.dropNextReply();
      const error = await rejection(
        lossy.update('s', { expected: { counter: 100 }, change: write, writer: 'p1/1' }, signal),
      );
      await lost;
      expect(isKinactError(error) && error.data.outcomeUnknown).to.equal(true);
      expect(error).to.include({ code: 'AWS_ERROR', retryable: true });
      const again = await lossy.update('s', { expected: { counter: 100 }, change: write, writer: 'p1/2' }, signal);
      expect(again.type).to.equal('refused');
      expect(again)
        .to.have.property('current')
        .that.includes({ leaseCounter: 101, kinactWriter: 'p1/1', leaseOwner: 'me', checkpoint: '42' });
    } finally {
      await proxy.close();
    }
  });

  it('rejects a read as retryable if the reply is lost, without an unknown outcome', async () => {
    const proxy = await faultyProxy(servers.dynamodb);
    try {
      const lossy = open({ endpoint: proxy.endpoint });
      void proxy.dropNextReply();
      const error = await rejection(lossy.scan(signal));
      expect(error).to.include({ code: 'AWS_ERROR', retryable: true });
      expect(isKinactError(error) && error.data.outcomeUnknown).to.equal(undefined);
    } finally {
      await proxy.close();
    }
  });

  it('reports no unknown outcome if the server cannot be reached', async () => {
    const proxy = await faultyProxy(servers.dynamodb);
    await proxy.close();
    const error = await rejection(
      open({ endpoint: proxy.endpoint }).update('s', { expected: { counter: 1 }, change: {}, writer: 'p1/1' }, signal),
    );
    expect(error).to.include({ code: 'AWS_ERROR', retryable: true });
    expect(isKinactError(error) && error.data.outcomeUnknown).to.equal(undefined);
  });

  it("uses an application's own client and leaves it open", async () => {
    const client = new DynamoDBClient(servers.clientConfig.dynamodb);
    const store = openLeaseTable({ tableName, client, ...harness });
    await store.create(rowOf('s'), signal);
    store.close();
    await client.send(new DeleteItemCommand({ TableName: tableName, Key: { leaseKey: { S: 's' } } }));
    client.destroy();
  });
});
