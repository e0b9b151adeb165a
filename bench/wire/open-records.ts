// How many heap and external bytes an open record costs besides its data. Called by benchmark.ts.
import type { OpenFigures } from './open-program.js';
import { runProgram } from './program.js';
import { spreadOf, type Spread } from './spread.js';

/** What so many open records keep, all together: medians of runs. */
export interface OpenPoint {
  readonly records: number;
  readonly keptBytes: Spread;
}

export interface OpenRecords {
  /** Bytes of one record besides its data. */
  readonly each: Spread;
  readonly points: readonly OpenPoint[];
}

export type RunOpen = (records: number) => Promise<OpenFigures>;

export const openInItsOwnProcess: RunOpen = (records) => runProgram('open-program', { records });

/** The cost of one record is the slope between the first and the last number of records, so that the consumer itself is not in it. */
export async function measureOpenRecords(
  amounts: readonly number[],
  runs: number,
  run: RunOpen = openInItsOwnProcess,
): Promise<OpenRecords> {
  const found: OpenFigures[][] = amounts.map(() => []);
  for (let turn = 0; turn < runs; turn += 1)
    for (const [at, amount] of amounts.entries()) found[at]!.push(await run(amount));
  const [first, last] = [found[0]!, found.at(-1)!];
  const each = last.map((many, turn) => {
    const few = first[turn]!;
    return (many.keptBytes - few.keptBytes) / (many.records - few.records) - many.dataBytes;
  });
  const points = found.map((all) => ({
    records: all[0]!.records,
    keptBytes: spreadOf(all.map(({ keptBytes }) => keptBytes)),
  }));
  return { each: spreadOf(each), points };
}
