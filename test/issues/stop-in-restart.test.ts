// Symptom: `stop()` reported `recordsLeft: 0` and `drained: true` while a restart of the pipeline waited for a user call, with
// records open that nobody had settled. Cause: a keeper without a worker took that for a shard without open records.
import { expect } from 'chai';
import { createConsumer } from '../../src/consumer.js';
import { defineReducer } from '../../src/reducer.js';
import { fakeStream } from '../../src/testing/fake-stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { settled } from '../support/virtual.js';

describe('a stop while a restart waits for a user call', () => {
  let clock: ManualClock;
  beforeEach(() => {
    clock = new ManualClock();
    clock.install();
  });
  afterEach(() => clock.uninstall());

  it('does not claim to know that nothing was left open', async () => {
    const stream = fakeStream({ clock });
    const consumer = createConsumer({
      application: 'orders',
      source: stream.source,
      reducers: 2,
      // One key for each reducer.
      key: ({ data }) => (Buffer.from(data).toString() === 'slow' ? 'a' : 'b'),
      reducer: defineReducer({
        init: () => 0,
        reduce: (count: number, { value }) => {
          if (Buffer.from(value).toString() === 'bad') throw new Error('for the test');
          return new Promise<number>((resolve) => void clock.after(60_000, () => resolve(count + 1)));
        },
      }),
      runtime: { clock, timers: clock },
    });
    await settled(clock, consumer.start());
    stream.put({ partitionKey: 'k', data: 'slow' });
    await clock.advance(2_000);
    stream.put({ partitionKey: 'k', data: 'bad' });
    await clock.advance(2_000);
    expect(consumer.status().restarts).to.equal(1);
    const report = await settled(clock, consumer.stop());
    expect(report.leases).to.have.length(1);
    expect(report.leases[0]).to.include({ recordsLeft: -1, released: true, checkpoint: 'TRIM_HORIZON' });
    expect(report.drained).to.equal(false);
    await clock.advance(60_000);
    expect(clock.pending()).to.equal(0);
  });
});
