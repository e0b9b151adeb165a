// Symptom: an aggregate with 100 kB of `0…0x` as a hash key blocked the event loop for 64 s under `outOfRange: 'dropRecord'`.
// Cause: a regular expression went back over the zeros for each of them, and a BigInt was made of the whole text. How many steps
// such a text takes is tested in test/properties/linear-parsing.fuzz.test.ts. Here a whole consumer continues after such a record.
import { expect } from 'chai';
import { kinesisStream } from '../../src/aws/kinesis/kinesis-stream.js';
import { memoryLeaseStore } from '../../src/testing/memory-lease-store.js';
import { envelope, message } from '../support/aggregate-bytes.js';
import { modelClient } from '../support/model-kinesis-client.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

const zeros = '0'.repeat(100_000);

describe('a user record whose hash key is 100 kB long', () => {
  for (const outOfRange of ['dropRecord', 'dropAggregate'] as const) {
    it(`ends its aggregate if the key is no number, and is delivered if it is one (${outOfRange})`, async () => {
      using clock = virtualClock();
      const client = modelClient(clock);
      client.kinesis.createStream('orders', 1);
      const source = {
        ...kinesisStream({ streamName: 'orders', client, outOfRange }),
        openLeases: () => memoryLeaseStore([], 'orders'),
      };
      const { consumer, heard, seen } = virtualConsumer(clock, { source, onFailure: 'skip' });
      await inVirtualTime(clock, consumer.start());
      const put = (...hashKeys: readonly string[]): void => {
        const records = hashKeys.map((_, at) => ({ pk: 0, ehk: at, data: `${at}` }));
        client.kinesis.put('orders', { partitionKey: 'k', data: envelope(message(['k'], records, hashKeys)) });
      };
      put('1', `${zeros}x`, '2');
      put(`${zeros}7`, '8');
      client.kinesis.put('orders', { partitionKey: 'plain', data: 'plain' });
      await clock.advance(20_000);
      const texts = seen.map(({ value }) => Buffer.from(value).toString());
      expect(texts.toSorted()).to.deep.equal(['0', '0', '1', 'plain']);
      expect(heard('malformedAggregate')).to.have.length(1);
      const last = client.kinesis.stream('orders').shards.get('shardId-000000000000')?.records.at(-1);
      expect(heard('checkpoint').at(-1)?.sequenceNumber).to.equal(last?.sequenceNumber);
      await inVirtualTime(clock, consumer.stop());
    });
  }
});
