// Symptom: an `extract` of 9 ms a record was called 361,472 times in an hour. None of 1,500 items was delivered, and no event
// reported it. Cause: a stage extracted a batch of 1,024 records in one go, for 9.2 s. Meanwhile the lease keepers on the same
// thread could not renew, so the tenure was dead before the first delivery. The next tenures ended in the same way. Rule: all work
// on a batch gives way after 25 ms.
import { expect } from 'chai';
import type { ConsumerOptions } from '../../src/api/options.js';
import { defineReducer } from '../../src/api/reducer.js';
import { fakeStream, type FakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { inVirtualTime } from '../support/virtual.js';
import { virtualConsumer, type VirtualConsumer } from '../support/virtual-consumer.js';

describe('a busy worker', () => {
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

  /** Checks that each shard was read under one tenure, and that its records came once and in order per key. */
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

  it('keeps its leases and delivers all records if extract takes 9 ms a record', async () => {
    const made = await run(filled(1_500), 30_000, {
      extract: (record) => {
        clock.spend(9);
        return [{ key: record.partitionKey ?? '', value: record.data }];
      },
    });
    undisturbed(made, 1_500);
    await inVirtualTime(clock, made.consumer.stop());
  });

  it('keeps its leases and delivers all records if key takes 9 ms a record', async () => {
    const made = await run(filled(1_500), 30_000, {
      key: ({ partitionKey }) => {
        clock.spend(9);
        return partitionKey ?? '';
      },
    });
    undisturbed(made, 1_500);
    await inVirtualTime(clock, made.consumer.stop());
  });

  it('keeps its leases and delivers all records if extract takes 100 ms a record, on eight shards', async () => {
    const made = await run(filled(400, 8), 60_000, {
      extract: (record) => {
        clock.spend(100);
        return [{ key: record.partitionKey ?? '', value: record.data }];
      },
    });
    undisturbed(made, 400, 8);
    await inVirtualTime(clock, made.consumer.stop());
  });

  it('keeps its leases and delivers all records if unpacking a record takes 9 ms, as with large aggregates', async () => {
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

  it('keeps its leases and flushes all records if flushing each of twenty shard states takes a second', async () => {
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
  it('raises one noProgress event with the reason, and makes ready() false until records are delivered', async () => {
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
