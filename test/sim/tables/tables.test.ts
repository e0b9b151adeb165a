// Consumers of a table's stream, in virtual time: three seeds of `npm run sim`, and a table whose stream is replaced. `KINACT_SEED` sets
// the first seed.
import { expect } from 'chai';
import { openPool, type Pool } from '../pool.js';
import { runCounting } from '../seeds.js';
import { createTableRun, runTableSeed, startProcess, stopAll, tableSizeOf, write } from './table-run.js';

const from = Number(process.env['KINACT_SEED'] ?? 1);
const seeds = 3;

describe(`simulated consumers of a table's stream, seeds ${from} to ${from + seeds - 1}`, function () {
  this.timeout(400_000);
  let pool: Pool;
  before(() => {
    pool = openPool();
  });
  after(() => pool.close());

  it('lose nothing, keep the order per key and read no shard twice', async () => {
    const all = Array.from({ length: seeds }, (_, index) => runCounting(pool, from + index, { kind: 'tables' }));
    for (const running of all) {
      const { seed, violations, faults, hits, deliveries, records, log } = await running;
      const told = violations.map(({ invariant, text }) => `${invariant}: ${text}`);
      expect(told, `seed ${seed}\n${log.join('\n')}\n`).to.deep.equal([]);
      expect(faults).to.be.above(90);
      expect(hits).to.be.above(0);
      expect(records).to.be.above(300);
      expect(deliveries).to.be.above(150);
    }
  });

  it('give the same run for the same seed', async () => {
    const size = { ...tableSizeOf(from), faults: 20, records: 150 };
    const [one, other] = await Promise.all([
      pool.run({ seed: from, kind: 'tables', size }),
      runTableSeed(from, { size }),
    ]);
    expect(other).to.deep.equal(one);
  });

  it('stop with STREAM_CHANGED, all of them, once the table has another stream, and leave its shards alone', async () => {
    const run = createTableRun(3, { shards: 2, records: 40, faults: 0 });
    const { clock, table, store, history } = run;
    clock.install();
    try {
      const processes = [startProcess(run), startProcess(run), startProcess(run)];
      await clock.advance(2_000);
      write(run, 40);
      await clock.advance(60_000);
      table.disable();
      await clock.advance(60_000);
      expect(history.delivered.size).to.equal(40);
      table.enableAgain();
      await clock.advance(8 * 60_000);
      const codes = processes.map(({ heard }) =>
        heard('sourceFailed').map(({ error }) => (error as { code?: string }).code),
      );
      expect(codes).to.deep.equal(processes.map(() => ['STREAM_CHANGED']));
      expect([...store.rows.keys()].filter((leaseKey) => table.shards.has(leaseKey))).to.deep.equal([]);
    } finally {
      await stopAll(run);
      clock.uninstall();
    }
  });
});
