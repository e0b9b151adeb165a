// Symptom: one wrong answer ended open shards. A ResourceNotFoundException to GetShardIterator counted as the end as soon as a
// description succeeded, and SHARD_END was written without a listing. A GetRecords answer without NextShardIterator ended the
// worker, while its keeper renewed forever. Records of a closed shard that expired while the application was away were skipped
// silently. Rule: an end needs a second chain and a listing, or two listings.
import { expect } from 'chai';
import { fakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { inVirtualTime } from '../support/virtual.js';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { scriptedServer, type ScriptedServer } from '../../src/testing/scripted-server/scripted-server.js';
import { consumerHarness, eventually, textOf, type Watched, type Harness } from '../support/consumer-harness.js';
import { snapshotTable } from '../support/strict-lease-reader.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

const first = 'shardId-000000000000';
const notFound = { type: 'error', code: 'ResourceNotFoundException' } as const;

describe('a shard that one wrong answer shows as ended', function () {
  this.timeout(60_000);
  let servers: LocalServers;
  let scripted: ScriptedServer;
  let harness: Harness;
  let runs = 0;

  before(async () => {
    servers = await startLocalServers();
  });
  after(() => servers.stop());
  beforeEach(async () => {
    scripted = await scriptedServer({ proxy: { upstream: servers.dynamodb } });
    harness = consumerHarness({ kinesis: scripted.url, dynamodb: scripted.url });
    runs += 1;
  });
  afterEach(async () => {
    await harness.close();
    await scripted.stop();
  });

  const begin = async (): Promise<Watched> => {
    const made = harness.consumer('orders', { application: `proof-${runs}`, leases: { failoverMs: 1_500 } });
    await made.consumer.start();
    return made;
  };
  let puts = 0;
  const put = (count: number): void => {
    for (const to = puts + count; puts < to; puts += 1)
      scripted.kinesis.put('orders', { partitionKey: `key-${puts}`, data: `${puts}` });
  };
  const all = async (...of: readonly Watched[]): Promise<void> => {
    const seen = (): number => new Set(of.flatMap((each) => each.seen.map(textOf))).size;
    await eventually(
      'all seen',
      () => seen() === puts,
      20_000,
      () => of.at(-1)?.said,
    );
  };
  const checkpoints = async (): Promise<(string | undefined)[]> =>
    [...(await snapshotTable(harness.dynamodb, `proof-${runs}`)).values()].map(
      (row) => (row as Record<string, { S?: string }>)['checkpoint']?.S,
    );
  beforeEach(() => (puts = 0));

  it('is not ended by one ResourceNotFoundException to GetShardIterator', async () => {
    scripted.kinesis.createStream('orders', 1);
    put(20);
    const order = scripted.respond('GetShardIterator', 1, notFound);
    const only = await begin();
    await eventually('it was answered', () => order.remaining === 0);
    await all(only);
    put(20);
    await all(only);
    expect(only.heard('shardEnded')).to.deep.equal([]);
    expect(only.heard('retrying').map(({ operation }) => operation)).to.include('GetShardIterator');
    expect(await checkpoints()).to.not.include('SHARD_END');
  });

  it('is not ended by 700 ms of ResourceNotFoundException for four checkpointed shards', async () => {
    scripted.kinesis.createStream('orders', 4);
    put(40);
    const before = await begin();
    await all(before);
    await before.consumer.stop();
    const burst = scripted.respond('GetShardIterator', Infinity, notFound);
    const after = await begin();
    await scripted.called('GetShardIterator', 8);
    await new Promise((resolve) => setTimeout(resolve, 700));
    burst.cancel();
    put(40);
    await all(before, after);
    expect(after.heard('shardEnded')).to.deep.equal([]);
    expect(await checkpoints()).to.not.include('SHARD_END');
  });

  it('is not ended by a GetRecords answer without iterator, at the tip or in a closed shard’s backlog', async () => {
    scripted.kinesis.createStream('orders', 1);
    put(10);
    const members = ['NextShardIterator', 'ChildShards'];
    scripted.respond('GetRecords', 2, { type: 'omit', members });
    const only = await begin();
    await all(only);
    put(30);
    await all(only);
    expect(only.heard('shardEnded')).to.deep.equal([]);
    expect(only.consumer.status().shards.map(({ shardId }) => shardId)).to.deep.equal([first]);
    await only.consumer.stop();
    put(30);
    const children = scripted.kinesis.split('orders', first);
    put(10);
    const pages = { maxRecords: 10 };
    scripted.respond('GetRecords', 1, { type: 'omit', members });
    const second = harness.consumer('orders', { application: `proof-${runs}`, stream: pages });
    await second.consumer.start();
    await all(only, second);
    await eventually('the end', () => second.heard('shardEnded').length === 1);
    expect(second.heard('shardEnded')[0]).to.deep.include({ shardId: first, children });
  });

  it('is reported as trimmed if it is closed and its unread rest has expired', async () => {
    scripted.kinesis.createStream('orders', 1);
    put(10);
    const before = await begin();
    await all(before);
    await before.consumer.stop();
    const last = scripted.kinesis.stream('orders').shards.get(first)?.records.at(-1)?.sequenceNumber;
    put(10);
    scripted.kinesis.split('orders', first);
    scripted.kinesis.trim('orders', first);
    const after = await begin();
    await eventually('the end', () => after.heard('shardEnded').length === 1);
    expect(after.heard('trimmed')).to.deep.equal([
      { source: 'orders', shardId: first, sequenceNumber: last, subSequenceNumber: 0, certain: false },
    ]);
  });
});

describe('a shard that seems to end again and again', () => {
  const clock = new ManualClock();
  beforeEach(() => clock.install());
  afterEach(() => clock.uninstall());

  it('is reported as unread within a minute, makes ready() false, and is read after the service recovers', async () => {
    const stream = fakeStream({ clock });
    const { consumer, heard, seen } = virtualConsumer(clock, { stream });
    await inVirtualTime(clock, consumer.start());
    stream.put({ partitionKey: 'a', data: 'a' });
    await clock.advance(5_000);
    expect(seen).to.have.length(1);
    stream.misreport(first, 'end', Infinity);
    let unready = 0;
    for (let second = 0; second < 60; second += 1) {
      await clock.advance(1_000);
      if (consumer.ready().reasons.some((reason) => reason.startsWith(`this worker holds ${first}`))) unready += 1;
    }
    expect(heard('retrying').at(-1)).to.include({ operation: 'end of the shard', shardId: first });
    expect(heard('leaseUnread')[0]).to.include({ shardId: first });
    expect(unready).to.be.above(0);
    expect(heard('shardEnded')).to.deep.equal([]);
    stream.misreport(first, 'end', 0);
    stream.put({ partitionKey: 'b', data: 'b' });
    await clock.advance(30_000);
    expect(seen).to.have.length(2);
    expect(consumer.ready()).to.deep.equal({ ok: true, reasons: [] });
    await inVirtualTime(clock, consumer.stop());
  });
});
