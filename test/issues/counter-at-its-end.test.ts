// Symptom: a row with the counter 2^53 − 1 was read like any other row, but every take of it threw, forever. Nothing reported it.
// Cause: beyond this number, a counter and its successor look the same. Rule: such a row is malformed, and an event reports it.
import { expect } from 'chai';
import { kinesisStream } from '../../src/aws/kinesis/kinesis-stream.js';
import { modelClient } from '../support/model-kinesis-client.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';
import { virtualTables } from '../support/virtual-tables.js';

const [full, other] = ['shardId-000000000000', 'shardId-000000000001'];

describe('a lease row whose counter cannot rise', () => {
  it('is reported by an event and status(), and read only after its correction; the other shard is read', async () => {
    using clock = virtualClock();
    const client = modelClient(clock);
    client.kinesis.createStream('orders', 2);
    const tables = virtualTables(clock);
    const start = async (): Promise<ReturnType<typeof virtualConsumer>> => {
      const source = kinesisStream({ streamName: 'orders', client });
      const made = virtualConsumer(clock, { source, leases: { client: tables.client } });
      await inVirtualTime(clock, made.consumer.start());
      return made;
    };
    const first = await start();
    await inVirtualTime(clock, first.consumer.stop());
    const row = tables.items('orders').get(full)!;
    tables.put('orders', { ...row, leaseCounter: { N: String(Number.MAX_SAFE_INTEGER) } });
    for (const shardId of [full, other]) client.kinesis.put('orders', { partitionKey: shardId, data: 'x', shardId });

    const { consumer, heard, seen } = await start();
    await clock.advance(60_000);
    expect(seen.map(({ key }) => key)).to.deep.equal([other]);
    expect(heard('malformedLease').map(({ leaseKey }) => leaseKey)).to.deep.equal([full]);
    expect(heard('malformedLease')[0]?.reason).to.match(/leaseCounter .* cannot rise/);
    for (const name of ['actorCrashed', 'retrying', 'leaseHole'] as const) expect(heard(name), name).to.deep.equal([]);
    expect(JSON.stringify(consumer.status().leases)).to.include(full);
    tables.put('orders', row);
    await clock.advance(15_000);
    expect(seen.map(({ key }) => key)).to.deep.equal([other, full]);
    await inVirtualTime(clock, consumer.stop());
  });
});
