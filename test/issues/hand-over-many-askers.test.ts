// Symptom: many workers at once asked for the leases of a holder with long calls, again and again, and its shards were hardly read. Rule: a
// worker whose wish is refused leaves the lease alone for a time that doubles with each failure, so most of the time the shard is still
// read. The test runs in virtual time.
import { expect } from 'chai';
import type { ManualClock } from '../../src/testing/index.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

describe('a holder whose calls are too long for a hand-over', () => {
  let clock: ManualClock;
  beforeEach(() => (clock = virtualClock()));
  afterEach(() => clock.uninstall());

  for (const askers of [0, 1, 4])
    it(`reads every shard at least 60% of the time while ${askers} workers ask for leases`, async () => {
      const shards = 5;
      const delivered = new Map<string, Set<number>>();
      let first: ReturnType<typeof virtualConsumer> | undefined;
      const join = (workerId: string) =>
        virtualConsumer(clock, {
          ...(first === undefined ? { streamOptions: { shards } } : { stream: first.stream }),
          workerId,
          reducers: 64,
          onItem: (item) => {
            if (Buffer.from(item.value).toString() === 'slow')
              return new Promise<void>((resolve) => void clock.after(300_000, resolve));
            const seconds = delivered.get(item.shardId) ?? new Set();
            delivered.set(item.shardId, seconds.add(Math.floor(clock.now() / 1_000)));
            return undefined;
          },
        });
      const a = (first = join('a'));
      await inVirtualTime(clock, a.consumer.start());
      await clock.advance(3_000);
      const keys = Array.from({ length: 24 }, (_, index) => `key-${index}`);
      const write = (): void => void a.stream.put(...keys.map((partitionKey) => ({ partitionKey, data: 'fast' })));
      const run = async (ms: number): Promise<void> => {
        for (let passed = 0; passed < ms; passed += 500) {
          write();
          await clock.advance(500);
        }
      };
      await run(3_000);
      const slow = new Set<string>();
      for (let index = 0; slow.size < shards; index++) {
        const { shardId } = a.stream.put({ partitionKey: `probe-${index}`, data: 'fast' })[0]!;
        if (slow.has(shardId)) continue;
        slow.add(shardId);
        a.stream.put({ partitionKey: `probe-${index}`, data: 'slow' });
      }
      await run(1_000);
      for (const seconds of delivered.values()) seconds.clear();
      for (let index = 0; index < askers; index++) await inVirtualTime(clock, join(`b${index}`).consumer.start());
      const begun = clock.now();
      await run(100_000);
      const all = Math.floor((clock.now() - begun) / 1_000);
      const shares = [...delivered].map(([, seconds]) => Math.round((100 * seconds.size) / all));
      expect(Math.min(...shares), `percent of the time, by shard: ${shares.join(' ')}`).to.be.at.least(60);
    });
});
