// Symptom: the text of `ctx.signal` said "aborts on stop", but a stop lets calls finish first. Cause: the reducer aborts it when it is
// stopped itself, after the leases are released or their deadline has passed. This test is the law behind the text.
import { expect } from 'chai';
import type { ManualClock } from '../../src/testing/manual-clock.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

describe('ctx.signal', () => {
  let clock: ManualClock;
  beforeEach(() => (clock = virtualClock()));
  afterEach(() => clock.uninstall());

  /** How long after the stop began the signal aborted, for a call that ends after `callMs` or when the signal aborts. */
  const abortedAfter = async (callMs: number, deadlineMs: number): Promise<number> => {
    let stoppedAt = 0;
    let abortedAt = -1;
    const { consumer, stream } = virtualConsumer(clock, {
      onItem: (_, signal) =>
        new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => ((abortedAt = clock.now()), resolve()));
          clock.after(callMs, resolve);
        }),
    });
    await inVirtualTime(clock, consumer.start());
    stream.put({ partitionKey: 'a', data: 'x' });
    await clock.advance(2_000);
    stoppedAt = clock.now();
    await inVirtualTime(clock, consumer.stop({ deadlineMs }));
    expect(abortedAt).to.be.at.least(stoppedAt);
    return abortedAt - stoppedAt;
  };

  it('aborts after the calls of a stop have ended', async () => {
    expect(await abortedAfter(5_000, 20_000)).to.be.within(2_500, 19_000);
  });

  it('aborts at the deadline of a stop, if a call takes longer', async () => {
    expect(await abortedAfter(60_000, 10_000)).to.be.within(9_000, 12_000);
  });
});
