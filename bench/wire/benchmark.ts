// `npm run bench`: what users pay, as ratios to what they would write by hand. `--json` prints one object, `--full` measures the whole grid
// in place of what the ratios need, `--runs N` (5) says how often each side runs. `--write-docs` writes docs/performance.md and its chart;
// with `--from FILE`, from the object that an earlier full run printed. Called by main.ts.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Output } from '../output.js';
import { chartOf } from './chart.js';
import { deaggregateSpeedup } from './deaggregation.js';
import { leaseWritesPerRenewal } from './lease-writes.js';
import { inItsOwnProcess, measureCase, type CaseFigures, type Measuring, type RunSide } from './measuring.js';
import { measureOpenRecords } from './open-records.js';
import { withFigures } from './page.js';
import { fullCases, quickCases, type Case } from './plan.js';
import { ratiosOf, type Besides } from './ratios.js';
import { beginSetting, type Results } from './results.js';
import { roundsPerMicro } from './side.js';
import { missing } from './sides.js';
import { spreadOf } from './spread.js';
import { heading, linesOf, ratioLines } from './table.js';

/** What the benchmark measures with. Tests replace it. */
export interface Instruments {
  readonly runSide: RunSide;
  readonly missing: Measuring['missing'];
  readonly cases: (isFull: boolean) => readonly Case[];
  readonly measureBesides: (runs: number, isFull: boolean) => Promise<Besides>;
}

const real: Instruments = {
  runSide: inItsOwnProcess,
  missing,
  cases: (isFull) => (isFull ? fullCases : quickCases),
  async measureBesides(runs, isFull) {
    const openRecords = await measureOpenRecords(isFull ? [4_000, 16_000, 64_000] : [4_000, 64_000], runs);
    const leaseWrites = [await leaseWritesPerRenewal(10)];
    return { openRecords, leaseWrites: spreadOf(leaseWrites), deaggregation: deaggregateSpeedup(runs) };
  },
};

interface Settings {
  readonly runs: number;
  readonly isFull: boolean;
  readonly writesDocs: boolean;
  readonly from: string | undefined;
}

function settingsOf(args: readonly string[]): Settings {
  const flag = { type: 'boolean', default: false } as const;
  const text = { type: 'string' } as const;
  const options = { json: flag, full: flag, 'write-docs': flag, runs: text, from: text } as const;
  const { values } = parseArgs({ args: [...args], options });
  const { runs = '5' } = values;
  if (!/^[1-9]\d{0,2}$/.test(runs)) throw new Error(`--runs: expected a positive integer, got '${runs}'`);
  if (values['write-docs'] && !values.full && values.from === undefined)
    throw new Error('--write-docs: expected --full, or --from with the object of a full run');
  return { runs: Number(runs), isFull: values.full, writesDocs: values['write-docs'], from: values.from };
}

async function measure(
  { runs, isFull }: Settings,
  { measureBesides, cases: planned, ...instruments }: Instruments,
  say: (line: string) => void,
): Promise<Results> {
  const endSetting = beginSetting(runs, isFull);
  const measuring = { ...instruments, runs, roundsPerMicro: roundsPerMicro(), say };
  say(heading);
  const cases: CaseFigures[] = [];
  for (const each of planned(isFull)) {
    const found = await measureCase(each, measuring);
    for (const line of linesOf(found)) say(line);
    cases.push(found);
  }
  const besides = await measureBesides(runs, isFull);
  const results = { setting: endSetting(), cases, besides, ratios: ratiosOf(cases, besides) };
  for (const line of ratioLines(results.ratios)) say(line);
  return results;
}

/** The program runs in `.build/bench/wire`. */
const docs = (file: string): string => fileURLToPath(new URL(`../../../docs/${file}`, import.meta.url));

function writeDocs(results: Results): void {
  if (!results.setting.isFull) throw new Error('--write-docs needs the figures of --full');
  const page = docs('performance.md');
  writeFileSync(page, withFigures(readFileSync(page, 'utf8'), results));
  writeFileSync(docs('performance.svg'), chartOf(results));
}

/** Resolves to the exit code. The last line on stdout is the outcome, or the only one with `--json`. */
export async function benchmark(args: readonly string[], output: Output, instruments = real): Promise<number> {
  const json = args.includes('--json');
  const say = (line: string): void => void (json ? output.stderr : output.stdout)(`${line}\n`);
  try {
    const settings = settingsOf(args);
    const results =
      settings.from === undefined
        ? await measure(settings, instruments, say)
        : (JSON.parse(readFileSync(settings.from, 'utf8')) as { readonly results: Results }).results;
    if (settings.writesDocs) writeDocs(results);
    const entries = Object.entries(results.ratios);
    const ratios = Object.fromEntries(entries.map(([name, { value }]) => [name, value]));
    const reasons = Object.fromEntries(
      entries.flatMap(([name, { reason }]) => (reason === undefined ? [] : [[name, reason]])),
    );
    const line = `bench: ok, ${entries.map(([name, { value }]) => `${name} ${value?.toFixed(2) ?? 'not measured'}`).join(', ')}`;
    output.stdout(`${json ? JSON.stringify({ ok: true, line, ratios, reasons, results }) : line}\n`);
    return 0;
  } catch (error) {
    const line = `bench: FAILED, ${(error as Error).message}`;
    output.stdout(`${json ? JSON.stringify({ ok: false, line }) : line}\n`);
    return 1;
  }
}
