// Symptom: a row that names its own shard as a parent, or whose line of parents leads back to it, waited forever. There was no
// event, and `ready()` stayed true. Cause: a lease that waits for a parent was never reported as unread.
import { expect } from 'chai';
import { kinesisStream } from '../../src/aws/kinesis/kinesis-stream.js';
import { modelClient } from '../support/model-kinesis-client.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';
import { virtualTables } from '../support/virtual-tables.js';

const first = 'shardId-000000000000';

describe('a lease that waits for itself', () => {
  for (const [what, others] of [
    ['its row names it as its parent', []],
    ['its row names one that names it', ['shardId-000000000007']],
  ] as const) {
    it(`is reported as unread by an event and ready() (${what})`, async () => {
      using clock = virtualClock();
      const client = modelClient(clock);
      client.kinesis.createStream('orders', 1);
      const tables = virtualTables(clock);
      const start = async (): Promise<ReturnType<typeof virtualConsumer>> => {
        const source = kinesisStream({ streamName: 'orders', client });
        const made = virtualConsumer(clock, { source, leases: { client: tables.client } });
        await inVirtualTime(clock, made.consumer.start());
        return made;
      };
      const before = await start();
      await inVirtualTime(clock, before.consumer.stop());
      const row = tables.items('orders').get(first)!;
      const line = [first, ...others];
      for (const [index, leaseKey] of line.entries()) {
        const parent = line[(index + 1) % line.length]!;
        tables.put('orders', { ...row, leaseKey: { S: leaseKey }, parentShardId: { SS: [parent] } });
      }
      const { consumer, heard } = await start();
      await clock.advance(60_000);
      expect(heard('leaseUnread').map(({ shardId }) => shardId)).to.have.members(line);
      expect(heard('leaseUnread')[0]!.reason).to.match(/its own ancestor.*kinact reset/);
      expect(consumer.ready().ok).to.equal(false);
      expect(consumer.ready().reasons.join()).to.include('its own ancestor');
      await inVirtualTime(clock, consumer.stop());
    });
  }
});
