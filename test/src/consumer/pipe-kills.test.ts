// Kills of a pipe while its nodes hold messages: in an aggregate, on a route, in a share of a split. What they held comes again (I71).
import { expect } from 'chai';
import { pipe } from '../../../src/pipes/pipe.js';
import { numberConsumers, numbers } from '../../support/number-consumers.js';

const keys = 7;
const count = 60;

describe('a pipe that is killed while its nodes hold messages', () => {
  const consumers = numberConsumers();

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
      const it = await consumers.start({ reducer: undefined as never, pipe: parts });
      it.put(0, count);
      await consumers.clock.advance(1_500);
      expect(it.consumer.status().shards[0]?.openRecords, 'what the aggregates hold').to.be.greaterThan(0);
      it.chaos.killRandom({ kinds: [kind] });
      await consumers.clock.advance(30_000);
      expect(it.consumer.status().restarts).to.equal(1);
      const counts = numbers(0, count).map((n) => seen.filter((each) => each === n).length);
      expect(
        counts.filter((times) => times < 2),
        'both shares of each',
      ).to.deep.equal([]);
      expect(it.consumer.status().shards[0]).to.include({ openRecords: 0 });
    });
  }
});
