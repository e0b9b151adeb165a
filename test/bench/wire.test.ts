// The benchmark at the wire: each side reads all of a small workload through the SDK's client, and a side that has not is found.
import { expect } from 'chai';
import { sides, type SideName } from '../../bench/wire/sides.js';
import { deaggregateSpeedup } from '../../bench/wire/deaggregation.js';
import { wire, type RunSide } from '../../bench/wire/wire.js';
import type { Tally } from '../../bench/tally.js';
import { createWorkload, shapes } from '../../bench/workload.js';

const records = 2_000;
const figures = { recordsPerSecond: 1, peakRssBytes: 1, gcShare: 0 };

async function outcome(runSide: RunSide): Promise<{ readonly code: number; readonly last: string }> {
  let printed = '';
  const output = { stdout: (text: string) => (printed += text), stderr: () => {} };
  const code = await wire(['--runs', '3', '--json'], output, { runSide, speedup: () => 4 });
  return { code, last: printed.trimEnd().split('\n').at(-1)! };
}

describe('the benchmark at the wire', () => {
  const before = { ...process.env };
  beforeEach(() => Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'bench', AWS_SECRET_ACCESS_KEY: 'bench' }));
  afterEach(() => (process.env = before));

  for (const shape of shapes)
    it(`has sides that read the same: ${shape.name}`, async () => {
      const tallies: Tally[] = [];
      for (const side of Object.keys(sides) as SideName[])
        tallies.push(await sides[side](createWorkload(shape, records)));
      for (const tally of tallies) expect(tally).to.deep.equal(tallies[0]);
      expect(tallies[0]!.records).to.equal(records);
    });

  it('gives the medians of each side, and their ratios', async () => {
    let turn = 0;
    const { code, last } = await outcome(async ({ side }) => {
      turn += 1;
      // The first of three runs of a side is an outlier.
      const cpu = { kinact: 2, stock: 8, fast: 4 }[side] * (turn % 9 <= 3 && turn % 9 > 0 ? 10 : 1);
      return { ...figures, cpuMicrosPerRecord: cpu, tally: { records, bytes: 1, byteSum: 1 } };
    });
    expect(code).to.equal(0);
    const { ratios } = JSON.parse(last) as { ratios: Record<string, number> };
    expect(ratios).to.include({ cpuVsStock: 0.25, cpuVsStockKb: 0.25, cpuVsFast: 0.5, cpuVsFastAggregates: 0.5 });
    expect(ratios['deaggregateSpeedup']).to.equal(4);
  });

  it('takes the same records out of an aggregate as aws-kinesis-agg', () => {
    expect(deaggregateSpeedup(1, 10)).to.be.above(0);
  });

  it('fails if a side has not read what the others have', async () => {
    const { code, last } = await outcome(async ({ side }) => ({
      ...figures,
      cpuMicrosPerRecord: 1,
      tally: { records, bytes: 1, byteSum: side === 'kinact' ? 2 : 1 },
    }));
    expect(code).to.equal(1);
    expect(last).to.include('FAILED');
  });
});
