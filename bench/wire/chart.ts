// Draws docs/performance.svg: the CPU of each side beside the loop over the SDK as it is, and how kinact's cost grows. Called by
// benchmark.ts.
import type { CaseFigures } from './measuring.js';
import type { Results } from './results.js';
import type { SideName } from './sides.js';
import { shapes } from './workload.js';

const width = 980;
const height = 590;
const bars = { left: 60, top: 76, width: 900, height: 204 } as const;
const drawnSides: readonly SideName[] = ['stock', 'fast', 'kinact', 'floor'];

const round = (value: number): number => Math.round(value * 10) / 10;
const escaped = (words: string): string => words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
const text = (x: number, y: number, words: string, kind: string, anchor = 'middle'): string =>
  `<text x="${round(x)}" y="${round(y)}" class="${kind}" text-anchor="${anchor}">${escaped(words)}</text>`;

function cpuOf(each: CaseFigures | undefined, side: SideName): number | undefined {
  return each?.sides[side]?.cpuMicrosPerRecord.median;
}

/** One group of bars per shape. A bar of `stock` has the height 1. */
function barsOf({ cases }: Results): readonly string[] {
  const groups = cases.filter((each) => each.case.group === 'wire');
  const ratios = groups.map((each) => drawnSides.map((side) => (cpuOf(each, side) ?? 0) / (cpuOf(each, 'stock') ?? 1)));
  const most = Math.max(1, ...ratios.flat());
  const groupWidth = bars.width / Math.max(1, groups.length);
  const barWidth = (groupWidth * 0.8) / drawnSides.length;
  const bottom = bars.top + bars.height;
  const one = bottom - bars.height / most;
  return [
    text(
      20,
      28,
      'CPU per record, as a ratio to the loop over the SDK as it is (stock = 1, less is better)',
      'title',
      'start',
    ),
    ...drawnSides.flatMap((side, place) => [
      `<rect x="${620 + place * 85}" y="36" width="10" height="10" class="side${place}"/>`,
      text(634 + place * 85, 45, side, 'note', 'start'),
    ]),
    `<line x1="${bars.left}" y1="${round(one)}" x2="${bars.left + bars.width}" y2="${round(one)}" class="line"/>`,
    ...ratios.flatMap((group, at) => [
      ...group.flatMap((ratio, place) => {
        const x = bars.left + at * groupWidth + groupWidth * 0.1 + place * barWidth;
        const tall = (bars.height * ratio) / most;
        return [
          `<rect x="${round(x)}" y="${round(bottom - tall)}" width="${round(barWidth - 4)}" height="${round(tall)}" class="side${place}"/>`,
          text(x + barWidth / 2 - 2, bottom - tall - 4, ratio.toFixed(2), 'note'),
        ];
      }),
      text(bars.left + (at + 0.5) * groupWidth, bottom + 18, groups[at]!.case.name, 'note'),
    ]),
  ];
}

/** A small picture of how a figure grows. */
interface Growth {
  readonly title: string;
  readonly points: readonly { readonly name: string; readonly value: number }[];
}

function growthsOf({ cases, besides }: Results): readonly Growth[] {
  const ways = cases.find((each) => each.case.group === 'ways');
  const reducers = (['kinact, 1 reducer', 'kinact', 'kinact, 16 reducers', 'kinact, 64 reducers'] as const).map(
    (side, place) => ({ name: ['1', '4', '16', '64'][place]!, value: cpuOf(ways, side) ?? Number.NaN }),
  );
  const sized = ['plain 100 B', 'plain 1 kB', 'plain 25 kB'].map((name) => ({
    name: name.replace('plain ', ''),
    value:
      cpuOf(
        cases.find((each) => each.case.name === name),
        'kinact',
      ) ?? Number.NaN,
  }));
  const bytesOf = (name: string): number => shapes.find((shape) => shape.name === name)!.dataBytes / 1_000;
  return [
    {
      title: 'shards: CPU, µs a record',
      points: cases
        .filter((each) => each.case.group === 'shards')
        .map((each) => ({ name: String(each.case.shards), value: cpuOf(each, 'kinact') ?? Number.NaN })),
    },
    { title: 'reducers: CPU, µs a record', points: reducers },
    {
      title: 'record size: CPU, µs a kB',
      points: sized.map(({ name, value }) => ({ name, value: value / bytesOf(`plain ${name}`) })),
    },
    {
      title: 'open records: MiB',
      points: besides.openRecords.points.map(({ records, keptBytes }) => ({
        name: `${Math.round(records / 1_000)}k`,
        value: keptBytes.median / 2 ** 20,
      })),
    },
  ];
}

function growthPicture({ title, points }: Growth, place: number): readonly string[] {
  const left = 60 + place * 235;
  const top = 380;
  const [wide, tall] = [170, 140];
  const most = Math.max(...points.map(({ value }) => value));
  const at = points.map(({ name, value }, index) => ({
    name,
    value,
    x: left + (wide * index) / Math.max(1, points.length - 1),
    y: top + tall - (tall * value) / most,
  }));
  return [
    text(left - 20, top - 30, title, 'title', 'start'),
    `<line x1="${left - 15}" y1="${top + tall}" x2="${left + wide + 15}" y2="${top + tall}" class="line"/>`,
    `<polyline class="growth" points="${at.map(({ x, y }) => `${round(x)},${round(y)}`).join(' ')}"/>`,
    ...at.flatMap(({ name, value, x, y }) => [
      `<circle cx="${round(x)}" cy="${round(y)}" r="3" class="side2"/>`,
      text(x, y - 8, value.toFixed(value < 10 ? 2 : 0), 'note'),
      text(x, top + tall + 16, name, 'note'),
    ]),
  ];
}

export function chartOf(results: Results): string {
  const { date, machine } = results.setting;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">`,
    '<style>.title{font-size:13px}.note{fill:#444}.line{stroke:#999}.growth{fill:none;stroke:#2a6;stroke-width:2}' +
      '.side0{fill:#999}.side1{fill:#69c}.side2{fill:#2a6}.side3{fill:#ca7}</style>',
    `<rect width="${width}" height="${height}" fill="white"/>`,
    ...barsOf(results),
    ...growthsOf(results).flatMap(growthPicture),
    text(20, height - 16, `kinact, ${date}, ${machine}. Drawn by bench/wire/chart.ts.`, 'note', 'start'),
    '</svg>',
    '',
  ].join('\n');
}
