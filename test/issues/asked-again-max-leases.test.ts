// Symptom: a worker held more than `leases.maxLeases`, and kept them. Cause: it resumed the wish of a crashed keeper without
// counting the leases that it had asked for since. Rule: a worker resumes a wish only below `maxLeases`.
import { expect } from 'chai';
import { actorsOf, crash } from '../../supervision/index.js';
import type { ManualClock } from '../../src/testing/index.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

describe('a worker whose keeper crashes while it asks for a lease', () => {
  let clock: ManualClock;
  beforeEach(() => (clock = virtualClock()));
  afterEach(() => clock.uninstall());

  for (let crashAfterMs = 100; crashAfterMs <= 900; crashAfterMs += 400)
    it(`never holds more than maxLeases (crash ${crashAfterMs} ms after the wish)`, async () => {
      const a = virtualConsumer(clock, {
        streamOptions: { shards: 4 },
        workerId: 'a',
        reducers: 16,
        onItem: () => new Promise<void>((resolve) => void clock.after(7_000, resolve)),
      });
      await inVirtualTime(clock, a.consumer.start());
      await clock.advance(3_000);
      const { rows } = a.stream.leases.get('orders')!;
      const b = virtualConsumer(clock, { stream: a.stream, workerId: 'b', leases: { maxLeases: 1 } });
      await inVirtualTime(clock, b.consumer.start());
      await clock.advanceUntil(() => [...rows.values()].some(({ kinactWish }) => kinactWish !== undefined), 30_000);
      // The long calls for these records delay every hand-over until after the next scan.
      for (let index = 0; index < 12; index++) a.stream.put({ partitionKey: `key-${index}`, data: 'x' });
      await clock.advance(crashAfterMs);
      const crashKeeper = async (): Promise<void> => {
        const find = () => actorsOf(b.consumer.runtime).find(({ path }) => path.startsWith('lease-keeper/'));
        await clock.advanceUntil(() => find() !== undefined, 10_000);
        crash(find()!, new Error('a test'));
      };
      // After the second crash the cool-down of the lease outlasts the next scan.
      await crashKeeper();
      await clock.advance(100);
      await crashKeeper();
      const held = (): number =>
        b.consumer.status().leases.reduce((sum, { state }) => sum + (state as { held: number }).held, 0);
      let most = 0;
      for (let passed = 0; passed < 60_000; passed += 100) {
        await clock.advance(100);
        most = Math.max(most, held());
      }
      await inVirtualTime(clock, Promise.all([a.consumer.stop(), b.consumer.stop()]));
      expect(most).to.equal(1);
    });
});
