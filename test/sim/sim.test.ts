// A few dozen clusters in virtual time, each with its own workload and faults from one seed. `KINACT_SEED` moves the first.
import { expect } from 'chai';
import { runSeed } from './run.js';

const from = Number(process.env['KINACT_SEED'] ?? 1);
const seeds = 40;

describe(`a simulated cluster, seeds ${from} to ${from + seeds - 1}`, function () {
  this.timeout(120_000);

  it('loses nothing, checkpoints nothing that is open and delivers nothing late, whatever is killed', async () => {
    let hits = 0;
    for (let seed = from; seed < from + seeds; seed += 1) {
      const { violations, log, hits: those } = await runSeed(seed);
      hits += those;
      const told = violations.map(({ invariant, text }) => `${invariant}: ${text}`);
      expect(told, `seed ${seed}\n${log.join('\n')}\n`).to.deep.equal([]);
    }
    expect(hits, 'faults that hit open records').to.be.greaterThan(seeds * 5);
  });

  it('gives the same trace for the same seed', async () => {
    const [one, other] = [await runSeed(from + 7), await runSeed(from + 7)];
    expect(other.hash).to.equal(one.hash);
    expect(other.deliveries).to.equal(one.deliveries);
  });
});
