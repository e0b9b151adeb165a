// The benchmark: each side reads all of a small workload through a real client, and a side that has not is found.
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { benchmark } from '../../bench/wire/benchmark.js';
import { deaggregateSpeedup } from '../../bench/wire/deaggregation.js';
import { createDelays } from '../../bench/wire/delays.js';
import type { RunSide } from '../../bench/wire/measuring.js';
import { floorAnswerOf, placesEach } from '../../bench/wire/floor-answer.js';
import { measureOpenRecords } from '../../bench/wire/open-records.js';
import { startServer } from '../../bench/wire/server-process.js';
import { chartOf } from '../../bench/wire/chart.js';
import { withFigures } from '../../bench/wire/page.js';
import type { Results } from '../../bench/wire/results.js';
import { fullCases, quickCases, type Case } from '../../bench/wire/plan.js';
import { takeOf, type Side } from '../../bench/wire/side.js';
import { sides, type SideName } from '../../bench/wire/sides.js';
import { percentileOf } from '../../bench/wire/spread.js';
import type { Tally } from '../../bench/wire/tally.js';
import { httpTransport, stubTransport, type Transport } from '../../bench/wire/transport.js';
import { createWorkload, shapes, type Workload } from '../../bench/wire/workload.js';

const figures = { cpuMicrosPerRecord: 1, recordsPerSecond: 1, p50Ms: 1, p99Ms: 2, peakRssBytes: 1, gcShare: 0 };
const spread = (median: number) => ({ median, min: median, max: median });
const besides = {
  deaggregation: spread(4),
  leaseWrites: spread(1),
  openRecords: {
    each: spread(500),
    points: [4_000, 64_000].map((records) => ({ records, keptBytes: spread(records) })),
  },
};

interface Report {
  readonly line: string;
  readonly ratios: object;
  readonly reasons: object;
  readonly results: Results;
}

const noThreads = 'there are none';

async function outcome(
  runSide: RunSide,
  args: readonly string[] = [],
  cases: readonly Case[] = quickCases.slice(0, 4),
) {
  let printed = '';
  let said = '';
  const output = { stdout: (text: string) => (printed += text), stderr: (text: string) => (said += text) };
  const instruments = {
    runSide,
    missing: async (side: SideName) => (side === 'kinact, 2 threads' ? noThreads : undefined),
    cases: () => cases,
    measureBesides: async () => besides,
  };
  const code = await benchmark(['--runs', '3', '--json', ...args], output, instruments);
  return { code, said, report: JSON.parse(printed) as Report };
}

/** What a side would count in the whole workload of a case. */
function tallyOf({ shape, ...extent }: { shape: number; records: number; shards: number }): Tally {
  const { records } = createWorkload(shapes[shape]!, extent);
  return { records, bytes: records, byteSum: records };
}

async function runSideOf(side: Side, workload: Workload, transport: Transport = stubTransport(workload)) {
  const delays = createDelays(workload);
  const tally = await side({ workload, transport, take: takeOf(0), delays });
  return { tally, delays: delays.since(await transport.arrivals()) };
}

/** A loop that leaves out the first record that its client brings. */
const forgetful: Side = (run) => {
  let forgotten = false;
  return sides.stock({
    ...run,
    take(tally, data) {
      if (!forgotten) return ((forgotten = true), tally);
      return run.take(tally, data);
    },
  });
};

