// Symptom: a lease was given away beside a call of an earlier tenure that still ran. Cause: the call had acknowledged
// early, or the stop came before the next worker had read the open record again. So the next worker had handed out nothing when it
// was asked to pause or drain, and found no call to wait for.
import { expect } from 'chai';
import type { ManualClock } from '../../src/testing/index.js';
import { acknowledgedCalls } from '../support/acknowledged-calls.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

describe('a holder whose earlier tenure left a running call that has acknowledged its item', () => {
  let clock: ManualClock;
  beforeEach(() => (clock = virtualClock()));
  afterEach(() => clock.uninstall());

  for (const how of ['hands over', 'stops'] as const)
    it(`${how}, and gives no lease away while that call runs`, async () => {
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

describe('a holder that is suspended after a wish has come, before it has seen the wish', () => {
  let clock: ManualClock;
  beforeEach(() => (clock = virtualClock()));
  afterEach(() => clock.uninstall());

  it('hands over later, and gives no lease away while calls of the shard run', async () => {
    const calls = acknowledgedCalls(clock, 40_000);
    const a = calls.join('a');
    await inVirtualTime(clock, a.consumer.start());
    await clock.advance(3_000);
    await calls.begin(a);
    const b = calls.join('b', a.stream);
    const starting = b.consumer.start();
    await calls.runUntilAsked(a);
    // The next write returns the wish. By then the tenure has ended, and the next worker has not asked for a tenure yet.
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

describe('a holder that stops beside a call of an earlier tenure, before the open record is read again', () => {
  let clock: ManualClock;
  beforeEach(() => (clock = virtualClock()));
  afterEach(() => clock.uninstall());

  it('keeps the lease while that call runs, and is not drained', async () => {
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
    // Stands for a slow read: the next worker does not read the record again.
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

// The same with a short call. Symptom: the stop waited for its whole deadline, though the call had long ended. Cause: no worker
// began while the lease was being released, so no worker asked about the call.
describe('a stop that comes between two tenures', () => {
  let clock: ManualClock;
  beforeEach(() => (clock = virtualClock()));
  afterEach(() => clock.uninstall());

  it('ends soon after the calls of the first tenure have ended, without reading the shard again', async () => {
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

  it('ends soon after the calls have ended if a failure stops the shard while it drains', async () => {
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
