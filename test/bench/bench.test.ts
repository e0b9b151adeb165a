// A small run of the benchmark: both sides do the same work, and the benchmark fails if a side has not seen all of it.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { bench } from '../../bench/bench.js';
import { medianInterval, type Side } from '../../bench/comparison.js';
import { runKinact } from '../../bench/kinact-side.js';
import { runLoop } from '../../bench/loop-side.js';
import type { Tally } from '../../bench/tally.js';

const main = fileURLToPath(new URL('../../bench/main.js', import.meta.url));
const kinact: Side = { name: 'kinact', run: (workload) => runKinact(workload) };
const loop: Side = { name: 'loop', run: runLoop };

async function benchOf(sides: readonly [Side, Side], ...args: string[]) {
  let printed = '';
  const output = { stdout: (text: string) => (printed += text), stderr: () => {} };
  const code = await bench(['--records', '2000', '--runs', '1', ...args], sides, output);
  return { code, last: printed.trimEnd().split('\n').at(-1) };
}

const crash: Side = { name: 'crash', run: (workload) => runKinact(workload, { onFailure: 'crash' }) };

const damaged = (damage: (tally: Tally) => Partial<Tally>): Side => ({
  name: 'damaged',
  run: async (workload) => {
    const tally = await runKinact(workload);
    return { ...tally, ...damage(tally) };
  },
});

describe('the benchmark', () => {
  it('compares two policies for failures as well', async () => {
    const { code, last } = await benchOf([{ name: 'default', run: (workload) => runKinact(workload) }, crash]);
    expect(code).to.equal(0);
    expect(last).to.match(/^bench: ok, CPU per record, default to crash: /);
  });

  it('gives the median of pairs with bounds that are order statistics', () => {
    const values = Array.from({ length: 100 }, (_, index) => index + 1).toReversed();
    expect(medianInterval(values)).to.deep.equal({ median: 50.5, low: 40, high: 61 });
    expect(medianInterval([3])).to.deep.equal({ median: 3, low: 3, high: 3 });
  });

  it('prints one JSON report of every case on stdout, and its progress on stderr', async () => {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [
      '--expose-gc',
      main,
      ...['--json', '--records', '2000', '--runs', '1'],
    ]);
    const report = JSON.parse(stdout) as {
      ok: boolean;
      cases: { name: string; records: number; bytes: number; cpuRatio: { median: number } }[];
    };
    expect(report.ok).to.equal(true);
    expect(report.cases.map(({ name, records, bytes }) => [name, records, bytes])).to.deep.equal([
      ['plain 100 B', 2_000, 200_000],
      ['plain 1 kB', 2_000, 2_000_000],
      ['aggregates of 100', 2_000, 200_000],
    ]);
    for (const { cpuRatio } of report.cases) expect(cpuRatio.median).to.be.above(0);
    expect(stderr).to.include('CPU per record');
  });

  it('fails when a side has counted one record too few', async () => {
    const { code, last } = await benchOf([damaged(({ records }) => ({ records: records - 1 })), loop]);
    expect(code).to.equal(1);
    expect(last).to.match(/^bench: FAILED, plain 100 B: the sides disagree: .*counted 1999 records/);
  });

  it('fails when the two sides have seen different bytes', async () => {
    const { code, last } = await benchOf([kinact, damaged(({ byteSum }) => ({ byteSum: byteSum + 1 }))]);
    expect(code).to.equal(1);
    expect(last).to.include('the sides disagree');
  });

  it('fails when both sides have left out the same records', async () => {
    const short = damaged(({ records }) => ({ records: records - 1 }));
    const { code, last } = await benchOf([short, short]);
    expect(code).to.equal(1);
    expect(last).to.include('both sides counted 1999 records, there are 2000');
  });

  it('fails when a measured run differs from the one before it', async () => {
    let runs = 0;
    const second: Side = {
      name: 'kinact',
      run: async (workload) => ((runs += 1) === 2 ? damaged(() => ({ bytes: 1 })) : kinact).run(workload),
    };
    const { code, last } = await benchOf([second, loop]);
    expect(code).to.equal(1);
    expect(last).to.include('counted 2000 records, 1 bytes');
  });

  it('refuses a --runs value that is not a positive integer', async () => {
    const { code, last } = await benchOf([kinact, loop], '--runs', 'many');
    expect(code).to.equal(1);
    expect(last).to.equal("bench: FAILED, --runs: expected a positive integer, got 'many'");
  });
});
