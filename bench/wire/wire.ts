// `npm run bench -- wire`: what users pay. The sides read GetRecords answers at the wire (sides.ts), one run after the other in processes
// of their own, in turns. A run whose records, bytes or sum differ from those of the others fails the benchmark. Called by main.ts.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import type { Output } from '../bench.js';
import { spreadOf } from '../comparison.js';
import { sameTally } from '../tally.js';
import { shapes } from '../workload.js';
import { deaggregateSpeedup } from './deaggregation.js';
import { sides, type SideName } from './sides.js';
import type { WireFigures, WireRun } from './wire-side.js';

/** Runs one side. */
export type RunSide = (run: WireRun) => Promise<WireFigures>;

const inItsOwnProcess: RunSide = async (run) => {
  const program = fileURLToPath(new URL('./wire-side.js', import.meta.url));
  const env = { ...process.env, AWS_ACCESS_KEY_ID: 'bench', AWS_SECRET_ACCESS_KEY: 'bench' };
  const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(run)], {
    env,
    timeout: 300_000,
  });
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) as string) as WireFigures;
};

type Figure = Exclude<keyof WireFigures, 'tally'>;
type Medians = Readonly<Record<Figure, number>>;

/** One case: the medians of each side. */
interface WireCase {
  readonly name: string;
  readonly sides: Readonly<Record<SideName, Medians>>;
}

const names = Object.keys(sides) as readonly SideName[];
const figures: readonly Figure[] = ['cpuMicrosPerRecord', 'recordsPerSecond', 'peakRssBytes', 'gcShare'];

async function measure(shape: number, runs: number, records: number | undefined, run: RunSide): Promise<WireCase> {
  const all = new Map<SideName, WireFigures[]>(names.map((name) => [name, []]));
  let expected: WireFigures['tally'] | undefined;
  for (let turn = 0; turn < runs; turn += 1)
    for (const side of names) {
      const found = await run({ side, shape, ...(records === undefined ? {} : { records }) });
      expected ??= found.tally;
      if (!sameTally(found.tally, expected))
        throw new Error(
          `${shapes[shape]!.name}: ${side} counted ${JSON.stringify(found.tally)}, others ${JSON.stringify(expected)}`,
        );
      all.get(side)!.push(found);
    }
  const mediansOf = (side: SideName): Medians =>
    Object.fromEntries(
      figures.map((figure) => [figure, spreadOf(all.get(side)!.map((found) => found[figure])).median]),
    ) as Medians;
  return {
    name: shapes[shape]!.name,
    sides: Object.fromEntries(names.map((side) => [side, mediansOf(side)])) as WireCase['sides'],
  };
}

const cpuRatio = ({ sides: of }: WireCase, peer: SideName): number =>
  of.kinact.cpuMicrosPerRecord / of[peer].cpuMicrosPerRecord;

function rowOf(name: string, side: string, medians: Medians): string {
  const cpu = medians.cpuMicrosPerRecord.toFixed(2).padStart(8);
  const perSecond = Math.round(medians.recordsPerSecond).toLocaleString('en-US').padStart(12);
  const rss = `${Math.round(medians.peakRssBytes / 2 ** 20)} MiB`.padStart(9);
  return `${name.padEnd(18)} ${side.padEnd(7)} ${cpu} ${perSecond} ${rss} ${`${Math.round(medians.gcShare * 100)} %`.padStart(5)}`;
}

/** What the benchmark measures with. Tests replace it. */
export interface Measuring {
  readonly runSide: RunSide;
  readonly speedup: (runs: number) => number;
}

/** `--records N`, `--runs N` (5), `--json`. Resolves to the exit code. The last line on stdout is the outcome. */
export async function wire(
  args: readonly string[],
  output: Output,
  { runSide, speedup }: Measuring = { runSide: inItsOwnProcess, speedup: deaggregateSpeedup },
): Promise<number> {
  const json = args.includes('--json');
  const say = (line: string): void => void (json ? output.stderr : output.stdout)(`${line}\n`);
  const cases: WireCase[] = [];
  let ratios: Readonly<Record<string, number>> = {};
  let line: string;
  let code = 0;
  try {
    const text = { type: 'string' } as const;
    const { values } = parseArgs({
      args: [...args],
      options: { json: { type: 'boolean' }, records: text, runs: text },
    });
    const runs = Number(values.runs ?? 5);
    const records = values.records === undefined ? undefined : Number(values.records);
    say(
      `${'case'.padEnd(18)} ${'side'.padEnd(7)} ${'CPU µs'.padStart(8)} ${'records/s'.padStart(12)} ${'peak RSS'.padStart(9)} ${'GC'.padStart(5)}`,
    );
    for (let shape = 0; shape < shapes.length; shape += 1) {
      const found = await measure(shape, runs, records, runSide);
      names.forEach((side, at) => say(rowOf(at === 0 ? found.name : '', side, found.sides[side])));
      cases.push(found);
    }
    const [plain, kb, aggregates] = cases as [WireCase, WireCase, WireCase];
    ratios = {
      cpuVsStock: cpuRatio(plain, 'stock'),
      cpuVsStockKb: cpuRatio(kb, 'stock'),
      cpuVsStockAggregates: cpuRatio(aggregates, 'stock'),
      cpuVsFast: cpuRatio(plain, 'fast'),
      cpuVsFastKb: cpuRatio(kb, 'fast'),
      cpuVsFastAggregates: cpuRatio(aggregates, 'fast'),
      deaggregateSpeedup: speedup(runs),
    };
    line = `bench: ok, ${Object.entries(ratios)
      .map(([name, ratio]) => `${name} ${ratio.toFixed(2)}`)
      .join(', ')}`;
  } catch (error) {
    code = 1;
    line = `bench: FAILED, ${(error as Error).message}`;
  }
  output.stdout(`${json ? JSON.stringify({ ok: code === 0, line, ratios, cases }) : line}\n`);
  return code;
}
