// The faults of AWS Fault Injection Service for Kinesis have the same names in the scripted server, and the service's errors. None
// of them ends anything or loses a record.
import { expect } from 'chai';
import { scriptedServer, type FaultAction } from '../../src/testing/index.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { kinesisStream } from '../../src/aws/kinesis/kinesis-stream.js';
import { memoryLeaseStore } from '../../src/testing/memory-lease-store.js';
import { modelClient } from '../support/model-kinesis-client.js';
import { inVirtualTime } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

const faults: Readonly<Record<FaultAction, readonly [string, number]>> = {
  'aws:fis:inject-api-internal-error': ['InternalFailure', 500],
  'aws:fis:inject-api-throttle-error': ['ThrottlingException', 400],
  'aws:fis:inject-api-unavailable-error': ['ServiceUnavailable', 503],
  'aws:kinesis:stream-provisioned-throughput-exception': ['ProvisionedThroughputExceededException', 400],
  'aws:kinesis:stream-expired-iterator-exception': ['ExpiredIteratorException', 400],
};

describe('the faults of AWS FIS', () => {
  it('make the scripted server answer as Kinesis does under an experiment', async () => {
    const server = await scriptedServer();
    try {
      for (const [action, [code, status]] of Object.entries(faults)) {
        server.respond('GetRecords', 1, { type: 'fault', action: action as FaultAction });
        const headers = { 'x-amz-target': 'Kinesis_20131202.GetRecords' };
        const answer = await fetch(server.url, { method: 'POST', headers, body: '{}' });
        expect([((await answer.json()) as { __type: string }).__type, answer.status]).to.deep.equal([code, status]);
      }
    } finally {
      await server.stop();
    }
  });

  it('lose no record and end nothing, even if every second call fails for a minute', async () => {
    for (const [error, status] of Object.values(faults)) {
      const clock = new ManualClock();
      const client = modelClient(clock);
      client.kinesis.createStream('orders', 2);
      const store = memoryLeaseStore([], 'orders');
      const source = { ...kinesisStream({ streamName: 'orders', client }), openLeases: () => store };
      const on = virtualConsumer(clock, { source });
      await inVirtualTime(clock, on.consumer.start());
      let calls = 0;
      client.script = () => ((calls += 1) % 2 === 0 ? undefined : { error, status });
      const put: string[] = [];
      for (let second = 0; second < 60; second += 5) {
        for (const partitionKey of ['a', 'b'])
          put.push(client.kinesis.put('orders', { partitionKey, data: 'x' }).sequenceNumber);
        await clock.advance(5_000);
      }
      client.script = () => undefined;
      await clock.advance(30_000);
      expect(
        on.seen.map(({ sequenceNumber }) => sequenceNumber),
        error,
      ).to.have.members(put);
      expect(on.heard('shardEnded'), error).to.deep.equal([]);
      expect(on.consumer.status().restarts, error).to.equal(0);
      await inVirtualTime(clock, on.consumer.stop());
    }
  });
});
