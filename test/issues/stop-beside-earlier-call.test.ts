// Issue 8: a call that acknowledged early and whose tenure has ended still runs when the next worker of the shard, which has
// handed nothing out yet, is asked to pause or to drain. It takes itself for quiet, and the lease is given away beside the call. So
// it does where calls acknowledge by returning, and the stop comes before the next worker has read the open record again.
import { expect } from 'chai';
import type { ManualClock } from '../../src/testing/index.js';
import { acknowledgedCalls } from '../support/acknowledged-calls.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

describe('a holder whose earlier tenure left a call behind that has acknowledged its item', () => {
  let clock: ManualClock;
  beforeEach(() => (clock = virtualClock()));
  afterEach(() => clock.uninstall());

  for (const how of ['hands over', 'stops'] as const)
    it(`${how}, and gives the lease to nobody beside that call`, async () => {
      const calls = acknowledgedCalls(clock, 40_000);
      const a = calls.join('a');
      await inVirtualTime(clock, a.consumer.start());
      await clock.advance(3_000);
      await calls.begin(a);
      await clock.advance(1_000);
      // The machine was suspended: the tenures end, the leases are renewed, new workers begin.
      clock.jumpWall(8_000);
      await clock.advance(6_000);
      expect([...a.stream.leases.get('orders')!.rows.values()].map(({ leaseOwner }) => leaseOwner)).to.deep.equal([
        'a',
        'a',
      ]);
      const b = calls.join('b', a.stream);
      const stopping = how === 'stops' ? a.consumer.stop({ deadlineMs: 50_000 }) : undefined;
      if (how === 'hands over') await inVirtualTime(clock, b.consumer.start());
      const beside = await calls.givenAwayBeside(a, 20_000);
      await clock.advance(40_000);
      await inVirtualTime(clock, stopping ?? a.consumer.stop());
      await inVirtualTime(clock, b.consumer.stop());
      expect(beside).to.deep.equal([]);
    });
});

describe('a holder that is suspended when a wish has come, before it has seen it', () => {
  let clock: ManualClock;
  beforeEach(() => (clock = virtualClock()));
  afterEach(() => clock.uninstall());

  it('does not take the shard without a worker for one without calls', async () => {
    const calls = acknowledgedCalls(clock, 40_000);
    const a = calls.join('a');
    await inVirtualTime(clock, a.consumer.start());
    await clock.advance(3_000);
    await calls.begin(a);
    const b = calls.join('b', a.stream);
    const starting = b.consumer.start();
    await calls.runUntilAsked(a);
    // The first write after it shows the wish; the tenure has ended, and the next worker has not asked for one yet.
    clock.jumpWall(8_000);
    const beside = await calls.givenAwayBeside(a, 20_000);
    await clock.advance(60_000);
    await inVirtualTime(clock, starting);
    const handed = a.heard('leaseHandedOver');
    for (const { consumer } of [a, b]) await inVirtualTime(clock, consumer.stop());
    expect(beside).to.deep.equal([]);
    expect(handed, 'and gives it away later').to.have.length(1);
  });
});

describe('a holder whose earlier tenure left a call behind, told to stop before the open record is read again', () => {
  let clock: ManualClock;
  beforeEach(() => (clock = virtualClock()));
  afterEach(() => clock.uninstall());

  it('gives the lease to nobody beside that call', async () => {
    let running = 0;
    const { consumer, heard, stream } = virtualConsumer(clock, {
      onItem: async () => {
        running += 1;
        await new Promise<void>((resolve) => void clock.after(30_000, resolve));
        running -= 1;
      },
    });
    await inVirtualTime(clock, consumer.start());
    await clock.advance(3_000);
    stream.put({ partitionKey: 'k', data: 'x' });
    await clock.advance(2_000);
    // In place of a read that takes its time.
    stream.trim('shardId-000000000000', 1);
    clock.jumpWall(8_000);
    await clock.advance(6_000);
    expect(heard('shardStarted')).to.have.length(2);
    const stopping = consumer.stop({ deadlineMs: 50_000 });
    await clock.advance(5_000);
    const { leaseOwner } = [...stream.leases.get('orders')!.rows.values()][0]!;
    expect([running, leaseOwner]).to.deep.equal([1, 'virtual']);
    await clock.advance(30_000);
    const { drained, leases } = await inVirtualTime(clock, stopping);
    expect({ drained, running }).to.deep.equal({ drained: false, running: 0 });
    expect(leases).to.have.length(1);
  });
});

// The same, where that call is short. Symptom: the stop waited for its whole deadline, though the call had long ended. Cause: no worker
// began while the lease was being released, so nobody asked for the call.
describe('a stop that comes between two tenures', () => {
  let clock: ManualClock;
  beforeEach(() => (clock = virtualClock()));
  afterEach(() => clock.uninstall());

  it('ends when the calls of the first have ended: a worker that reads nothing asks for them', async () => {
    const { consumer, heard, stream } = virtualConsumer(clock, {
      onItem: () => new Promise<void>((resolve) => void clock.after(3_000, resolve)),
    });
    await inVirtualTime(clock, consumer.start());
    await clock.advance(3_000);
    for (const data of ['1', '2', '3']) stream.put({ partitionKey: 'k', data });
    await clock.advance(2_000);
    clock.jumpWall(8_000);
    await clock.advance(500);
    const begunAt = clock.now();
    const { drained, leases } = await inVirtualTime(clock, consumer.stop({ deadlineMs: 50_000 }));
    expect(clock.now() - begunAt).to.be.below(10_000);
    expect(leases[0]).to.include({ released: true });
    expect(drained, 'what the first tenure left open comes again').to.equal(false);
    expect(heard('shardStarted'), 'the worker that only asks reads nothing').to.have.length(1);
  });

  it('ends as soon where a failure stops the shard while it drains', async () => {
    let begun = 0;
    const { consumer, stream } = virtualConsumer(clock, {
      onFailure: 'stopShard',
      onItem: async () => {
        begun += 1;
        await new Promise<void>((resolve) => void clock.after(begun * 2_000, resolve));
        throw new Error('no');
      },
    });
    await inVirtualTime(clock, consumer.start());
    await clock.advance(3_000);
    for (const partitionKey of ['a', 'b', 'c', 'd', 'e']) stream.put({ partitionKey, data: 'x' });
    await clock.advance(1_500);
    expect(begun, 'a call in each reducer').to.equal(2);
    const begunAt = clock.now();
    const { leases } = await inVirtualTime(clock, consumer.stop({ deadlineMs: 50_000 }));
    expect(clock.now() - begunAt).to.be.below(10_000);
    expect(leases[0]).to.include({ released: true });
  });
});
