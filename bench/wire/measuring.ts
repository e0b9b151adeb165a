// Runs the sides of a case in turns, each run in a process of its own. Every side must count the same records, bytes and byte sum, or the
// case fails, because its figures would be worthless. Called by benchmark.ts.
import type { Case } from './plan.js';
import { runProgram } from './program.js';
import { startServer } from './server-process.js';
import type { SideFigures, SideTask } from './side-program.js';
import type { SideName } from './sides.js';
import { spreadOf, type Spread } from './spread.js';
import { sameTally, type Tally } from './tally.js';
import { createWorkload, shapes, type Extent } from './workload.js';

/** Runs one side. Tests replace it. */
export type RunSide = (task: SideTask) => Promise<SideFigures>;

export const inItsOwnProcess: RunSide = (task) => runProgram('side-program', task);

type Figure = Exclude<keyof SideFigures, 'tally'>;
export type SideSpreads = Readonly<Record<Figure, Spread>>;

export interface CaseFigures {
  readonly case: Case;
  readonly sides: Readonly<Partial<Record<SideName, SideSpreads>>>;
  /** CPU per record of each run, in turns. */
  readonly cpuRuns: Readonly<Partial<Record<SideName, readonly number[]>>>;
  /** Throughput of each run, in turns. */
  readonly rateRuns: Readonly<Partial<Record<SideName, readonly number[]>>>;
  /** Why a side is missing. */
  readonly left: Readonly<Partial<Record<SideName, string>>>;
}

export interface Measuring {
  readonly runs: number;
  readonly runSide: RunSide;
  /** Why a side cannot run. Undefined if it can. */
  readonly missing: (side: SideName) => Promise<string | undefined>;
  readonly roundsPerMicro: number;
  readonly say: (line: string) => void;
}

const figures: readonly Figure[] = [
  ...(['cpuMicrosPerRecord', 'recordsPerSecond', 'p50Ms', 'p99Ms', 'peakRssBytes', 'gcShare'] as const),
];

/** A case with fewer than two sides compares nothing, and is not run: it has only reasons. */
export async function measureCase(each: Case, measuring: Measuring): Promise<CaseFigures> {
  const left: Partial<Record<SideName, string>> = {};
  for (const side of each.sides) {
    const reason = await measuring.missing(side);
    if (reason === undefined) continue;
    left[side] = reason;
    measuring.say(`${each.name}: without ${side}: ${reason}`);
  }
  const present = each.sides.filter((side) => left[side] === undefined);
  if (present.length < 2) return { case: each, left, ...summed(new Map()) };
  const { shape } = each;
  const extent = extentOf(each);
  const server = each.isHttp ? await startServer({ shape, ...extent }) : undefined;
  const task = { shape, ...extent, rounds: Math.round(each.workMicros * measuring.roundsPerMicro) };
  let first: Tally | undefined;
  const found = new Map<SideName, SideFigures[]>(present.map((side) => [side, []]));
  try {
    const where = server === undefined ? {} : { addresses: server.addresses };
    for (let turn = 0; turn < measuring.runs; turn += 1)
      for (let place = 0; place < present.length; place += 1) {
        // Each turn begins with another side, so that none always follows the same one.
        const side = present[(place + turn) % present.length] as SideName;
        const run = await measuring.runSide({ side, ...task, ...where });
        first ??= run.tally;
        checkTally(each, side, [run.tally, first]);
        found.get(side)!.push(run);
      }
  } finally {
    await server?.stop();
  }
  return { case: each, left, ...summed(found) };
}

function extentOf({ records, shards, perPull, everyMs }: Case): Extent {
  return {
    records,
    shards,
    ...(perPull === undefined ? {} : { perPull }),
    ...(everyMs === undefined ? {} : { everyMs }),
  };
}

/** All records of the workload must be counted, and the same as the first run counted. */
function checkTally(each: Case, side: SideName, [tally, first]: readonly [Tally, Tally]): void {
  const { records } = createWorkload(shapes[each.shape]!, each);
  if (tally.records !== records)
    throw new Error(`${each.name}: ${side} counted ${tally.records} records, there are ${records}`);
  if (!sameTally(tally, first))
    throw new Error(`${each.name}: ${side} counted ${JSON.stringify(tally)}, another ${JSON.stringify(first)}`);
}

function summed(
  found: ReadonlyMap<SideName, readonly SideFigures[]>,
): Pick<CaseFigures, 'sides' | 'cpuRuns' | 'rateRuns'> {
  const bySide = <Value>(of: (runs: readonly SideFigures[]) => Value): Partial<Record<SideName, Value>> =>
    Object.fromEntries([...found].map(([side, runs]) => [side, of(runs)]));
  // NaN comes as null from the program's JSON.
  const spreadOfFigure = (runs: readonly SideFigures[], figure: Figure): Spread =>
    spreadOf(runs.map((run) => (run[figure] as number | null) ?? Number.NaN));
  return {
    sides: bySide(
      (runs) => Object.fromEntries(figures.map((each) => [each, spreadOfFigure(runs, each)])) as SideSpreads,
    ),
    cpuRuns: bySide((runs) => runs.map((run) => run.cpuMicrosPerRecord)),
    rateRuns: bySide((runs) => runs.map((run) => run.recordsPerSecond)),
  };
}
