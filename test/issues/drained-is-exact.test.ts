// Symptom: a stop said `drained: true`, and records came again; or gave leases back while calls of the application for them still
// ran. Cause: what had been handed out was known to the keeper alone and died with it; a pipeline that crashed in the middle of the
// draining counted as one that has nothing under way.
import { expect } from 'chai';
import { ManualClock, nemesis } from '../../src/testing/index.js';
import { inVirtualTime } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

describe('a stop', () => {
  let clock: ManualClock;
  beforeEach(() => {
    clock = new ManualClock();
    clock.install();
  });
  afterEach(() => clock.uninstall());

  /** One shard with ten records, in calls of `callMs` each. */
  const working = async (callMs: number, options: { restart?: { intensity: number; periodMs: number } } = {}) => {
    let running = 0;
    const one = virtualConsumer(clock, {
      streamOptions: { shards: 1 },
      ...options,
      onItem: async () => {
        running += 1;
        await new Promise<void>((resolve) => void clock.after(callMs, resolve));
        running -= 1;
      },
    });
    await inVirtualTime(clock, one.consumer.start());
    await clock.advance(3_000);
    one.stream.put(...Array.from({ length: 10 }, (_, index) => ({ partitionKey: 'k', data: `${index}` })));
    await clock.advance(1_500);
    const row = () => [...one.stream.leases.get('orders')!.rows.values()][0]!;
    return { ...one, row, running: () => running };
  };

  it('in which the pipeline crashes holds the lease until the calls that were under way have ended', async () => {
    const { consumer, row, running } = await working(4_000);
    const stopping = consumer.stop({ deadlineMs: 20_000 });
    await clock.advance(200);
    nemesis(consumer, { seed: 1 }).kill('stage');
    await clock.advance(1_000);
    expect(running()).to.equal(1);
    expect(row().leaseOwner, 'beside a call that runs').not.to.equal(undefined);
    const { drained, leases } = await inVirtualTime(clock, stopping);
    expect(running()).to.equal(0);
    expect(row().leaseOwner).to.equal(undefined);
    expect(drained).to.equal(false);
    expect(leases.map(({ released }) => released)).to.deep.equal([true]);
  });

  it('in which the pipeline crashes for good releases when its calls have ended, and waits for no deadline', async () => {
    const { consumer, row, running } = await working(4_000, { restart: { intensity: 0, periodMs: 10_000 } });
    const begun = clock.now();
    const stopping = consumer.stop({ deadlineMs: 60_000 });
    await clock.advance(200);
    nemesis(consumer, { seed: 1 }).kill('stage');
    await clock.advance(1_000);
    expect(row().leaseOwner, 'beside a call that runs').not.to.equal(undefined);
    const { drained } = await inVirtualTime(clock, stopping);
    expect(clock.now() - begun).to.be.below(10_000);
    expect(running()).to.equal(0);
    expect(row().leaseOwner).to.equal(undefined);
    expect(drained).to.equal(false);
  });

  it('after a keeper has crashed is not drained until what it had handed out is settled', async () => {
    const { consumer } = await working(2_000);
    nemesis(consumer, { seed: 1 }).kill('lease-keeper');
    await clock.advance(2_000);
    const { drained, leases } = await inVirtualTime(clock, consumer.stop({ deadlineMs: 1_500 }));
    expect(drained).to.equal(false);
    expect(leases.every(({ released, recordsLeft }) => released && recordsLeft === 0)).to.equal(false);
  });

  it('is drained although a keeper and a pipeline have crashed before, when all that was handed out is settled', async () => {
    const { consumer } = await working(10);
    const chaos = nemesis(consumer, { seed: 1 });
    chaos.kill('lease-keeper');
    await clock.advance(5_000);
    chaos.kill('stage');
    await clock.advance(5_000);
    const { drained } = await inVirtualTime(clock, consumer.stop());
    expect(drained).to.equal(true);
  });

  it('that leaves a call running is not drained', async () => {
    const { consumer, running } = await working(60_000);
    const { drained } = await inVirtualTime(clock, consumer.stop({ deadlineMs: 2_000 }));
    expect(running()).to.equal(1);
    expect(drained).to.equal(false);
    await clock.advance(60_000);
  });
});
