// Kills of a pipe while its nodes hold messages: in an aggregate, on a route, in a share of a split. What they held comes again (I71).
import { expect } from 'chai';
import { pipe } from '../../../src/pipes/pipe.js';
import type { ManualClock } from '../../../src/testing/manual-clock.js';
import { nemesis } from '../../../src/testing/nemesis/nemesis.js';
import { inVirtualTime, virtualClock } from '../../support/virtual.js';
import { virtualConsumer, type VirtualConsumer } from '../../support/virtual-consumer.js';

const keys = 7;
const numbers = Array.from({ length: 60 }, (_, n) => n);

describe('a pipe that is killed while its nodes hold messages', () => {
  let clock: ManualClock;
  let made: VirtualConsumer | undefined;
  beforeEach(() => void (clock = virtualClock()));
  afterEach(async () => {
    if (made !== undefined) await inVirtualTime(clock, made.consumer.stop({ deadlineMs: 1_000 }));
    made = undefined;
    clock.uninstall();
  });

  for (const kind of ['pipe-node', 'pipe', 'stage', 'shard-worker']) {
    it(`delivers all of it again: a ${kind}`, async () => {
      const seen: number[] = [];
      const parts = pipe()
        .map((data) => Number(data.toString()))
        .demux((n) => String(n % keys))
        // A pair of halves: the aggregate may hold one of two shares.
        .unfold((n) => [n, n])
        .aggregate({ count: 3, intervalMs: 2_000 })
        .join()
        .unfold((batch) => batch)
        .to((n) => void seen.push(n));
      const it = virtualConsumer(clock, { reducer: undefined as never, pipe: parts, leases: { failoverMs: 3_000 } });
      made = it;
      await inVirtualTime(clock, it.consumer.start());
      for (const n of numbers) it.stream.put({ partitionKey: `k${n % keys}`, data: String(n) });
      await clock.advance(1_500);
      expect(it.consumer.status().shards[0]?.openRecords, 'what the aggregates hold').to.be.greaterThan(0);
      nemesis(it.consumer, { seed: 1 }).killRandom({ kinds: [kind] });
      await clock.advance(30_000);
      expect(it.consumer.status().restarts).to.equal(1);
      const counts = numbers.map((n) => seen.filter((each) => each === n).length);
      expect(
        counts.filter((count) => count < 2),
        'both shares of each',
      ).to.deep.equal([]);
      expect(it.consumer.status().shards[0]).to.include({ openRecords: 0 });
    });
  }
});
