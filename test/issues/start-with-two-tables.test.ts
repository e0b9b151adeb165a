// Symptom: with a lease table per source, `start()` resolved when the coordinator of the first table was ready. It never rejected
// for a failure of the other tables. Cause: their supervisor starts the coordinators one after the other, and `start()` asked only
// those that were there at once. Also, one source that could not be read ended all others, and forbade the next start.
import { expect } from 'chai';
import { createConsumer, type Consumer } from '../../src/consumer/consumer.js';
import { KinactError } from '../../src/api/errors.js';
import { defineReducer } from '../../src/api/reducer.js';
import { fakeStream, type FakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { inVirtualTime } from '../support/virtual.js';

const reducer = defineReducer({ init: () => 0, reduce: (count: number) => count + 1 });

describe('a consumer with a lease table for each of two sources', () => {
  let clock: ManualClock;
  beforeEach(() => {
    clock = new ManualClock();
    clock.install();
  });
  afterEach(() => clock.uninstall());

  it('has started only when the source of the second table is ready as well', async () => {
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
      logger: false,
      application: 'unused',
      source: [orders.source, { ...clicks.source, open: () => slow }],
      reducer,
      runtime: { clock, timers: clock },
    });
    let started = false;
    const starting = consumer.start().then(() => (started = true));
    await clock.advance(4_000);
    expect(started).to.equal(false);
    await inVirtualTime(clock, starting);
    await inVirtualTime(clock, consumer.stop());
  });

  it('starts if the second stream does not exist, and reports at once which source failed and why', async () => {
    const { consumer, missing } = withMissing();
    await inVirtualTime(clock, consumer.start(), 1_000);
    expect(consumer.ready()).to.deep.equal({
      ok: false,
      reasons: ['the source clicks has failed for good: no such stream'],
    });
    expect(consumer.status().sources.map(({ placement: _, ...source }) => source)).to.deep.equal([
      { source: 'orders', table: 'orders-app', state: 'running' },
      { source: 'clicks', table: 'clicks-app', state: 'failed', error: missing },
    ]);
    expect((await inVirtualTime(clock, consumer.stop())).drained).to.equal(true);
  });

  it('ends with the error of its last source when this source fails later', async () => {
    const { consumer, orders } = withMissing();
    await inVirtualTime(clock, consumer.start());
    orders.put({ partitionKey: 'k', data: 'x' });
    const { describe } = orders.port;
    const another: typeof describe = async (signal) => ({ ...(await describe(signal)), creationEpochSeconds: 2 });
    Object.assign(orders.port, { describe: another });
    const closed = consumer.closed.catch((error: unknown) => error);
    await clock.advance(70_000);
    const end = await inVirtualTime(clock, closed);
    expect(end).to.have.property('code', 'STREAM_CHANGED');
    expect(consumer.status().restarts).to.equal(0);
    expect(consumer.live().ok).to.equal(false);
  });

  function withMissing(): { consumer: Consumer; missing: KinactError; orders: FakeStream } {
    const orders = fakeStream({ name: 'orders', application: 'orders-app', clock });
    const clicks = fakeStream({ name: 'clicks', application: 'clicks-app', clock });
    const missing = new KinactError('STREAM_NOT_FOUND', 'no such stream');
    const absent = { ...clicks.port, describe: () => Promise.reject(missing) };
    const consumer = createConsumer({
      logger: false,
      application: 'unused',
      source: [orders.source, { ...clicks.source, open: () => absent }],
      reducer,
      runtime: { clock, timers: clock },
    });
    return { consumer, missing, orders };
  }
});
