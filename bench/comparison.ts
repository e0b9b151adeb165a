// Runs two sides over the same workload in turn, and compares their figures. Throws if a side did not do all of the work, because
// its figures would be worthless.
import { sameTally, type Tally } from './tally.js';
import type { Workload } from './workload.js';

/** One way of reading a workload to its end. */
export interface Side {
  readonly name: string;
  run(workload: Workload): Promise<Tally>;
}

/** Median, minimum and maximum of one figure over the runs of a side. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** A median, and the bounds between which the true median is with a confidence of 95 %, whatever the distribution. */
export interface Interval {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

export interface SideFigures {
  readonly name: string;
  readonly recordsPerSecond: Spread;
  /** Microseconds of CPU, user and system, of all threads of the process. */
  readonly cpuMicrosPerRecord: Spread;
}

export interface Comparison {
  readonly name: string;
  readonly runs: number;
  readonly records: number;
  readonly bytes: number;
  readonly a: SideFigures;
  readonly b: SideFigures;
  /** A to B: the ratio of the medians. Minimum and maximum are over pairs of consecutive runs. */
  readonly cpuRatio: Spread;
  /** The median over pairs of consecutive runs, and where the true median is with 95 % confidence. */
  readonly cpuPairs: Interval;
  readonly throughputRatio: Spread;
}

interface Run {
  readonly tally: Tally;
  readonly recordsPerSecond: number;
  readonly cpuMicrosPerRecord: number;
}

/** Makes one unmeasured run of each side, then `runs` measured runs of each: A B A B … */
export async function compare(workload: Workload, a: Side, b: Side, runs: number): Promise<Comparison> {
  const expected = await agreedTally(workload, a, b);

  const measured: { readonly a: Run; readonly b: Run }[] = [];
  for (let turn = 0; turn < runs; turn += 1) {
    const pair = { a: await measure(workload, a), b: await measure(workload, b) };
    for (const [side, { tally }] of [
      [a, pair.a],
      [b, pair.b],
    ] as const) {
      if (!sameTally(tally, expected)) throw new Error(disagreement(workload, [a.name, expected], [side.name, tally]));
    }
    measured.push(pair);
  }

  return {
    name: workload.name,
    runs,
    records: expected.records,
    bytes: expected.bytes,
    a: figuresOf(
      a,
      measured.map((pair) => pair.a),
    ),
    b: figuresOf(
      b,
      measured.map((pair) => pair.b),
    ),
    cpuRatio: ratioOf(measured, (run) => run.cpuMicrosPerRecord),
    cpuPairs: medianInterval(measured.map(({ a, b }) => a.cpuMicrosPerRecord / b.cpuMicrosPerRecord)),
    throughputRatio: ratioOf(measured, (run) => run.recordsPerSecond),
  };
}

async function agreedTally(workload: Workload, a: Side, b: Side): Promise<Tally> {
  const [left, right] = [await a.run(workload), await b.run(workload)];
  if (!sameTally(left, right)) throw new Error(disagreement(workload, [a.name, left], [b.name, right]));
  if (left.records !== workload.records)
    throw new Error(`${workload.name}: both sides counted ${left.records} records, there are ${workload.records}`);
  return left;
}

function disagreement(workload: Workload, ...sides: (readonly [string, Tally])[]): string {
  const shown = sides.map(([name, { records, bytes, byteSum }]) => {
    return `${name} counted ${records} records, ${bytes} bytes, byte sum ${byteSum}`;
  });
  return `${workload.name}: the sides disagree: ${shown.join('; ')}`;
}

async function measure(workload: Workload, side: Side): Promise<Run> {
  globalThis.gc?.();
  const cpu = process.cpuUsage();
  const started = performance.now();
  const tally = await side.run(workload);
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return {
    tally,
    recordsPerSecond: tally.records / seconds,
    cpuMicrosPerRecord: (user + system) / tally.records,
  };
}

function figuresOf({ name }: Side, runs: readonly Run[]): SideFigures {
  return {
    name,
    recordsPerSecond: spreadOf(runs.map((run) => run.recordsPerSecond)),
    cpuMicrosPerRecord: spreadOf(runs.map((run) => run.cpuMicrosPerRecord)),
  };
}

function ratioOf(pairs: readonly { readonly a: Run; readonly b: Run }[], figure: (run: Run) => number): Spread {
  const median = (side: 'a' | 'b'): number => spreadOf(pairs.map((pair) => figure(pair[side]))).median;
  const { min, max } = spreadOf(pairs.map(({ a, b }) => figure(a) / figure(b)));
  return { median: median('a') / median('b'), min, max };
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  const lower = sorted.length % 2 === 1 ? upper : (sorted[middle - 1] ?? Number.NaN);
  return { median: (lower + upper) / 2, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN };
}

/** The bounds are order statistics: half of the values, give or take 1.96 standard deviations of a fair coin thrown as often. */
export function medianInterval(values: readonly number[]): Interval {
  const sorted = values.toSorted((left, right) => left - right);
  const reach = 0.98 * Math.sqrt(sorted.length);
  const low = Math.max(0, Math.floor(sorted.length / 2 - reach) - 1);
  const high = Math.min(sorted.length - 1, Math.ceil(sorted.length / 2 + reach));
  const { median } = spreadOf(sorted);
  return { median, low: sorted[low] ?? Number.NaN, high: sorted[high] ?? Number.NaN };
}
