// Symptom: a stop reported `drained: true`, and records came again. Or it released leases while calls of the application still ran
// for them. Cause: only the keeper knew what had been handed out, and this knowledge died with it. A pipeline that crashed during
// the drain counted as one with nothing under way.
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

  /** A consumer of one shard with ten records; each call takes `callMs`. */
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

  it('keeps the lease until the running calls have ended if the pipeline crashes, and is not drained', async () => {
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

  it('releases the lease when the calls have ended, not at the deadline, if the pipeline crashes for good', async () => {
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

  it('is not drained if a keeper has crashed and the records that it handed out are not settled', async () => {
    const { consumer } = await working(2_000);
    nemesis(consumer, { seed: 1 }).kill('lease-keeper');
    await clock.advance(2_000);
    const { drained, leases } = await inVirtualTime(clock, consumer.stop({ deadlineMs: 1_500 }));
    expect(drained).to.equal(false);
    expect(leases.every(({ released, recordsLeft }) => released && recordsLeft === 0)).to.equal(false);
  });

  it('is drained if everything handed out is settled, even after crashes of a keeper and a pipeline', async () => {
    const { consumer } = await working(10);
    const chaos = nemesis(consumer, { seed: 1 });
    chaos.kill('lease-keeper');
    await clock.advance(5_000);
    chaos.kill('stage');
    await clock.advance(5_000);
    const { drained } = await inVirtualTime(clock, consumer.stop());
    expect(drained).to.equal(true);
  });

  it('is not drained if it leaves a call running', async () => {
    const { consumer, running } = await working(60_000);
    const { drained } = await inVirtualTime(clock, consumer.stop({ deadlineMs: 2_000 }));
    expect(running()).to.equal(1);
    expect(drained).to.equal(false);
    await clock.advance(60_000);
  });
});
