// A row may hold any number up to 2^53 − 1, but no date lies beyond 8.64e15 ms. Symptom: such a `kinactAutoAt` crashed the
// coordinator at each start, until the consumer ended. With such a `kinactLatestAt` a shard was never read, and `kinact leases` and
// `kinact reset` failed with a RangeError. Rule: such a row is malformed and reported, like a row whose counter cannot rise.
import { expect } from 'chai';
import { checkpointText } from '../../src/cli/checkpoint-text.js';
import { readLeaseRow } from '../../src/aws/dynamodb/lease-row.js';
import { kinesisStream } from '../../src/aws/kinesis/kinesis-stream.js';
import { modelClient } from '../support/model-kinesis-client.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';
import { virtualTables } from '../support/virtual-tables.js';

const [wrong, other] = ['shardId-000000000000', 'shardId-000000000001'];
const never = String(Number.MAX_SAFE_INTEGER);

describe('a lease row with a time that is no date', () => {
  for (const attribute of ['kinactLatestAt', 'kinactAutoAt']) {
    it(`is reported as malformed, and read only after its correction; the other shard is read (${attribute})`, async () => {
      using clock = virtualClock();
      const client = modelClient(clock);
      client.kinesis.createStream('orders', 2);
      const tables = virtualTables(clock);
      const start = async (): Promise<ReturnType<typeof virtualConsumer>> => {
        const source = kinesisStream({ streamName: 'orders', client, outOfRange: 'dropRecord' });
        const made = virtualConsumer(clock, { source, leases: { client: tables.client } });
        await inVirtualTime(clock, made.consumer.start());
        return made;
      };
      const first = await start();
      await inVirtualTime(clock, first.consumer.stop());
      const row = tables.items('orders').get(wrong)!;
      tables.put('orders', { ...row, checkpoint: { S: 'LATEST' }, [attribute]: { N: never } });
      for (const shardId of [wrong, other]) client.kinesis.put('orders', { partitionKey: shardId, data: 'x', shardId });

      const { consumer, heard, seen } = await start();
      await clock.advance(60_000);
      expect(seen.map(({ key }) => key)).to.deep.equal([other]);
      expect(heard('malformedLease').map(({ leaseKey }) => leaseKey)).to.deep.equal([wrong]);
      expect(heard('malformedLease')[0]?.reason).to.match(new RegExp(`^${attribute} is no time`));
      expect(heard('actorCrashed')).to.deep.equal([]);
      tables.put('orders', row);
      await clock.advance(15_000);
      expect(seen.map(({ key }) => key)).to.deep.equal([other, wrong]);
      await inVirtualTime(clock, consumer.stop());
    });
  }

  it('is malformed, so every time in a readable row can be shown', () => {
    const item = { leaseKey: { S: wrong }, leaseCounter: { N: '1' }, checkpoint: { S: 'LATEST' } };
    for (const at of ['0', '253402300799999', '253402300800000', '8640000000000001', never]) {
      const read = readLeaseRow({ ...item, kinactLatestAt: { N: at } });
      if (read.type === 'lease') expect(checkpointText(read.row)).to.match(/^LATEST \(from \d{4}-/);
      else expect(Number(at)).to.be.above(253_402_300_799_999);
    }
  });
});
