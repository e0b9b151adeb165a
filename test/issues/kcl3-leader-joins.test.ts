// Symptom: a KCL 3.0 to 3.4 leader that joined a running kinact starved for minutes. Cause: kinact looked at the side table, in
// which the leader registers, only at the start of a consumer. A KCL 3.5 leader crashed the coordinator three times, and leases
// kept their owners.
import { expect } from 'chai';
import { kinesisStream } from '../../src/aws/kinesis/kinesis-stream.js';
import { modelClient } from '../support/model-kinesis-client.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';
import { virtualTables } from '../support/virtual-tables.js';

const leader = { entityType: { S: 'LEADER' }, ownerName: { S: 'java' }, recordVersionNumber: { S: 'u' } };

describe('the leader of a KCL 3 fleet that joins a running kinact', () => {
  for (const [version, table, key] of [
    ['3.0 to 3.4', 'orders-CoordinatorState', 'key'],
    ['3.5', 'orders', 'leaseKey'],
  ] as const) {
    it(`ends the consumer within 75 s with KCL3_TABLE, all leases checkpointed and released (version ${version})`, async () => {
      using clock = virtualClock();
      const client = modelClient(clock);
      client.kinesis.createStream('orders', 2);
      const tables = virtualTables(clock);
      const source = kinesisStream({ streamName: 'orders', client });
      const running = virtualConsumer(clock, { source, leases: { client: tables.client } });
      const { consumer, heard, seen } = running;
      const closed = consumer.closed.then(
        () => undefined,
        (error: unknown) => error,
      );
      await inVirtualTime(clock, consumer.start());
      const last = client.kinesis.put('orders', { partitionKey: 'a', data: 'x' });
      await clock.advance(10_000);
      expect(seen).to.have.length(1);
      if (table !== 'orders') tables.createTable(table, key);
      tables.put(table, { [key]: { S: 'Leader' }, ...leader });
      const error = (await inVirtualTime(clock, closed, 75_000)) as Error;
      expect(error).to.have.property('code', 'KCL3_TABLE');
      expect(error.message).to.include('has an entityType other than LEASE').and.to.include('orders-CoordinatorState');
      expect(heard('actorCrashed')).to.deep.equal([]);
      expect(heard('pipelineRestarted')).to.deep.equal([]);
      const rows = [...tables.items('orders').values()].filter((item) => 'checkpoint' in item);
      expect(rows.map((row) => row['leaseOwner'])).to.deep.equal([undefined, undefined]);
      const read = rows.find((row) => row['leaseKey']?.S === last.shardId);
      expect(read?.['checkpoint']?.S).to.equal(last.sequenceNumber);
    });
  }
});
