// Symptom: at a stop, a raw behaviour was called once per shard for nothing, and the stop waited for all of these calls.
// Cause: a stop waits for calls that acknowledged early. For this, every shard worker asked all reducers to drain, even if it had
// never handed out a record.
import { expect } from 'chai';
import { defineReducer } from '../../src/index.js';
import type { ManualClock } from '../../src/testing/index.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

describe('a stop of a raw behaviour that has got no record', () => {
  let clock: ManualClock;
  beforeEach(() => (clock = virtualClock()));
  afterEach(() => clock.uninstall());

  it('asks it to drain for no shard, and does not wait for it', async () => {
    let drains = 0;
    const { consumer } = virtualConsumer(clock, {
      streamOptions: { shards: 16 },
      reducers: 1,
      reducer: defineReducer({
        init: () => 0,
        behaviour: async (count: number, message) => {
          if (message.type !== 'drain') return count;
          drains += 1;
          await new Promise<void>((resolve) => void clock.after(2_000, resolve));
          return count;
        },
      }),
    });
    await inVirtualTime(clock, consumer.start());
    await clock.advance(5_000);
    const before = clock.now();
    const report = await inVirtualTime(clock, consumer.stop());
    const tookMs = clock.now() - before;
    expect(report.drained).to.equal(true);
    expect(drains).to.equal(0);
    expect(tookMs).to.be.below(2_000);
  });
});
