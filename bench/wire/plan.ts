// The cases of the benchmark: what is read, and by which sides. Every case differs from the base case (100 B, 4 shards, a reducer that only
// counts, from memory) in one or two points, because the product of all points would take days.
import type { SideName } from './sides.js';
import { shapes, type Extent } from './workload.js';

export interface Case extends Extent {
  readonly name: string;
  /** Where the page shows it. */
  readonly group: 'wire' | 'http' | 'pace' | 'shards' | 'work' | 'ways';
  /** The index of the shape. */
  readonly shape: number;
  /** Microseconds of CPU that the reducer burns for a record. */
  readonly workMicros: number;
  /** Whether the answers come over HTTP. */
  readonly isHttp: boolean;
  readonly sides: readonly SideName[];
}

const base = { shards: 4, workMicros: 0, isHttp: false } as const;
const shapeOf = (name: string): number => shapes.findIndex((shape) => shape.name === name);
const plain = shapeOf('plain 100 B');

function wire(shape: number, sides: readonly SideName[]): Case {
  const { name, records } = shapes[shape]!;
  return { ...base, name, group: 'wire', shape, records, sides };
}

/** A rival takes 30 µs a record and more, so these cases are shorter. */
function http(name: string, records: number, sides: readonly SideName[]): Case {
  return { ...base, name: `${name}, HTTP`, group: 'http', shape: shapeOf(name), records, isHttp: true, sides };
}

function work(workMicros: number, records: number, sides: readonly SideName[]): Case {
  const name = `${workMicros} µs of work`;
  return { ...base, name, group: 'work', shape: plain, records, workMicros, sides };
}

function shards(count: number): Case {
  const name = count === 1 ? '1 shard' : `${count} shards`;
  return { ...wire(plain, ['stock', 'fast', 'kinact']), name, group: 'shards', shards: count };
}

/** What the ratios need. */
export const quickCases: readonly Case[] = [
  ...['plain 100 B', 'plain 1 kB', 'aggregates of 100'].map((name) =>
    wire(shapeOf(name), ['stock', 'fast', 'floor', 'kinact']),
  ),
  work(100, 20_000, ['kinact', 'kinact, 2 threads']),
  http('plain 100 B', 320_000, ['lifion', 'kinact']),
];

/** The grid. */
export const fullCases: readonly Case[] = [
  ...shapes.map((_, shape) => wire(shape, ['stock', 'fast', 'floor', 'kinact'])),
  ...(
    [
      ['plain 100 B', 320_000],
      ['plain 1 kB', 100_000],
      ['plain 25 kB', 6_000],
      ['aggregates of 100', 320_000],
    ] as const
  ).map(([name, records]) => http(name, records, ['stock', 'fast', 'floor', 'lifion', 'kinact'])),
  {
    ...wire(plain, ['stock', 'fast', 'floor', 'kinact']),
    name: 'plain 100 B, 20,000 a second',
    group: 'pace',
    records: 100_000,
    perPull: 500,
    everyMs: 100,
  },
  ...[1, 4, 16].map(shards),
  ...(
    [
      [5, 300_000],
      [100, 20_000],
    ] as const
  ).map(([micros, records]) => work(micros, records, ['stock', 'fast', 'kinact', 'kinact, 2 threads'])),
  {
    ...wire(plain, [
      ...(['kinact', 'kinact, flush', 'kinact, extract', 'kinact, key', 'kinact, manual', 'kinact, crash'] as const),
      ...(['kinact, pipe', 'kinact, 1 reducer', 'kinact, 16 reducers', 'kinact, 64 reducers'] as const),
    ]),
    name: 'ways of kinact',
    group: 'ways',
    records: 600_000,
  },
];
