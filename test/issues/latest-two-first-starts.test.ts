// Symptom: two workers started an application for the first time at LATEST, while a shard was split. No worker read the first
// records of the children. Cause: one worker had seen an empty table long before its listing, which showed only the children. Their
// rows got LATEST as of that listing, although the other worker was reading the parent by then.
import { expect } from 'chai';
import { createConsumer, type Consumer } from '../../src/consumer/consumer.js';
import type { StreamSource } from '../../src/api/ports.js';
import { defineReducer } from '../../src/api/reducer.js';
import { fakeStream, type FakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { inVirtualTime } from '../support/virtual.js';

describe('two first starts at LATEST around a split', () => {
  let clock: ManualClock;
  let stream: FakeStream;
  const seen = new Set<string>();
  beforeEach(() => {
    clock = new ManualClock();
    clock.install();
    stream = fakeStream({ shards: 1, initialPosition: 'LATEST', clock });
    seen.clear();
  });
  afterEach(() => clock.uninstall());

  function consumer(workerId: string, port: StreamSource = stream.port): Consumer {
    return createConsumer({
      logger: false,
      application: 'orders',
      workerId,
      source: { ...stream.source, open: () => port },
      reducers: 2,
      reducer: defineReducer({
        init: () => 0,
        reduce: async (n: number, item) => {
          // Ten records a second.
          await new Promise<void>((resolve) => void clock.after(100, resolve));
          seen.add(item.sequenceNumber);
          return n + 1;
        },
      }),
      runtime: { clock, timers: clock, random: { next: () => 0.5 } },
    });
  }

  for (const slowMs of [0, 6_000]) {
    it(`lose no record that comes after one of them has begun to read (second describe takes ${slowMs} ms)`, async () => {
      let calls = 0;
      const slow: StreamSource = {
        ...stream.port,
        describe: async (signal) => {
          calls += 1;
          if (calls === 2) await new Promise<void>((resolve) => void clock.after(slowMs, resolve));
          return stream.port.describe(signal);
        },
      };
      const second = consumer('two', slow);
      const secondStarts = second.start();
      await clock.advance(200);
      const first = consumer('one');
      await inVirtualTime(clock, first.start());
      await clock.advance(1_000);
      const records = (from: string): { partitionKey: string; data: string }[] =>
        Array.from({ length: 200 }, (_, index) => ({ partitionKey: `${from}${index}`, data: '' }));
      const put = stream.put(...records('before'));
      stream.split('shardId-000000000000');
      put.push(...stream.put(...records('after')));
      await clock.advance(20_000);
      await inVirtualTime(clock, secondStarts);
      put.push(...stream.put(...records('late')));
      await clock.advance(120_000);
      const rows = [...(stream.leases.get('orders')?.rows.values() ?? [])].map(
        ({ leaseKey, checkpoint, kinactLatestAt }) => `${leaseKey} ${checkpoint.slice(-8)} ${kinactLatestAt}`,
      );
      const lost = put.filter(({ sequenceNumber }) => !seen.has(sequenceNumber));
      await inVirtualTime(clock, second.stop());
      await inVirtualTime(clock, first.stop());
      expect(lost.length, `of ${put.length} records are lost; rows: ${rows.join('; ')}`).to.equal(0);
    });
  }
});
