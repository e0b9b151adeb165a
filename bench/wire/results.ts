// What one whole run of the benchmark has found, and where and when. docs/performance.md is written from it.
import { availableParallelism, cpus, loadavg } from 'node:os';
import type { CaseFigures } from './measuring.js';
import type { Besides, Ratios } from './ratios.js';

export interface Results {
  readonly setting: Setting;
  readonly cases: readonly CaseFigures[];
  readonly besides: Besides;
  readonly ratios: Ratios;
}

/** No path and no name of a host. */
interface Setting {
  readonly date: string;
  readonly node: string;
  readonly machine: string;
  /** The load average before and after. */
  readonly load: readonly [number, number];
  readonly runs: number;
  readonly isFull: boolean;
}

/** Begins a run. Call what it returns at its end. */
export function beginSetting(runs: number, isFull: boolean): () => Setting {
  const before = loadavg()[0] ?? 0;
  return () => ({
    date: new Date().toISOString().slice(0, 10),
    node: process.versions.node,
    machine: `${availableParallelism()} x ${cpus()[0]?.model ?? 'unknown'}`,
    load: [before, loadavg()[0] ?? 0],
    runs,
    isFull,
  });
}
