// The benchmark's figures as lines for a terminal. Called by benchmark.ts.
import type { CaseFigures, SideSpreads } from './measuring.js';
import type { Ratio, Ratios } from './ratios.js';
import type { Spread } from './spread.js';

const whole = (value: number): string => Math.round(value).toLocaleString('en-US');
const ms = (value: number): string => (Number.isNaN(value) ? '–' : whole(value));
const spread = ({ median, min, max }: Spread, format: (value: number) => string): string =>
  `${format(median)} (${format(min)}–${format(max)})`;

export const heading = lineOf('case', 'side', ['CPU µs a record', 'records/s', 'p50 ms', 'p99 ms', 'peak MiB', 'GC']);

function lineOf(name: string, side: string, figures: readonly string[]): string {
  const widths = [22, 10, 7, 7, 9, 5];
  return `${name.padEnd(24)} ${side.padEnd(20)} ${figures.map((text, at) => text.padStart(widths[at]!)).join(' ')}`;
}

export function linesOf({ case: { name }, sides }: CaseFigures): readonly string[] {
  return (Object.entries(sides) as [string, SideSpreads][]).map(([side, figures], place) =>
    lineOf(place === 0 ? name : '', side, [
      spread(figures.cpuMicrosPerRecord, (value) => value.toFixed(2)),
      whole(figures.recordsPerSecond.median),
      ms(figures.p50Ms.median),
      ms(figures.p99Ms.median),
      whole(figures.peakRssBytes.median / 2 ** 20),
      `${Math.round(figures.gcShare.median * 100)} %`,
    ]),
  );
}

export function ratioLines(ratios: Ratios): readonly string[] {
  return Object.entries(ratios).map(([name, ratio]) => `${name.padEnd(24)} ${ratioText(ratio)}`);
}

/** With the range of the turns in parentheses. */
export function ratioText({ value, min, max, reason }: Ratio): string {
  if (value === null) return `not measured: ${reason}`;
  const digits = value >= 20 ? 0 : 2;
  const range = min === undefined || max === undefined ? '' : ` (${min.toFixed(digits)}–${max.toFixed(digits)})`;
  return `${value.toFixed(digits)}${range}`;
}
