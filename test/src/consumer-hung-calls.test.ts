// Calls of the application that take long or for ever, in a whole consumer in virtual time: `callDeadlineMs: 0` leaves sinks and policies
// their time, and the report of a stop names the item whose call hangs.
import { expect } from 'chai';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { park } from '../../src/options/park-policy.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

describe('a consumer whose calls take long', () => {
  let clock: ManualClock;
  beforeEach(() => {
    clock = new ManualClock();
    clock.install();
  });
  afterEach(() => clock.uninstall());

  async function settled<T>(promise: Promise<T>): Promise<T> {
    let done = false;
    void promise.then(
      () => (done = true),
      () => (done = true),
    );
    for (let passed = 0; !done && passed < 120_000; passed += 100) await clock.advance(100);
    return promise;
  }

  const sleep = (ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve));

  it('waits for a slow sink and a slow policy with callDeadlineMs 0', async () => {
    const parked: string[] = [];
    const sink = park(async ({ key }, { signal }) => {
      await sleep(3_000);
      signal.throwIfAborted();
      parked.push(key!);
    });
    const { consumer, stream } = virtualConsumer(clock, {
      callDeadlineMs: 0,
      onFailure: async () => {
        await sleep(2_000);
        return sink;
      },
      onItem: () => {
        throw new Error('no');
      },
    });
    const restarts: unknown[] = [];
    consumer.on('pipelineRestarted', (event) => restarts.push(event));
    await settled(consumer.start());
    stream.put({ partitionKey: 'k1', data: 'x' });
    await clock.advance(10_000);
    expect([parked, restarts]).to.deep.equal([['k1'], []]);
    expect(await settled(consumer.stop())).to.include({ drained: true });
  });

  it('names in the report of a stop the item whose call hangs', async () => {
    const { consumer, stream } = virtualConsumer(clock, { onItem: () => new Promise(() => {}) });
    await settled(consumer.start());
    stream.put({ partitionKey: 'k1', data: 'x' });
    await clock.advance(2_000);
    const { drained, waiting } = await settled(consumer.stop({ deadlineMs: 5_000 }));
    expect(drained).to.equal(false);
    expect(waiting.map(({ key, error }) => [key, error])).to.deep.equal([['k1', 'its call has not ended']]);
  });
});
