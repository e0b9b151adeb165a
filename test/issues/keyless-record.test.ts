// Symptom: one record without PartitionKey, which streams with RecordDistributionStrategy AUTO allow, stalled its shard forever as
// "failed on the network (SyntaxError)". Cause: both ways of reading GetRecords did not accept a record without a key.
import { expect } from 'chai';
import { parseAnswer, recordsOf } from '../../src/aws/kinesis/get-records-answer.js';
import { recordKey } from '../../src/core/record-key.js';
import { fakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { scriptedServer, type ScriptedServer } from '../../src/testing/scripted-server/scripted-server.js';
import {} from '../support/command.js';
import { kinactInside } from '../support/command-inside.js';
import { shardId, stream, harness } from '../support/polling-harness.js';
import { virtualConsumer } from '../support/virtual-consumer.js';
import { inVirtualTime } from '../support/virtual.js';

const data = Buffer.from('data');

describe('a record without partition key', () => {
  it('is read like any other record, by our own client and by a client of the application', async () => {
    for (const absent of [{}, { PartitionKey: null }, { PartitionKey: '' }]) {
      const wire = { SequenceNumber: '7', Data: data.toString('base64'), ApproximateArrivalTimestamp: 1.5, ...absent };
      const fast = recordsOf(parseAnswer(Buffer.from(JSON.stringify({ Records: [wire] }))));
      const slow = recordsOf({
        Records: [{ ...wire, Data: data, ApproximateArrivalTimestamp: new Date(1_500), ...absent } as never],
      });
      for (const records of [fast, slow]) {
        expect(records).to.deep.equal([{ sequenceNumber: '7', data, arrivedAt: 1_500 }]);
      }
    }
    const on = harness(undefined, { settings: { mode: 'ON_DEMAND', distribution: 'AUTO' } });
    on.client.kinesis.put(stream, { data: 'a', shardId });
    on.put('k');
    on.consume();
    await on.clock.advance(2_000);
    expect(on.keys).to.deep.equal(['', 'k']);
    expect(on.notices).to.deep.equal([]);
  });

  it('has its sequence and sub-sequence number as its key', () => {
    expect(recordKey({ sequenceNumber: '7' })).to.equal('7');
    expect(recordKey({ sequenceNumber: '7', subSequenceNumber: 0 })).to.equal('7/0');
    expect(recordKey({ sequenceNumber: '7', subSequenceNumber: 2, partitionKey: 'k' })).to.equal('k');
  });

  it('is delivered with its sequence number as the key, from every shard, and is checkpointed', async () => {
    const clock = new ManualClock();
    clock.install();
    const on = virtualConsumer(clock, {
      reducers: 4,
      streamOptions: { shards: 2, distribution: 'AUTO' },
    });
    const put = on.stream.put(...Array.from({ length: 64 }, () => ({ data: 'x' })));
    const [last] = on.stream.put({ partitionKey: 'k', data: 'y' });
    await inVirtualTime(clock, on.consumer.start());
    await clock.advance(20_000);
    expect(on.seen.map(({ key }) => key)).to.have.members([...put.map(({ sequenceNumber }) => sequenceNumber), 'k']);
    expect(new Set(put.map((each) => each.shardId)).size).to.equal(2);
    expect(on.heard('checkpoint').map(({ sequenceNumber }) => sequenceNumber)).to.include(last?.sequenceNumber);
    await inVirtualTime(clock, on.consumer.stop());
    clock.uninstall();
  });

  it('is refused by put of a stream in memory without distribution AUTO', () => {
    expect(() => fakeStream().put({ data: 'x' })).to.throw('AUTO');
  });
});

describe('kinact tail over a stream with records without partition key', () => {
  let server: ScriptedServer;
  before(async () => {
    server = await scriptedServer();
    server.kinesis.createStream('auto', 1, { mode: 'ON_DEMAND', distribution: 'AUTO' });
    server.kinesis.put('auto', { data: 'a' });
    server.kinesis.put('auto', { partitionKey: 'k', data: 'b' });
  });
  after(() => server.stop());

  it('writes null as the partition key', async () => {
    const env = {
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
      AWS_ENDPOINT_URL: server.url,
    };
    const ended = await kinactInside(['tail', '--stream', 'auto', '--text', '--until-idle', '500'], env);
    const lines = ended.stdout.trim().split('\n');
    const keys = lines.map((line) => (JSON.parse(line) as { partitionKey: unknown }).partitionKey);
    expect(keys).to.deep.equal([null, 'k']);
    expect(ended.code).to.equal(0);
  });
});
