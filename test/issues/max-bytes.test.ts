// Symptom: with records of 50 kB and a slow reducer, each of 20 shards held 59 MB. Cause: each shard had its own bounds (8 MiB
// ahead, 32 MiB in flight), and the process had none. Rule: `maxBytes` bounds all shards together, and they share it, so that no
// shard stands still for another.
import { expect } from 'chai';
import { kinesisStream } from '../../src/aws/kinesis/kinesis-stream.js';
import { createConsumer, type Consumer } from '../../src/consumer/consumer.js';
import type { ConsumerOptions } from '../../src/api/options.js';
import { defineReducer } from '../../src/api/reducer.js';
import type { SourceSpec } from '../../src/api/source.js';
import { fakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { memoryLeaseStore } from '../../src/testing/memory-lease-store.js';
import { modelClient, type ModelClient } from '../support/model-kinesis-client.js';
import { inVirtualTime } from '../support/virtual.js';

const recordBytes = 10_000;
const shards = 20;
const maxBytes = 4_000_000;
const oneEach = shards * (recordBytes + 20);

describe('maxBytes', () => {
  let clock: ManualClock;
  let client: ModelClient;
  let source: SourceSpec;
  beforeEach(() => {
    clock = new ManualClock();
    clock.install();
    client = modelClient(clock);
    client.kinesis.createStream('orders', shards);
    const store = memoryLeaseStore([]);
    const spec = kinesisStream({ streamName: 'orders', client, idleMs: 250 });
    source = { ...spec, openLeases: () => store };
  });
  afterEach(() => clock.uninstall());

  const put = (perShard: number, bytes = recordBytes): string[] =>
    Array.from({ length: perShard * shards }, (_, index) => {
      const explicitHashKey = String((2n ** 128n / BigInt(shards)) * BigInt(index % shards) + 1n);
      const data = Buffer.alloc(bytes);
      client.kinesis.put('orders', { partitionKey: `k${index}`, explicitHashKey, data });
      return `k${index}`;
    });

  const consumerOf = (options: Partial<ConsumerOptions>): Consumer =>
    createConsumer({
      logger: false,
      application: 'orders',
      source,
      reducers: 4,
      reducer: defineReducer({ init: () => 0, reduce: (n: number) => n + 1 }),
      maxBytes,
      runtime: { clock, timers: clock, random: { next: () => 0.5 } },
      ...options,
    });

  /** Lets `ms` pass and checks the status every 100 ms. Returns the largest number of bytes held. */
  const watch = async (consumer: Consumer, ms: number): Promise<number> => {
    let most = 0;
    for (let at = 0; at < ms; at += 100) {
      await clock.advance(100);
      const status = consumer.status();
      most = Math.max(most, status.bytes.held);
      const parts = status.shards.reduce((sum, shard) => sum + shard.heldBytes, 0);
      expect(status.bytes.held).to.equal(parts);
      for (const { openBytes, prefetchedBytes, heldBytes } of status.shards)
        expect(heldBytes).to.be.at.least(openBytes + prefetchedBytes);
    }
    return most;
  };

  it('bounds what 20 shards of a slow reducer hold, plus one record each; no shard stands still', async () => {
    const seen = new Map<string, number>();
    const keys = put(60);
    const consumer = consumerOf({
      logger: false,
      reducer: defineReducer({
        init: () => 0,
        reduce: (n: number, { shardId, key }) => {
          seen.set(shardId, (seen.get(shardId) ?? 0) + 1);
          keys.splice(keys.indexOf(key), 1);
          return new Promise<number>((resolve) => void clock.after(40, () => resolve(n + 1)));
        },
      }),
    });
    await inVirtualTime(clock, consumer.start());
    const most = await watch(consumer, 5_000);
    expect(most).to.be.at.most(maxBytes + oneEach);
    expect(most).to.be.greaterThan(maxBytes * 0.8);
    expect(seen.size).to.equal(shards);
    expect(await watch(consumer, 15_000)).to.be.at.most(maxBytes + oneEach);
    expect(keys).to.deep.equal([]);
    expect(consumer.status().bytes).to.deep.equal({ max: maxBytes, held: 0, waiting: 0 });
    await inVirtualTime(clock, consumer.stop());
  });

  it('makes batches flush when it is full and has no room for a whole batch', async () => {
    put(60);
    let flushed = 0;
    const consumer = consumerOf({
      logger: false,
      reducer: defineReducer({
        init: (): number => 0,
        reduce: (n) => n + 1,
        batch: { size: 100_000, intervalMs: 500_000 },
        flush: (n) => {
          flushed += n;
          return 0;
        },
      }),
      flushIntervalMs: 500_000,
    });
    await inVirtualTime(clock, consumer.start());
    expect(await watch(consumer, 20_000)).to.be.at.most(maxBytes + oneEach);
    // What is not flushed fits into `maxBytes`, and waits for its interval.
    expect((60 * shards - flushed) * recordBytes).to.be.at.most(maxBytes + oneEach);
    expect(flushed).to.be.greaterThan(0);
    await inVirtualTime(clock, consumer.stop());
  });

  it('lets shards be read to the end, record by record, if it is smaller than one record', async () => {
    const keys = new Set(put(4));
    const consumer = consumerOf({
      logger: false,
      maxBytes: 10,
      reducer: defineReducer({ init: () => 0, reduce: (n: number, { key }) => (keys.delete(key), n) }),
    });
    await inVirtualTime(clock, consumer.start());
    expect(await watch(consumer, 12_000)).to.be.at.most(oneEach);
    expect([...keys]).to.deep.equal([]);
    expect(client.of('GetRecords').every(({ input }) => input['Limit'] === 1)).to.equal(true);
    await inVirtualTime(clock, consumer.stop());
  });

  it('is not used up by a shard whose records are never acknowledged: the other shards continue', async () => {
    const stuck = 'shardId-000000000000';
    const keys = put(60);
    const done = new Set<string>();
    const consumer = consumerOf({
      logger: false,
      reducer: defineReducer({
        init: () => 0,
        acknowledge: 'manual',
        reduce: (n: number, { shardId, key, token }, { ack }) => {
          if (shardId === stuck) return n;
          done.add(key);
          ack(token);
          return n;
        },
      }),
    });
    await inVirtualTime(clock, consumer.start());
    expect(await watch(consumer, 20_000)).to.be.at.most(maxBytes + oneEach);
    expect(done.size).to.equal((keys.length * (shards - 1)) / shards);
    await inVirtualTime(clock, consumer.stop({ deadlineMs: 1_000 }));
    expect(consumer.status().bytes.held).to.equal(0);
  });

  it('gets all bytes back after restarts of the pipeline and after a stop', async () => {
    put(60);
    let calls = 0;
    let isSlow = false;
    const consumer = consumerOf({
      logger: false,
      restart: { intensity: 100, periodMs: 1_000 },
      reducer: defineReducer({
        init: () => 0,
        reduce: (n: number) => {
          calls += 1;
          if (isSlow) return new Promise<number>((resolve) => void clock.after(1_000, () => resolve(n + 1)));
          if (calls % 97 === 0) throw new Error('for the test');
          return n + 1;
        },
      }),
      onFailure: () => (calls < 600 ? 'crash' : 'skip'),
    });
    await inVirtualTime(clock, consumer.start());
    expect(await watch(consumer, 60_000)).to.be.at.most(maxBytes + oneEach);
    expect(consumer.status().restarts).to.be.at.least(3);
    expect(consumer.status().bytes).to.include({ held: 0, waiting: 0 });
    isSlow = true;
    put(10);
    await clock.advance(600);
    expect(consumer.status().bytes.held).to.be.greaterThan(0);
    await inVirtualTime(clock, consumer.stop({ deadlineMs: 100 }));
    expect(consumer.status().bytes).to.include({ held: 0, waiting: 0 });
  });

  it('bounds sources of every kind together, even a source that does not know it', async () => {
    const other = fakeStream({ name: 'other', application: 'others', shards: 2, maxRecords: 10, clock });
    for (let index = 0; index < 400; index += 1)
      other.put({ partitionKey: `o${index}`, data: Buffer.alloc(recordBytes) });
    put(30);
    const seen = { orders: 0, other: 0 };
    const consumer = consumerOf({
      logger: false,
      source: [source, other.source],
      reducer: defineReducer({
        init: () => 0,
        reduce: (n: number, item) => {
          seen[item.source as keyof typeof seen] += 1;
          return new Promise<number>((resolve) => void clock.after(20, () => resolve(n + 1)));
        },
      }),
    });
    await inVirtualTime(clock, consumer.start());
    expect(await watch(consumer, 20_000)).to.be.at.most(maxBytes + oneEach + 2 * 10 * (recordBytes + 4));
    expect(seen).to.deep.equal({ orders: 30 * shards, other: 400 });
    await inVirtualTime(clock, consumer.stop());
  });
});
