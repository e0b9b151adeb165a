// The benchmark as a command. It compares two sides (kinact with a hand-written loop) in three cases, and prints a table or one JSON
// object. The exit code is 1 if a side did not do all of the work, or if the arguments are invalid. Called by main.ts.
import { availableParallelism, cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { compare, type Comparison, type Side, type SideFigures, type Spread } from './comparison.js';
import { createWorkload, shapes } from './workload.js';

export interface Output {
  readonly stdout: (text: string) => unknown;
  readonly stderr: (text: string) => unknown;
}

interface Settings {
  /** User records per run; undefined: the case's own number. */
  readonly records: number | undefined;
  readonly runs: number;
}

const defaultRuns = 5;

/** `--json`, `--records N`, `--runs N`. */
function settingsOf(args: readonly string[]): Settings {
  const options = { json: { type: 'boolean' }, records: { type: 'string' }, runs: { type: 'string' } } as const;
  const { values } = parseArgs({ args: [...args], options });
  const numberOf = (option: 'records' | 'runs'): number | undefined => {
    const text = values[option];
    if (text === undefined) return undefined;
    if (!/^[1-9]\d{0,8}$/.test(text)) throw new Error(`--${option}: expected a positive integer, got '${text}'`);
    return Number(text);
  };
  return { records: numberOf('records'), runs: numberOf('runs') ?? defaultRuns };
}

const whole = (value: number): string => Math.round(value).toLocaleString('en-US');
const shown = ({ median, min, max }: Spread, format: (value: number) => string): string =>
  `${format(median)} (${format(min)}–${format(max)})`;

function row(name: string, { name: side, recordsPerSecond, cpuMicrosPerRecord }: SideFigures): string {
  const throughput = shown(recordsPerSecond, whole).padStart(32);
  const cpu = shown(cpuMicrosPerRecord, (value) => value.toFixed(2)).padStart(20);
  return `${name.padEnd(18)} ${side.padEnd(7)} ${throughput} ${cpu}`;
}

const pairs = ({ cpuPairs: { median, low, high } }: Comparison): string =>
  `${median.toFixed(3)} (95 %: ${low.toFixed(3)}–${high.toFixed(3)})`;

function rowsOf(result: Comparison): readonly string[] {
  const times = (value: number): string => value.toFixed(2);
  const [cpu, throughput] = [shown(result.cpuRatio, times), shown(result.throughputRatio, times)];
  return [
    row(result.name, result.a),
    row('', result.b),
    `${''.padEnd(18)} ratio   CPU per record ${cpu}, records/s ${throughput}`,
    `${''.padEnd(18)} pairs   CPU per record ${pairs(result)}`,
  ];
}

function heading(runs: number): readonly string[] {
  const load = loadavg().map((value) => value.toFixed(1));
  const machine = `${availableParallelism()} x ${cpus()[0]?.model ?? 'unknown'}, load ${load.join(' ')}`;
  return [
    `Node ${process.versions.node}, ${machine}; ${runs} runs of each side in turn, medians (min–max)`,
    ...(globalThis.gc === undefined ? ['without --expose-gc a run may pay for the garbage of the one before it'] : []),
    `${'case'.padEnd(18)} ${'side'.padEnd(7)} ${'records/s'.padStart(32)} ${'CPU µs per record'.padStart(20)}`,
  ];
}

async function compareAll(
  { records, runs }: Settings,
  sides: readonly [Side, Side],
  say: (line: string) => void,
): Promise<readonly Comparison[]> {
  for (const line of heading(runs)) say(line);
  const results: Comparison[] = [];
  for (const shape of shapes) {
    const result = await compare(createWorkload(shape, records), ...sides, runs);
    for (const line of rowsOf(result)) say(line);
    results.push(result);
  }
  return results;
}

/** Runs every case and resolves to the exit code. The last line on stdout is the outcome. */
export async function bench(args: readonly string[], sides: readonly [Side, Side], output: Output): Promise<number> {
  const json = args.includes('--json');
  const say = (line: string): void => void (json ? output.stderr : output.stdout)(`${line}\n`);

  let cases: readonly Comparison[] = [];
  let line: string;
  let code = 0;

  try {
    cases = await compareAll(settingsOf(args), sides, say);
    const ratios = cases.map(({ name, cpuRatio }) => `${cpuRatio.median.toFixed(2)} (${name})`);
    line = `bench: ok, CPU per record, ${sides[0].name} to ${sides[1].name}: ${ratios.join(', ')}`;
  } catch (error) {
    code = 1;
    line = `bench: FAILED, ${(error as Error).message}`;
  }

  const report = { ok: code === 0, line, node: process.versions.node, loadAverage: loadavg(), cases };
  output.stdout(`${json ? JSON.stringify(report) : line}\n`);
  return code;
}
