// Two streams with the same shard ids, keys and sequence numbers never settle each other's records: neither in one lease table nor in
// two, whichever of them is acknowledged.
import { expect } from 'chai';
import { createConsumer, type Consumer } from '../../../src/consumer/consumer.js';
import { defineReducer, type Item } from '../../../src/api/reducer.js';
import type { AnySource } from '../../../src/api/source.js';
import { fakeStream, type FakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import { memoryLeaseStore, type MemoryLeaseStore } from '../../../src/testing/memory-lease-store.js';
import type { ManualClock } from '../../../src/testing/manual-clock.js';
import { inVirtualTime, virtualClock } from '../../support/virtual.js';

const names = ['orders', 'refunds'] as const;
type Name = (typeof names)[number];

describe('two streams with the same shard ids, keys and sequence numbers', () => {
  let clock: ManualClock;
  beforeEach(() => (clock = virtualClock()));
  afterEach(() => clock.uninstall());

  interface Scene {
    readonly consumer: Consumer;
    readonly streams: Readonly<Record<Name, FakeStream>>;
    /** The checkpoints of a stream, by shard id. */
    checkpoints(name: Name): Record<string, string>;
    readonly open: { readonly item: Item; readonly ack: () => void }[];
  }

  function scene(multiStream: boolean): Scene {
    const streams = Object.fromEntries(
      names.map((name) => [name, fakeStream({ name, clock, shards: 2 })]),
    ) as Scene['streams'];
    const stores = new Map<string, MemoryLeaseStore>();
    const open: Scene['open'] = [];
    const source = (name: Name): AnySource => ({
      ...streams[name].source,
      application: multiStream ? 'both' : name,
      openLeases: (_, { tableName }) => {
        const store = stores.get(tableName) ?? memoryLeaseStore([], tableName);
        stores.set(tableName, store);
        return store;
      },
    });
    const consumer = createConsumer({
      logger: false,
      application: 'unused',
      source: names.map(source),
      leases: { multiStream },
      reducers: 2,
      stages: 2,
      reducer: defineReducer({
        init: () => 0,
        acknowledge: 'manual',
        reduce: (count: number, item: Item, { ack }) => {
          open.push({ item, ack: () => ack(item.token) });
          return count + 1;
        },
      }) as never,
      runtime: { clock, timers: clock },
    }) as unknown as Consumer;
    const checkpoints = (name: Name): Record<string, string> => {
      const rows = [...(stores.get(multiStream ? 'both' : name) as MemoryLeaseStore).rows.values()];
      const own = rows.filter(({ leaseKey }) => !multiStream || leaseKey.includes(`:${name}:`));
      return Object.fromEntries(own.map((row) => [row.leaseKey.split(':').at(-1), row.checkpoint]));
    };
    return { consumer, streams, checkpoints, open };
  }

  for (const multiStream of [true, false])
    for (const settled of names) {
      const other = names.find((name) => name !== settled) as Name;
      it(`in ${multiStream ? 'one table' : 'two tables'}: acknowledged ${settled} move no checkpoint of ${other}`, async () => {
        const { consumer, streams, checkpoints, open } = scene(multiStream);
        await inVirtualTime(clock, consumer.start());
        for (const name of names)
          for (let index = 0; index < 40; index += 1) streams[name].put({ partitionKey: `k${index % 7}`, data: name });
        await clock.advance(5_000);
        const identity = ({ item: { shardId, key, sequenceNumber } }: Scene['open'][number]): string =>
          `${shardId} ${key} ${sequenceNumber}`;
        const of = (name: Name): Scene['open'] => open.filter(({ item }) => item.source === name);
        expect(of(settled).map(identity).sort(), 'the streams look the same').to.deep.equal(
          of(other).map(identity).sort(),
        );
        expect(open).to.have.length(80);

        const ends = Object.fromEntries(
          streams[settled].shardIds().map((id) => [id, streams[settled].recordsOf(id).at(-1)!.sequenceNumber]),
        );
        for (const { ack } of of(settled)) ack();
        await clock.advance(20_000);
        expect(checkpoints(settled)).to.deep.equal(ends);
        for (const checkpoint of Object.values(checkpoints(other))) expect(checkpoint).to.equal('TRIM_HORIZON');

        const report = await inVirtualTime(clock, consumer.stop({ deadlineMs: 1_000 }));
        for (const checkpoint of Object.values(checkpoints(other))) expect(checkpoint).to.equal('TRIM_HORIZON');
        const left = (name: Name): number[] =>
          report.leases.filter(({ source }) => source === name).map(({ recordsLeft }) => recordsLeft);
        expect(left(settled)).to.deep.equal([0, 0]);
        for (const count of left(other)) expect(count).to.not.equal(0);
        for (const { ack } of of(other)) ack();
      });
    }
});
