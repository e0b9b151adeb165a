// Symptom: a reducer whose `init` throws made `start()` reject with STOPPED, as if the application had stopped the consumer.
// Missing credentials made it reject with START_TIMEOUT after a minute. Cause: the consumer ended itself while it started, and the
// wait for the coordinators saw only that end. CREDENTIALS_MISSING was retried at the start. Also, a coordinator that crashed while
// it started ended the consumer, although its supervisor had started another.
import { expect } from 'chai';
import type { Ref } from '../../actors/protocol/actor.js';
import { createConsumer, type Consumer } from '../../src/consumer/consumer.js';
import { KinactError } from '../../src/api/errors.js';
import { defineReducer } from '../../src/api/reducer.js';
import { fakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { crashActor } from '../../supervision/system.js';
import { inVirtualTime } from '../support/virtual.js';

describe('a start with a failure', () => {
  let clock: ManualClock;
  beforeEach(() => {
    clock = new ManualClock({ restlessAfter: 20_000 });
    clock.install();
  });
  afterEach(() => clock.uninstall());

  /** The error of the start. When it comes, nothing runs any more. */
  const failureOf = (consumer: Consumer): Promise<unknown> =>
    consumer.start().catch((error: unknown) => {
      expect(consumer.status().state).to.equal('closed');
      return error;
    });

  it('rejects with START_FAILED, whose cause is the error that `init` threw', async () => {
    const broken = new Error('no database');
    const consumer = createConsumer({
      logger: false,
      application: 'orders',
      source: fakeStream({ clock }).source,
      reducers: 1,
      reducer: defineReducer({
        init: (): number => {
          throw broken;
        },
        reduce: (count: number) => count + 1,
      }),
      runtime: { clock, timers: clock },
    });
    const failure = await inVirtualTime(clock, failureOf(consumer));
    expect(failure).to.include({ code: 'START_FAILED', cause: broken });
    const end = await inVirtualTime(
      clock,
      consumer.closed.catch((error: unknown) => error),
    );
    expect(end).to.equal(failure);
  });

  it('rejects with STOPPED if the application stops the consumer, whatever the start waits for', async () => {
    const stream = fakeStream({ clock });
    const hanging = { ...stream.port, describe: () => new Promise<never>(() => {}) };
    const consumer = createConsumer({
      logger: false,
      application: 'orders',
      source: { ...stream.source, open: () => hanging },
      reducer: defineReducer({ init: () => 0, reduce: (count: number) => count + 1 }),
      runtime: { clock, timers: clock },
    });
    const starting = consumer.start().catch((error: unknown) => error);
    const stopping = consumer.stop();
    expect(await inVirtualTime(clock, starting)).to.include({ code: 'STOPPED' });
    await inVirtualTime(clock, stopping);
    await consumer.closed;
  });

  it('rejects at once with CREDENTIALS_MISSING', async () => {
    const stream = fakeStream({ clock });
    const anonymous = {
      ...stream.port,
      describe: () => Promise.reject(new KinactError('CREDENTIALS_MISSING', 'no credentials')),
    };
    const consumer = createConsumer({
      logger: false,
      application: 'orders',
      source: { ...stream.source, open: () => anonymous },
      reducer: defineReducer({ init: () => 0, reduce: (count: number) => count + 1 }),
      runtime: { clock, timers: clock },
    });
    const failure = await inVirtualTime(clock, failureOf(consumer), 1_000);
    expect(failure).to.include({ code: 'CREDENTIALS_MISSING' });
  });

  it('waits for the next coordinator if only the coordinator crashed, and succeeds', async () => {
    const stream = fakeStream({ clock });
    const coordinators: Ref<never>[] = [];
    let crashed = false;
    const intercept = {
      deliver: ({ to, via }: { readonly to: Ref<never>; readonly via: string }, go: () => void): void => {
        if (to.path.startsWith('lease-coordinator/')) coordinators.push(to);
        // The supervisors learn of the crash late. Until then, the wait for the next coordinator must not spin.
        if (crashed && via === 'lifecycle') clock.after(200, go);
        else go();
      },
    };
    const slow = {
      ...stream.port,
      describe: async (signal: AbortSignal) => {
        await new Promise<void>((resolve) => void clock.after(5_000, resolve));
        return stream.port.describe(signal);
      },
    };
    const consumer = createConsumer({
      logger: false,
      application: 'orders',
      source: { ...stream.source, open: () => slow },
      reducer: defineReducer({ init: () => 0, reduce: (count: number) => count + 1 }),
      runtime: { clock, timers: clock, intercept },
    });
    const starting = consumer.start();
    await clock.advance(1_000);
    crashed = true;
    crashActor(coordinators[0] as Ref<never>, new Error('for the test'));
    await inVirtualTime(clock, starting);
    expect(consumer.ready()).to.deep.equal({ ok: true, reasons: [] });
    expect((await inVirtualTime(clock, consumer.stop())).drained).to.equal(true);
  });
});