describe('the benchmark', function () {
  this.timeout(60_000);
  const before = { ...process.env };
  beforeEach(() => Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'bench', AWS_SECRET_ACCESS_KEY: 'bench' }));
  afterEach(() => (process.env = before));

  const present = (Object.keys(sides) as SideName[]).filter((side) => side !== 'lifion' && !side.endsWith('threads'));

  for (const shape of shapes)
    it(`has sides that read the same, in delays that they can know: ${shape.name}`, async () => {
      const workload = createWorkload(shape, { records: shape.dataBytes > 10_000 ? 200 : 4_000 });
      const expected = await runSideOf(sides.stock, workload);
      expect(expected.tally.records).to.equal(workload.records);
      for (const side of present) {
        const { tally, delays } = await runSideOf(sides[side], workload);
        expect(tally, side).to.deep.equal(expected.tally);
        if (side !== 'kinact, pipe') expect(delays, side).to.not.be.empty;
        for (const ms of delays) expect(ms, side).to.be.within(0, 60_000);
      }
    });

  it('has sides that read the same over HTTP, from a server in another process', async () => {
    const served = { shape: 3, records: 4_000, shards: 2 };
    const server = await startServer(served);
    try {
      const workload = createWorkload(shapes[served.shape]!, served);
      const fromMemory = await runSideOf(sides.stock, workload);
      for (const side of ['stock', 'fast', 'floor', 'kinact'] as const) {
        const { tally, delays } = await runSideOf(sides[side], workload, await httpTransport(server.addresses));
        expect(tally, side).to.deep.equal(fromMemory.tally);
        for (const ms of delays) expect(ms, side).to.be.within(0, 60_000);
      }
    } finally {
      await server.stop();
    }
  });

  it('gives the medians of each side, their ratios, and a reason for a ratio that it cannot measure', async () => {
    const turns = new Map<string, number>();
    const { code, report, said } = await outcome(async (task) => {
      const turn = turns.get(`${task.shape} ${task.side}`) ?? 0;
      turns.set(`${task.shape} ${task.side}`, turn + 1);
      // The first of three runs of a side is an outlier.
      const cpu = ({ kinact: 2, stock: 8, fast: 4 }[task.side as string] ?? 1) * (turn === 0 ? 10 : 1);
      return { ...figures, cpuMicrosPerRecord: cpu, tally: tallyOf(task) };
    });
    expect(report.line).to.match(/^bench: ok, /);
    expect(code).to.equal(0);
    expect(report.ratios).to.include({
      ...{ cpuVsStock: 0.25, cpuVsStockKb: 0.25, cpuVsStockAggregates: 0.25, cpuVsFast: 0.5, cpuVsFastAggregates: 0.5 },
      ...{ threadsSpeedup: null, deaggregateSpeedup: 4, dynamoWritesPerRenewal: 1, openRecordBytes: 500 },
    });
    expect(report.reasons).to.include({
      threadsSpeedup: noThreads,
      recordsVsLifion: "'plain 100 B, HTTP' was not run",
    });
    expect(said.split('\n').filter((line) => line.includes('2 threads'))).to.have.length(1);
  });

  it('fails if a side that really runs leaves out one record', async () => {
    const small = { ...quickCases[0]!, records: 2_000 };
    const runs =
      (kinact: Side): RunSide =>
      async ({ side, shape, ...extent }) => {
        const workload = createWorkload(shapes[shape]!, extent);
        return { ...figures, ...(await runSideOf(side === 'kinact' ? kinact : sides[side], workload)) };
      };
    expect((await outcome(runs(sides.kinact), [], [small])).code).to.equal(0);
    const { code, report } = await outcome(runs(forgetful), [], [small]);
    expect(code).to.equal(1);
    expect(report.line).to.equal('bench: FAILED, plain 100 B: kinact counted 1999 records, there are 2000');
  });

  it('fails if a side has counted other bytes, in any turn', async () => {
    let runs = 0;
    const { code, report } = await outcome(async (task) => {
      if (task.side === 'fast') runs += 1;
      const tally = tallyOf(task);
      return { ...figures, tally: runs === 2 && task.side === 'fast' ? { ...tally, byteSum: 0 } : tally };
    });
    expect(code).to.equal(1);
    expect(report.line).to.include('FAILED, plain 100 B: fast counted');
  });

  it('writes all figures of a full run into the page, and a picture of them', async () => {
    const run: RunSide = async (task) => ({ ...figures, tally: tallyOf(task) });
    const { report } = await outcome(run, ['--full'], fullCases);
    const page = readFileSync('docs/performance.md', 'utf8');
    const written = withFigures(page, report.results);
    expect(withFigures(written, report.results)).to.equal(written);
    for (const name of Object.keys(report.ratios))
      expect(written, 'with its meaning').to.match(new RegExp(`\\| \`${name}\` \\| [^|]+ \\| [^|]{30,} \\|`));
    for (const { name } of shapes) expect(written).to.include(`| ${name} | stock | 1.00 (1.00–1.00) | 1.00 |`);
    expect(written).to.not.match(/NaN|undefined/);
    const picture = chartOf(report.results);
    expect(picture.match(/<rect /g), '5 cases of 4 sides, their legend, and the ground').to.have.length(25);
    expect(picture).to.not.match(/NaN|undefined|null/);
    const without = page.replace('<!-- /figures: open -->', '');
    expect(() => withFigures(without, report.results)).to.throw("lost its marks of 'open'");
  });

  it('writes no page from figures that are not those of a full run', async () => {
    const { code, report } = await outcome(() => Promise.reject(new Error('it was run')), ['--write-docs']);
    expect(code).to.equal(1);
    expect(report.line).to.match(/^bench: FAILED, --write-docs: expected --full/);
  });

  it('refuses a --runs value that is not a positive integer', async () => {
    const { code, report } = await outcome(() => Promise.reject(new Error('it was run')), ['--runs', 'many']);
    expect(code).to.equal(1);
    expect(report.line).to.equal("bench: FAILED, --runs: expected a positive integer, got 'many'");
  });

  it('has a floor that decodes data of any length, and refuses what it cannot read', () => {
    const lengths = [...Array(50).keys(), 400, 1_000, 1_001, 1_002];
    const wire = lengths.map((length, index) => ({
      ...(index % 2 === 0 ? { ApproximateArrivalTimestamp: 1.5 } : {}),
      Data: Buffer.alloc(length, index + 200).toString('base64'),
      PartitionKey: `ключ ${index}`,
      SequenceNumber: String(index),
    }));
    const answer = floorAnswerOf(Buffer.from(JSON.stringify({ Records: wire, MillisBehindLatest: 0 })));
    expect(answer.count).to.equal(wire.length);
    const { bytes, places } = answer;
    wire.forEach(({ Data, PartitionKey, SequenceNumber }, record) => {
      const [data, key, number] = [0, 2, 4].map((member) => {
        const at = record * placesEach + member;
        return bytes.subarray(places[at], places[at + 1]);
      });
      expect(data!.toString('base64')).to.equal(Data);
      expect([key!.toString(), number!.toString()]).to.deep.equal([PartitionKey, SequenceNumber]);
    });
    for (const record of ['{"PartitionKey":"a\\n"}', '{"Data":"AB*="}', '{"Data":"ABC"}', '1'])
      expect(() => floorAnswerOf(Buffer.from(`{"Records":[${record}]}`)), record).to.throw(SyntaxError);
  });

  it('takes the same records out of an aggregate as aws-kinesis-agg', () => {
    expect(deaggregateSpeedup(1, 10).median).to.be.above(0);
  });

  it('takes the cost of an open record from the slope, so that the consumer itself is not in it', async () => {
    const { each } = await measureOpenRecords([100, 1_100], 3, async (records) => ({
      records,
      dataBytes: 100,
      keptBytes: 5_000_000 + records * 250,
    }));
    expect(each).to.deep.equal(spread(150));
  });

  it('takes percentiles by the nearest rank', () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect([percentileOf(values, 0.5), percentileOf(values, 0.99), percentileOf([7], 0.99)]).to.deep.equal([50, 99, 7]);
  });
});
