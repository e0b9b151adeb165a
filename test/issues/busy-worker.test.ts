// Symptom: an `extract` of 9 ms a record was called 361,472 times in an hour and none of 1,500 items was delivered, without one
// event. Cause: a stage extracted a batch of 1,024 records in one go, 9.2 s, while the lease keepers of the same thread could
// not renew; the tenure was dead when the first item was to be delivered, and the next one fared the same.
import { expect } from 'chai';
import type { ConsumerOptions } from '../../src/api/options.js';
import { defineReducer } from '../../src/api/reducer.js';
import { fakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import type { FakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { inVirtualTime } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';
import type { VirtualConsumer } from '../support/virtual-consumer.js';

describe('a worker that is merely busy keeps its leases and gets on', () => {
  let clock: ManualClock;
  beforeEach(() => {
    clock = new ManualClock();
    clock.install();
  });
  afterEach(() => clock.uninstall());

  function filled(records: number, shards = 1): FakeStream {
    const stream = fakeStream({ clock, shards });
    const keys = Math.max(1, shards * 8);
    stream.put(...Array.from({ length: records }, (_, n) => ({ partitionKey: `k${n % keys}`, data: String(n) })));
    return stream;
  }

  async function run(stream: FakeStream, ms: number, options: Partial<ConsumerOptions>): Promise<VirtualConsumer> {
    const made = virtualConsumer(clock, { stream, ...options });
    await inVirtualTime(clock, made.consumer.start());
    await clock.advance(ms);
    return made;
  }

  /** Every shard was read under one tenure only, and what was in it came once and in order per key. */
  function undisturbed({ heard, seen }: VirtualConsumer, records: number, shards = 1): void {
    expect(seen.map(({ sequenceNumber }) => sequenceNumber)).to.have.length(records);
    const last = new Map<string, number>();
    for (const { key, value } of seen) {
      const n = Number(Buffer.from(value as Uint8Array).toString());
      expect(n).to.be.greaterThan(last.get(key) ?? -1);
      last.set(key, n);
    }
    expect(heard('leaseLost')).to.deep.equal([]);
    expect(heard('shardStarted')).to.have.length(shards);
  }

  it('extract takes 9 ms a record', async () => {
    const made = await run(filled(1_500), 30_000, {
      extract: (record) => {
        clock.spend(9);
        return [{ key: record.partitionKey ?? '', value: record.data }];
      },
    });
    undisturbed(made, 1_500);
    await inVirtualTime(clock, made.consumer.stop());
  });

  it('key takes 9 ms a record', async () => {
    const made = await run(filled(1_500), 30_000, {
      key: ({ partitionKey }) => {
        clock.spend(9);
        return partitionKey ?? '';
      },
    });
    undisturbed(made, 1_500);
    await inVirtualTime(clock, made.consumer.stop());
  });

  it('extract takes 100 ms a record, on eight shards that share a stage', async () => {
    const made = await run(filled(400, 8), 60_000, {
      extract: (record) => {
        clock.spend(100);
        return [{ key: record.partitionKey ?? '', value: record.data }];
      },
    });
    undisturbed(made, 400, 8);
    await inVirtualTime(clock, made.consumer.stop());
  });

  it('opening a record takes 9 ms, as with large aggregates', async () => {
    const stream = filled(1_500);
    const port = stream.port;
    const slow: FakeStream['port'] = {
      ...port,
      unpack: (record, range) => {
        clock.spend(9);
        return port.unpack(record, range);
      },
    };
    const made = await run({ ...stream, source: { ...stream.source, open: () => slow } }, 30_000, {});
    undisturbed(made, 1_500);
    await inVirtualTime(clock, made.consumer.stop());
  });

  it('a synchronous flush takes a second, with a state per shard and twenty shards', async () => {
    const flushed: string[] = [];
    const made = await run(filled(200, 20), 60_000, {
      reducers: 1,
      reducer: defineReducer<string[], Uint8Array>({
        stateBy: 'shard',
        init: () => [],
        reduce: (state, { sequenceNumber }) => [...state, sequenceNumber],
        flush: (state) => {
          clock.spend(1_000);
          flushed.push(...state);
          return [];
        },
      }),
    });
    expect(flushed).to.have.length(200);
    expect(made.heard('leaseLost')).to.deep.equal([]);
    expect(made.heard('shardStarted')).to.have.length(20);
    await inVirtualTime(clock, made.consumer.stop());
  });
});

describe('a shard whose tenures end again and again without progress', () => {
  it('is an event that names the reason, and a reason why the consumer is not ready, until it moves', async () => {
    const clock = new ManualClock();
    clock.install();
    try {
      let blockedMs = 12_000;
      const stream = fakeStream({ clock });
      stream.put({ partitionKey: 'k', data: '1' }, { partitionKey: 'k', data: '2' });
      const { consumer, heard, seen } = virtualConsumer(clock, {
        stream,
        extract: (record) => {
          clock.spend(blockedMs);
          return [{ key: 'k', value: record.data }];
        },
      });
      await inVirtualTime(clock, consumer.start());
      await clock.advanceUntil(() => heard('noProgress').length > 0, 120_000);
      expect(seen).to.deep.equal([]);
      expect(heard('noProgress')[0]).to.include({ shardId: 'shardId-000000000000', tenures: 3 });
      expect(heard('noProgress')[0]!.reason).to.match(/deadline has passed .* blocked for about \d+ ms/);
      expect(consumer.ready().reasons.join()).to.match(/is stuck: 3 tenures/);
      blockedMs = 1;
      await clock.advance(30_000);
      expect(seen).to.have.length(2);
      expect(consumer.ready()).to.deep.equal({ ok: true, reasons: [] });
      expect(heard('noProgress')).to.have.length(1);
      await inVirtualTime(clock, consumer.stop());
    } finally {
      clock.uninstall();
    }
  });
});
