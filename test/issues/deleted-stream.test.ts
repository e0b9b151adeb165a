// Symptom: a stream that was deleted under a running consumer counted as gone after two minutes, not one. Cause: every describe
// must find nothing for one minute, and this minute began with the next shard sync. But the readers had noticed at once.
import { expect } from 'chai';
import { kinesisStream } from '../../src/aws/kinesis/kinesis-stream.js';
import type { ManualClock } from '../../src/testing/manual-clock.js';
import { memoryLeaseStore } from '../../src/testing/memory-lease-store.js';
import { modelClient, type ModelCall, type ModelClient } from '../support/model-kinesis-client.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { virtualConsumer, type VirtualConsumer } from '../support/virtual-consumer.js';

describe('a stream that is deleted under a running consumer', () => {
  const start = async (clock: ManualClock, names: readonly string[]): Promise<[ModelClient, VirtualConsumer]> => {
    const client = modelClient(clock);
    for (const name of names) client.kinesis.createStream(name, 2);
    const store = memoryLeaseStore([], 'orders');
    const source = names.map((streamName) => ({
      ...kinesisStream({ streamName, client }),
      openLeases: () => store,
    }));
    const made = virtualConsumer(clock, { source, leases: { multiStream: names.length > 1 } });
    await inVirtualTime(clock, made.consumer.start());
    // After this, the next shard sync is nearly a minute away.
    await clock.advance(6_000);
    return [client, made];
  };
  const lookedFor = (client: ModelClient, name: string): readonly ModelCall[] =>
    client.of('DescribeStreamSummary').filter(({ input }) => input['StreamName'] === name);

  it('fails a minute and at least five looks after it was first missed; another source is still read', async () => {
    using clock = virtualClock();
    const [client, { consumer, heard, seen }] = await start(clock, ['gone', 'kept']);
    const before = lookedFor(client, 'gone').length;
    client.kinesis.streams.delete('gone');
    await clock.advance(58_000);
    expect(heard('sourceFailed')).to.deep.equal([]);
    await clock.advance(10_000);
    expect(heard('sourceFailed').map(({ source, error }) => [source, error.code])).to.deep.equal([
      ['gone', 'STREAM_NOT_FOUND'],
    ]);
    const looks = lookedFor(client, 'gone').length - before;
    expect(looks).to.be.within(5, 120);
    expect(heard('retrying').some(({ source }) => source === 'gone')).to.equal(true);
    expect(consumer.ready().reasons.join()).to.include('gone');
    client.kinesis.put('kept', { partitionKey: 'k', data: 'x' });
    await clock.advance(5_000);
    expect(seen).to.have.length(1);
    expect(heard('actorCrashed')).to.deep.equal([]);
    await inVirtualTime(clock, consumer.stop());
  });

  it('ends the consumer, with its leases released, if it was the only source', async () => {
    using clock = virtualClock();
    const [client, { consumer, heard }] = await start(clock, ['gone']);
    client.kinesis.streams.delete('gone');
    const closed = consumer.closed.then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(await inVirtualTime(clock, closed, 75_000)).to.have.property('code', 'STREAM_NOT_FOUND');
    expect(heard('leaseReleased')).to.have.length(2);
  });

  it('does not fail if it is found again within the minute, however often that happens', async () => {
    using clock = virtualClock();
    const [client, { consumer, heard, seen }] = await start(clock, ['gone']);
    const stream = client.kinesis.stream('gone');
    for (let round = 0; round < 3; round += 1) {
      client.kinesis.streams.delete('gone');
      await clock.advance(50_000);
      client.kinesis.streams.set('gone', stream);
      client.kinesis.put('gone', { partitionKey: 'k', data: `${round}` });
      await clock.advance(25_000);
      expect(seen).to.have.length(round + 1);
    }
    expect(heard('sourceFailed')).to.deep.equal([]);
    expect(consumer.ready()).to.deep.equal({ ok: true, reasons: [] });
    await inVirtualTime(clock, consumer.stop());
  });
});
