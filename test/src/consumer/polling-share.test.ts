// One source's trouble stops no other: of a source whose every call hangs, at most its share is under way, and the other source reads on.
import { expect } from 'chai';
import { createConsumer, type Consumer } from '../../../src/consumer/consumer.js';
import { defineReducer } from '../../../src/api/reducer.js';
import type { AnySource } from '../../../src/api/source.js';
import { kinesisStream } from '../../../src/index.js';
import { memoryLeaseStore } from '../../../src/testing/memory-lease-store.js';
import type { ManualClock } from '../../../src/testing/manual-clock.js';
import { modelClient, type ModelClient } from '../../support/model-kinesis-client.js';
import { inVirtualTime, virtualClock } from '../../support/virtual.js';

describe('a source whose every call hangs', () => {
  let clock: ManualClock;
  let consumer: Consumer;
  beforeEach(() => (clock = virtualClock()));
  afterEach(async () => {
    await inVirtualTime(clock, consumer.stop({ deadlineMs: 1_000 }), 120_000);
    clock.uninstall();
  });

  it('has at most its share of the calls under way, and the other source reads on', async () => {
    const [orders, clicks] = [modelClient(clock), modelClient(clock)] as [ModelClient, ModelClient];
    orders.kinesis.createStream('orders', 12);
    clicks.kinesis.createStream('clicks', 6);
    let hanging = 0;
    let most = 0;
    const reads = /GetRecords|GetShardIterator/;
    const hangs = {
      ...orders,
      send: (command: never, options: never): Promise<unknown> => {
        if (!reads.test((command as object).constructor.name))
          return (orders as { send: typeof hangs.send }).send(command, options);
        hanging += 1;
        most = Math.max(most, hanging);
        const { abortSignal } = options as { abortSignal: AbortSignal };
        return new Promise((_, reject) =>
          abortSignal.addEventListener('abort', () => {
            hanging -= 1;
            reject(Object.assign(new Error('aborted'), { name: 'AbortError' }));
          }),
        );
      },
    };
    const leases = (name: string): Partial<AnySource> => ({
      openLeases: () => memoryLeaseStore([], name),
      application: name,
    });
    const seen: string[] = [];
    consumer = createConsumer({
      logger: false,
      application: 'totals',
      source: [
        { ...kinesisStream({ streamName: 'orders', client: hangs as never }), ...leases('orders') } as AnySource,
        { ...kinesisStream({ streamName: 'clicks', client: clicks as never }), ...leases('clicks') } as AnySource,
      ],
      maxPollingCalls: 8,
      reducer: defineReducer({
        init: () => 0,
        reduce: (count: number, item: { source: string }) => (seen.push(item.source), count + 1),
      }) as never,
      runtime: { clock, timers: clock },
    }) as unknown as Consumer;
    await inVirtualTime(clock, consumer.start());
    for (let round = 1; round <= 20; round += 1) {
      for (let index = 0; index < 12; index += 1)
        clicks.kinesis.put('clicks', { partitionKey: `k${index}`, data: 'x' });
      await clock.advance(3_000);
      expect(seen.length, `after ${round} rounds`).to.equal(12 * round);
    }
    expect(most).to.equal(4);
    const { max, underWay, waiting } = consumer.status().polling;
    expect(max).to.equal(8);
    expect(underWay).to.be.within(4, 8);
    expect(waiting).to.be.above(0);
  });
});
