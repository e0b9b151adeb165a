// The ratios that the benchmark is about, from the figures of its cases. A ratio that could not be measured has a reason. Called by
// benchmark.ts.
import type { CaseFigures } from './measuring.js';
import type { OpenRecords } from './open-records.js';
import type { SideName } from './sides.js';
import { spreadOf, type Spread } from './spread.js';

export interface Ratio {
  /** The ratio of the medians. Null if it could not be measured. */
  readonly value: number | null;
  /** The least and the largest ratio of a turn. */
  readonly min?: number;
  readonly max?: number;
  readonly reason?: string;
}

/** What is measured besides the cases. */
export interface Besides {
  readonly deaggregation: Spread;
  readonly leaseWrites: Spread;
  readonly openRecords: OpenRecords;
}

export type Ratios = Readonly<Record<string, Ratio>>;

export function ratiosOf(cases: readonly CaseFigures[], { deaggregation, leaseWrites, openRecords }: Besides): Ratios {
  const cpu = (name: string, peer: SideName): Ratio => ratio(cases, name, ['kinact', peer], 'cpuRuns');
  return {
    cpuVsStock: cpu('plain 100 B', 'stock'),
    cpuVsStockKb: cpu('plain 1 kB', 'stock'),
    cpuVsStockAggregates: cpu('aggregates of 100', 'stock'),
    cpuVsFast: cpu('plain 100 B', 'fast'),
    cpuVsFastAggregates: cpu('aggregates of 100', 'fast'),
    threadsSpeedup: ratio(cases, '100 µs of work', ['kinact, 2 threads', 'kinact'], 'rateRuns'),
    deaggregateSpeedup: shown(deaggregation),
    dynamoWritesPerRenewal: shown(leaseWrites),
    openRecordBytes: shown(openRecords.each),
    // Beyond the ratios that the command promises: what bounds them from below, and the nearest other library.
    cpuVsFloor: cpu('plain 100 B', 'floor'),
    cpuVsFloorKb: cpu('plain 1 kB', 'floor'),
    cpuVsFloorAggregates: cpu('aggregates of 100', 'floor'),
    recordsVsLifion: ratio(cases, 'plain 100 B, HTTP', ['kinact', 'lifion'], 'rateRuns'),
  };
}

const shown = ({ median: value, min, max }: Spread): Ratio => ({ value, min, max });

function ratio(
  cases: readonly CaseFigures[],
  name: string,
  [side, peer]: readonly [SideName, SideName],
  of: 'cpuRuns' | 'rateRuns',
): Ratio {
  const found = cases.find((each) => each.case.name === name);
  const reason = found?.left[side] ?? found?.left[peer];
  const [ours, theirs] = [found?.[of][side], found?.[of][peer]];
  if (ours === undefined || theirs === undefined) return { value: null, reason: reason ?? `'${name}' was not run` };
  const { min, max } = spreadOf(ours.map((value, turn) => value / theirs[turn]!));
  return { value: spreadOf(ours).median / spreadOf(theirs).median, min, max };
}
