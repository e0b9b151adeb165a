// Calls of the application that take long or for ever, in a whole consumer in virtual time: `callDeadlineMs: 0` leaves sinks and policies
// their time, the report of a stop names the item whose call hangs, and attempts count in one life of the pipeline.
import { expect } from 'chai';
import { ManualClock } from '../../../src/testing/manual-clock.js';
import type { ParkedItem } from '../../../src/api/parking.js';
import { park } from '../../../src/options/park-policy.js';
import { retry } from '../../../src/options/retry-policy.js';
import { envelope, message } from '../../support/aggregate-bytes.js';
import { virtualConsumer, type VirtualOptions } from '../../support/virtual-consumer.js';

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

  const fail = (): never => {
    throw new Error('no');
  };
  /** A record that each of these actors cannot deal with. */
  const failures: Readonly<Record<string, { readonly data: Buffer; readonly options: VirtualOptions }>> = {
    reducer: { data: Buffer.from('x'), options: { onItem: fail } },
    stage: { data: Buffer.from('x'), options: { extract: fail } },
    'shard worker': { data: envelope(message(['k'], [{ pk: 9, data: 'x' }]), 'kpl'), options: {} },
  };

  for (const [actor, { data, options }] of Object.entries(failures))
    it(`waits for a slow sink and a slow policy with callDeadlineMs 0: ${actor}`, async () => {
      const parked: ParkedItem['at'][] = [];
      const sink = park(async ({ at }, { signal }) => {
        await sleep(3_000);
        signal.throwIfAborted();
        parked.push(at);
      });
      const onFailure = async (): Promise<typeof sink> => {
        await sleep(2_000);
        return sink;
      };
      const { consumer, stream } = virtualConsumer(clock, { callDeadlineMs: 0, onFailure, ...options });
      const restarts: unknown[] = [];
      consumer.on('pipelineRestarted', (event) => restarts.push(event));
      await settled(consumer.start());
      stream.put({ partitionKey: 'k1', data });
      await clock.advance(10_000);
      expect([parked.length, restarts]).to.deep.equal([1, []]);
      expect(await settled(consumer.stop())).to.include({ drained: true });
    });

  it('counts the attempts with an item from 1 again after a restart of the pipeline', async () => {
    const seen: number[] = [];
    const told: number[] = [];
    const { consumer, stream } = virtualConsumer(clock, {
      onFailure: (_, __, attempt) => {
        told.push(attempt);
        return attempt === 2 && told.length === 2 ? 'crash' : retry({ minMs: 10, maxMs: 10 });
      },
      onItem: ({ attempt }) => {
        seen.push(attempt);
        if (seen.length < 4) fail();
      },
    });
    await settled(consumer.start());
    stream.put({ partitionKey: 'k1', data: 'x' });
    await clock.advance(10_000);
    expect([seen, told]).to.deep.equal([
      [1, 2, 1, 2],
      [1, 2, 1],
    ]);
    expect(await settled(consumer.stop())).to.include({ drained: true });
  });

  it('names in the report of a stop the item whose call hangs, and those behind it', async () => {
    const { consumer, stream } = virtualConsumer(clock, { onItem: () => new Promise(() => {}) });
    await settled(consumer.start());
    stream.put({ partitionKey: 'k1', data: 'x' }, { partitionKey: 'k1', data: 'y' });
    await clock.advance(2_000);
    stream.put({ partitionKey: 'k1', data: 'z' });
    await clock.advance(2_000);
    const { drained, waiting } = await settled(consumer.stop({ deadlineMs: 5_000 }));
    expect(drained).to.equal(false);
    expect(waiting.map(({ key, error }) => [key, error])).to.deep.equal([
      ['k1', 'its call has not ended'],
      ['k1', 'it waits behind a call that has not ended'],
      ['k1', 'it waits behind a call that has not ended'],
    ]);
  });
});
