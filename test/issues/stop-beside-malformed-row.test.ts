// Symptom: a stop waited for its whole deadline if the row of a held lease could not be read. Cause: the keeper repeated its release until
// then, although the table refuses it until somebody corrects the row. Rule: the lease is given up at once, and the report says why.
import { expect } from 'chai';
import { KinactError } from '../../src/api/errors.js';
import { fakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

const shardId = 'shardId-000000000000';

describe('a stop while the row of a held lease cannot be read', () => {
  it('ends at once and not drained, and says so in its report', async () => {
    using clock = virtualClock();
    const stream = fakeStream({ clock, shards: 2 });
    const { consumer, seen } = virtualConsumer(clock, { stream });
    await inVirtualTime(clock, consumer.start());
    stream.put({ partitionKey: 'x', data: 'x' });
    await clock.advance(2_000);
    expect(seen).to.have.length(1);
    const store = stream.leases.get('orders')!;
    const error = new KinactError('MALFORMED_LEASE', 'checkpoint is neither', { data: { leaseKey: shardId } });
    for (let again = 0; again < 99; again += 1) store.script('update', { type: 'failBefore', error }, shardId);
    const before = clock.now();
    const report = await inVirtualTime(clock, consumer.stop({ deadlineMs: 25_000 }));
    expect(clock.now() - before).to.be.below(5_000);
    expect(report.drained).to.equal(false);
    const found = report.leases.map(({ leaseKey, released, problem }) => [leaseKey, released, problem]);
    expect(found).to.deep.equal([
      [shardId, false, 'checkpoint is neither'],
      ['shardId-000000000001', true, undefined],
    ]);
  });
});
