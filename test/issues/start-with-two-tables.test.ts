// Symptom: with a lease table per source, `start()` resolved when the first table's coordinator was ready, and rejected for
// nothing that went wrong with the others. Cause: their supervisor starts them one after the other, and `start()` asked
// those that were there at once.
import { expect } from 'chai';
import { createConsumer } from '../../src/consumer.js';
import { KinactError } from '../../src/errors.js';
import { defineReducer } from '../../src/reducer.js';
import { fakeStream } from '../../src/testing/fake-stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { settled } from '../support/virtual.js';

const reducer = defineReducer({ init: () => 0, reduce: (count: number) => count + 1 });

describe('a consumer with a lease table for each of two sources', () => {
  let clock: ManualClock;
  beforeEach(() => {
    clock = new ManualClock();
    clock.install();
  });
  afterEach(() => clock.uninstall());

  it('has not started before the second table has been read as well', async () => {
    const orders = fakeStream({ name: 'orders', application: 'orders-app', clock });
    const clicks = fakeStream({ name: 'clicks', application: 'clicks-app', clock });
    const slow = {
      ...clicks.port,
      describe: async (signal: AbortSignal) => {
        await new Promise<void>((resolve) => void clock.after(5_000, resolve));
        return clicks.port.describe(signal);
      },
    };
    const consumer = createConsumer({
      application: 'unused',
      source: [orders.source, { ...clicks.source, open: () => slow }],
      reducer,
      runtime: { clock, timers: clock },
    });
    let started = false;
    const starting = consumer.start().then(() => (started = true));
    await clock.advance(4_000);
    expect(started).to.equal(false);
    await settled(clock, starting);
    await settled(clock, consumer.stop());
  });

  it('does not start when the stream of the second does not exist, and says so at once', async () => {
    const orders = fakeStream({ name: 'orders', application: 'orders-app', clock });
    const clicks = fakeStream({ name: 'clicks', application: 'clicks-app', clock });
    const missing = {
      ...clicks.port,
      describe: () => Promise.reject(new KinactError('STREAM_NOT_FOUND', 'no such stream')),
    };
    const consumer = createConsumer({
      application: 'unused',
      source: [orders.source, { ...clicks.source, open: () => missing }],
      reducer,
      runtime: { clock, timers: clock },
    });
    const failure = await settled(
      clock,
      consumer.start().catch((error: unknown) => error),
    );
    expect(failure).to.include({ code: 'STREAM_NOT_FOUND' });
    const end = await settled(
      clock,
      consumer.closed.catch((error: unknown) => error),
    );
    expect(end).to.equal(failure);
  });
});
