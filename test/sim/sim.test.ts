// Clusters in virtual time, each with its own workload and faults from one seed. `npm run sim -- --mutants` shows which bugs seeds find:
// nearly all within the first 48. A run draws half of these 48, and `KINACT_SAMPLE=all` runs them all. `KINACT_SEED` repeats a draw.
// `npm run sim` runs as many other seeds as you like.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { openPool, type Pool } from './pool.js';
import { drawnHalf, newDraw } from '../support/sampled.js';
import { runSeed, type Outcome } from './run.js';
import { mutants } from './mutants/index.js';
import { runCounting, shrink } from './seeds.js';

const draw = newDraw();
const all = Array.from({ length: 48 }, (_, index) => index + 1);
const seeds = drawnHalf(draw, all);

describe(`a simulated cluster, ${seeds.length} of the seeds 1 to ${all.length} ${draw.named}`, function () {
  this.timeout(400_000);
  let pool: Pool;
  before(() => {
    pool = openPool();
  });
  after(() => pool.close());

  it('loses nothing, checkpoints no open record, and delivers nothing late, whatever fails', async () => {
    const runs = seeds.map((seed) => ({ seed, running: runCounting(pool, seed) }));
    for (const { seed, running } of runs) {
      const outcome = await running;
      const { violations, hits, faults, records, virtualMs, log } = outcome;
      const told = violations.map(({ invariant, text }) => `${invariant}: ${text}`);
      expect(told, `seed ${seed}, run as ${outcome.seed}\n${log.join('\n')}\n`).to.deep.equal([]);
      expect(hits, `faults of seed ${seed} that hit an open record`).to.be.greaterThan(0);
      expect(faults).to.be.at.least(10);
      expect(records).to.be.at.least(2_000);
      expect(virtualMs).to.be.at.least(210_000);
    }
  });

  it('gives the same trace for the same seed', async () => {
    const [one, other] = await Promise.all([pool.run({ seed: 8 }), runSeed(8)]);
    expect(other.hash).to.equal(one.hash);
    expect(other.log).to.deep.equal(one.log);
    expect(other.deliveries).to.equal(one.deliveries);
  });

  it('catches a reducer that acknowledges before it is done, and shrinks the failing seed', async () => {
    const name = 'an acknowledgement before the reducer is done';
    expect(mutants.map((mutant) => mutant.name)).to.include(name);
    const job = { mutant: { name, how: 'alone' as const } };
    // To shrink a cluster of the usual size takes as long as eight seeds.
    const size = { shards: 4, records: 500, faults: 4 };
    const failing: Outcome = await runCounting(pool, 1, { ...job, size });
    expect(failing.violations[0]?.invariant).to.equal('I10');
    expect(failing.violations.map(({ invariant }) => invariant)).to.include('I1');
    const small = await shrink(pool, failing, job);
    expect(small.violations[0]?.invariant).to.equal('I10');
    expect(small.events).to.not.deep.equal([]);
    expect(small.size.faults).to.be.lessThan(failing.size.faults);
    expect(small.size.records).to.be.lessThan(failing.size.records);
  });
});

describe('npm run sim with wrong arguments', function () {
  this.timeout(30_000);
  const main = fileURLToPath(new URL('main.js', import.meta.url));

  it('exits with 2 and names the wrong option, also for a name that no mutant has', () => {
    const wrong = [
      ['--mutants', '--only', 'no such name'],
      ['--only', 'W8'],
      ['--seeds', '0'],
      ['--mutants', '--most', '0'],
      ['--from', '2147483648'],
      ['--kind', 'table'],
    ];
    for (const args of wrong) {
      const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });
      expect({ status, stdout }, args.join(' ')).to.deep.equal({ status: 2, stdout: '' });
      expect(stderr).to.match(/^--(only|seeds|from|most|kind): .+\n$/);
    }
  });
});
