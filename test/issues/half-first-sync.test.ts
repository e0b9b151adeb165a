// Symptom: at LATEST, records of a shard without a row were never read if the shard was then split or merged. (A first shard sync
// had broken off, or the row had been deleted.) Cause: the KCL's rule for LATEST creates rows of open shards only. The children
// were read from LATEST, and the records that their parent had got since then were skipped.
import { expect } from 'chai';
import { createConsumer, type Consumer } from '../../src/consumer/consumer.js';
import type { LeaseStore } from '../../src/api/ports.js';
import { defineReducer } from '../../src/api/reducer.js';
import { fakeStream, type FakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { inVirtualTime } from '../support/virtual.js';

const lost = 'shardId-000000000001';

describe('a first shard sync at LATEST that broke off half-way', () => {
  let clock: ManualClock;
  let stream: FakeStream;
  const seen = new Set<string>();
  beforeEach(() => {
    clock = new ManualClock();
    clock.install();
    stream = fakeStream({ shards: 2, initialPosition: 'LATEST', clock });
    seen.clear();
  });
  afterEach(() => clock.uninstall());

  function consumer(openLeases = stream.source.openLeases): Consumer {
    return createConsumer({
      logger: false,
      application: 'orders',
      source: { ...stream.source, openLeases },
      reducers: 2,
      reducer: defineReducer({ init: () => 0, reduce: (n: number, item) => (seen.add(item.sequenceNumber), n + 1) }),
      runtime: { clock, timers: clock, random: { next: () => 0.5 } },
    });
  }

  it('is completed without a lost record, even if the shard without a row has been split', async () => {
    const failing = (...args: Parameters<typeof stream.source.openLeases>): LeaseStore => {
      const store = stream.source.openLeases(...args);
      const create: LeaseStore['create'] = (row, signal) =>
        row.leaseKey === lost ? Promise.reject(new Error('killed here')) : store.create(row, signal);
      return { ...store, create };
    };
    const first = consumer(failing);
    const starting = first.start().catch(() => {});
    await clock.advance(1_000);
    await inVirtualTime(clock, first.stop());
    await starting;
    expect([...(stream.leases.get('orders')?.rows.keys() ?? [])]).to.deep.equal(['shardId-000000000000']);

    const records = (from: string): { partitionKey: string; data: string }[] =>
      Array.from({ length: 20 }, (_, index) => ({ partitionKey: `${from}${index}`, data: '' }));
    const put = stream.put(...records('before'));
    expect(put.some(({ shardId }) => shardId === lost)).to.equal(true);
    await clock.advance(5_000);
    stream.split(lost);
    put.push(...stream.put(...records('after')));

    const second = consumer();
    await inVirtualTime(clock, second.start());
    await clock.advance(30_000);
    expect(put.filter(({ sequenceNumber }) => !seen.has(sequenceNumber))).to.deep.equal([]);
    await inVirtualTime(clock, second.stop());
  });
});
