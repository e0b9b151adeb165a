// Records may have up to 10 MiB since 2025. Symptom: `kinact put` and the encoder refused more than 1 MiB. Cause: the limit was a
// constant, but it belongs to the stream. Here such records also pass the reader, the admission, the reducer, `status()` and
// `tail`.
import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { aggregateRecords, encodeAggregate } from '../../src/aws/aggregation/aggregate-encoder.js';
import { decodeAggregate } from '../../src/aws/aggregation/aggregate.js';
import { kinesisStream } from '../../src/aws/kinesis/kinesis-stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { memoryLeaseStore } from '../../src/testing/memory-lease-store.js';
import { scriptedServer, type ScriptedServer } from '../../src/testing/scripted-server/scripted-server.js';
import { environment, kinact } from '../support/command.js';
import { modelClient } from '../support/model-kinesis-client.js';
import { shardId, stream, harness } from '../support/polling-harness.js';
import { inVirtualTime } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

const MiB = 1024 * 1024;
/** With its key, the record has exactly the size of the service's limit. */
const largest = 10 * MiB - 1;
const maxRecordKiB = 10 * 1024;

describe('records of 10 MiB', () => {
  it('are read one by one, within the read limits of the service, so no call is throttled', async () => {
    const on = harness(undefined, { model: { enforceReadLimits: true }, settings: { maxRecordKiB } });
    for (const partitionKey of ['a', 'b', 'c'])
      on.client.kinesis.put(stream, { partitionKey, data: new Uint8Array(largest), shardId });
    on.put('d');
    on.consume();
    await on.clock.advance(20_000);
    expect(on.keys).to.deep.equal(['a', 'b', 'c', 'd']);
    expect(on.notices).to.deep.equal([]);
  });

  it('are admitted alone if they exceed maxPendingBytes, shown by status(), reduced and checkpointed', async () => {
    const clock = new ManualClock();
    const client = modelClient(clock);
    client.kinesis.createStream('orders', 1, { maxRecordKiB });
    const store = memoryLeaseStore([], 'orders');
    const source = { ...kinesisStream({ streamName: 'orders', client }), openLeases: () => store };
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const on = virtualConsumer(clock, { source, maxPendingBytes: MiB, onItem: () => held });
    const numbers = ['a', 'b'].map(
      (partitionKey) => client.kinesis.put('orders', { partitionKey, data: new Uint8Array(largest) }).sequenceNumber,
    );
    await inVirtualTime(clock, on.consumer.start());
    await clock.advance(15_000);
    expect(on.seen.map(({ value }) => value.length)).to.deep.equal([largest]);
    expect(on.consumer.status().shards[0]).to.include({ openRecords: 1, openBytes: 10 * MiB });
    release();
    await clock.advance(20_000);
    expect(on.seen.map(({ sequenceNumber }) => sequenceNumber)).to.deep.equal(numbers);
    expect(store.rows.get(shardId)?.checkpoint).to.equal(numbers.at(-1));
    await inVirtualTime(clock, on.consumer.stop());
  });

  it('fit into aggregates of their own; small records share aggregates of at most 1 MiB', () => {
    const data = new Uint8Array(9 * MiB);
    const [decoded] = decodeAggregate(encodeAggregate([{ partitionKey: 'k', data }])).records ?? [];
    expect(decoded?.data.length).to.equal(data.length);
    const users = [data, ...Array.from({ length: 20 }, () => new Uint8Array(100_000))];
    const puts = aggregateRecords(users.map((each) => ({ partitionKey: 'k', data: each })));
    expect(puts.map((put) => put.records.length)).to.deep.equal([1, 10, 10]);
    expect(() => encodeAggregate([{ partitionKey: 'k', data: new Uint8Array(10 * MiB) }])).to.throw('10485760');
  });
});

describe('kinact put and tail with records of 10 MiB', () => {
  let server: ScriptedServer;
  let env: Record<string, string>;
  before(async () => {
    server = await scriptedServer({ requestTimeoutMs: 20_000 });
    server.kinesis.createStream('large', 1, { mode: 'ON_DEMAND', distribution: 'AUTO', maxRecordKiB });
    server.kinesis.createStream('usual', 1);
    env = environment({ kinesis: server.url });
  });
  after(() => server.stop());

  it('put and print records up to the stream’s limit, and refuse a longer line', async () => {
    const line = Buffer.alloc(10 * MiB, 'x');
    const input = Buffer.concat([line, Buffer.from('\nsmall\n'), line, Buffer.from('y\n')]);
    const ended = await kinact(['put', '--stream', 'large'], env, { input });
    expect(ended.stderr.split('\n')).to.deep.equal([
      "line 3 refused: larger than the stream's limit of 10485760 bytes, partition key included",
      '2 records put',
      '',
    ]);
    const tailed = await kinact(['tail', '--stream', 'large', '--until-idle', '6000'], env);
    const got = tailed.stdout
      .trim()
      .split('\n')
      .map((each) => Buffer.from((JSON.parse(each) as { data: string }).data, 'base64'));
    const digest = (data: Buffer): string => createHash('md5').update(data).digest('hex');
    expect(got.map(digest)).to.deep.equal([digest(line), digest(Buffer.from('small'))]);
  });

  it('refuse a record above 1 MiB for a stream with the usual limit', async () => {
    const ended = await kinact(['put', '--stream', 'usual'], env, { input: `${'x'.repeat(MiB)}\nsmall\n` });
    expect(ended.stderr).to.include("line 1 refused: larger than the stream's limit of 1048576 bytes");
    expect(ended.stderr).to.match(/\n1 records put\n$/);
  });
});
