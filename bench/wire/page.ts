// Writes the figures of a full run into docs/performance.md, between its marks. The prose around them is written by hand. Called by
// benchmark.ts.
import type { CaseFigures, SideSpreads } from './measuring.js';
import type { Case } from './plan.js';
import type { Results } from './results.js';
import type { SideName } from './sides.js';
import type { Spread } from './spread.js';
import { ratioText } from './table.js';

type Block = (results: Results) => readonly string[];

const whole = (value: number): string => Math.round(value).toLocaleString('en-US');
const cpuText = ({ median, min, max }: Spread): string => {
  const format = (value: number): string => (median >= 100 ? whole(value) : value.toFixed(median >= 20 ? 1 : 2));
  return `${format(median)} (${format(min)}–${format(max)})`;
};
const msText = ({ median }: Spread): string => (Number.isFinite(median) ? whole(median) : '–');
const entriesOf = ({ sides }: CaseFigures): [SideName, SideSpreads][] => Object.entries(sides) as never;

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  return [head, head.map(() => '---'), ...rows].map((cells) =>
    `| ${cells.join(' | ')} |`.replace(/ ---/g, '---').replace(/--- /g, '---'),
  );
}

/** Every side of every case of a group; the ratio is to the CPU of `peer`. */
function sidesTable({ cases }: Results, group: Case['group'], peer: SideName): readonly string[] {
  const head = ['case', 'side', 'CPU, µs a record', `to ${peer}`, 'records/s', 'p50, p99, ms', 'peak RSS, MiB', 'GC'];
  const rows = cases
    .filter((each) => each.case.group === group)
    .flatMap((each) =>
      entriesOf(each).map(([side, figures], place) => {
        const cpu = figures.cpuMicrosPerRecord;
        const base = each.sides[peer]?.cpuMicrosPerRecord.median ?? Number.NaN;
        return [
          place === 0 ? each.case.name.replace(', HTTP', '') : '',
          side,
          cpuText(cpu),
          (cpu.median / base).toFixed(2),
          whole(figures.recordsPerSecond.median),
          `${msText(figures.p50Ms)}, ${msText(figures.p99Ms)}`,
          whole(figures.peakRssBytes.median / 2 ** 20),
          `${Math.round(figures.gcShare.median * 100)} %`,
        ];
      }),
    );
  return tableOf(head, rows);
}

/** The CPU of each side in the cases of a group. */
function growthTable({ cases }: Results, group: Case['group'], what: string): readonly string[] {
  const chosen = cases.filter((each) => each.case.group === group);
  const sides = [...new Set(chosen.flatMap((each) => entriesOf(each).map(([side]) => side)))];
  const rows = chosen.map((each) => [
    each.case.name,
    ...sides.map((side) => (each.sides[side] === undefined ? '–' : cpuText(each.sides[side].cpuMicrosPerRecord))),
  ]);
  return tableOf([what, ...sides], rows);
}

const cpuTo = (peer: string, what: string): string => `CPU per record of kinact to that of *${peer}*, ${what}`;
const bytes100 = 'plain records of 100 B';
const bytes1000 = 'plain records of 1 kB';
const aggregates = 'aggregates of 100';

const meanings: Readonly<Record<string, string>> = {
  cpuVsStock: cpuTo('stock', bytes100),
  cpuVsStockKb: cpuTo('stock', bytes1000),
  cpuVsStockAggregates: cpuTo('stock', aggregates),
  cpuVsFast: cpuTo('fast', bytes100),
  cpuVsFastAggregates: cpuTo('fast', aggregates),
  threadsSpeedup: 'records/s with two threads to those without, when the reducer takes 100 µs a record',
  deaggregateSpeedup: 'CPU of aws-kinesis-agg to that of kinact for an aggregate of 100, both with its checksum',
  dynamoWritesPerRenewal:
    'writes to the lease table for one lease in one renewal interval, checkpoints included, while records come',
  openRecordBytes: 'heap and external bytes that an open record of 100 B keeps besides its data',
  cpuVsFloor: cpuTo('floor', bytes100),
  cpuVsFloorKb: cpuTo('floor', bytes1000),
  cpuVsFloorAggregates: cpuTo('floor', aggregates),
  recordsVsLifion: `records/s to those of *lifion*, ${bytes100} from the same HTTP server`,
};

const blocks: Readonly<Record<string, Block>> = {
  setting({ setting: { date, node, machine, load, runs } }) {
    const isBusy = Math.max(...load) > Number.parseInt(machine, 10) + 1;
    const shown = load.map((value) => value.toFixed(1)).join(' before, ');
    const note = isBusy ? ' **The machine was busy**: compare ratios, not times.' : '';
    const times = runs === 1 ? 'one run' : `${runs} runs`;
    return [`${date}, Node ${node}, ${machine}, load average ${shown} after, ${times} of each side.${note}`];
  },
  ratios: ({ ratios }) =>
    tableOf(
      ['ratio', 'median (least–most of a turn)', 'what it is'],
      Object.entries(ratios).map(([name, ratio]) => [`\`${name}\``, ratioText(ratio), meanings[name] ?? '']),
    ),
  wire: (results) => sidesTable(results, 'wire', 'stock'),
  http: (results) => sidesTable(results, 'http', 'stock'),
  pace: (results) => sidesTable(results, 'pace', 'stock'),
  shards: (results) => growthTable(results, 'shards', 'CPU, µs a record'),
  work: (results) => sidesTable(results, 'work', 'stock'),
  ways: (results) => sidesTable(results, 'ways', 'kinact'),
  open: ({ besides }) =>
    tableOf(
      ['open records', 'heap and external, MiB'],
      besides.openRecords.points.map(({ records, keptBytes }) => [
        whole(records),
        (keptBytes.median / 2 ** 20).toFixed(1),
      ]),
    ),
};

/** Returns the page with the text between the marks replaced. Throws if a mark is missing. */
export function withFigures(page: string, results: Results): string {
  let text = page;
  for (const [name, block] of Object.entries(blocks)) {
    const [begin, end] = [`<!-- figures: ${name} -->`, `<!-- /figures: ${name} -->`];
    const [from, until] = [text.indexOf(begin), text.indexOf(end)];
    if (from < 0 || until < from) throw new Error(`docs/performance.md has lost its marks of '${name}'`);
    text = `${text.slice(0, from)}${begin}\n${block(results).join('\n')}\n${text.slice(until)}`;
  }
  return text;
}
