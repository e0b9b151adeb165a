// Symptom: a lease row at SHARD_END for an open shard, however it came about, was believed forever. No worker read the shard, and
// nothing reported it. A worker cannot heal the row, because it does not know how far the shard has been read. Rule: an event and
// `ready()` report the contradiction, with what to do.
import { expect } from 'chai';
import { fakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

const [ended, other] = ['shardId-000000000000', 'shardId-000000000001'];

describe('a row at SHARD_END for a shard that is open', () => {
  it('is reported by ready() and one event at error level, after two listings a minute apart', async () => {
    using clock = virtualClock();
    const stream = fakeStream({ shards: 2, clock });
    const first = virtualConsumer(clock, { stream });
    await inVirtualTime(clock, first.consumer.start());
    await inVirtualTime(clock, first.consumer.stop());
    const store = stream.leases.get('orders')!;
    store.put({ ...store.row(ended), checkpoint: 'SHARD_END' });

    const errors: string[] = [];
    const quiet = (): void => {};
    const logger = {
      debug: quiet,
      info: quiet,
      warn: quiet,
      error: (_: object, message: string): void => void errors.push(message),
    };
    const { consumer, heard, seen } = virtualConsumer(clock, { stream, logger });
    await inVirtualTime(clock, consumer.start());
    stream.put({ partitionKey: 'x', data: 'x', explicitHashKey: '0' });
    await clock.advance(55_000);
    expect(heard('leaseContradiction')).to.deep.equal([]);
    expect(consumer.ready()).to.deep.equal({ ok: true, reasons: [] });
    await clock.advance(75_000);
    const [event] = heard('leaseContradiction');
    expect(event).to.include({ source: 'fake', shardId: ended, table: 'orders', leaseKey: ended });
    expect(event?.remedy).to.include(`kinact reset --application orders --stream fake --shard ${ended} --to`);
    expect(errors).to.deep.equal([`leaseContradiction: fake/${ended}: ${event?.remedy}`]);
    expect(consumer.ready()).to.have.property('ok', false);
    expect(consumer.ready().reasons.join())
      .to.include(`the row ${ended} is at SHARD_END`)
      .and.to.include('kinact reset --application orders');
    // It is reported once. The row is not changed by a guess, and the other shard is read.
    await clock.advance(300_000);
    expect(heard('leaseContradiction')).to.have.length(1);
    expect(store.row(ended).checkpoint).to.equal('SHARD_END');
    expect(seen).to.deep.equal([]);
    expect(consumer.status().shards.map(({ shardId }) => shardId)).to.deep.equal([other]);

    // The write of `kinact reset`. (For a real reset, the workers are stopped.)
    store.put({ ...store.row(ended), checkpoint: 'TRIM_HORIZON', leaseCounter: store.row(ended).leaseCounter + 1 });
    await clock.advance(90_000);
    expect(seen).to.have.length(1);
    expect(consumer.ready()).to.deep.equal({ ok: true, reasons: [] });
    await inVirtualTime(clock, consumer.stop());
  });
});
