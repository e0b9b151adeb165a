// Runs one side of the benchmark at the wire over one workload, in a process of its own, and prints its figures as one JSON object.
import { PerformanceObserver } from 'node:perf_hooks';
import type { Tally } from '../tally.js';
import { createWorkload, shapes } from '../workload.js';
import { sides, type SideName } from './sides.js';

/** Which side, and which case: the index of its shape. */
export interface WireRun {
  readonly side: SideName;
  readonly shape: number;
  /** User records; default: those of the shape. */
  readonly records?: number;
}

export interface WireFigures {
  readonly tally: Tally;
  readonly recordsPerSecond: number;
  /** Microseconds of CPU, user and system, of all threads of the process. */
  readonly cpuMicrosPerRecord: number;
  readonly peakRssBytes: number;
  /** The part of the time in which the main thread collected garbage. */
  readonly gcShare: number;
}

async function measured({ side, shape, records }: WireRun): Promise<WireFigures> {
  const chosen = shapes[shape];
  if (chosen === undefined) throw new RangeError(`there is no case ${shape}`);
  const workload = createWorkload(chosen, records);
  let gcMs = 0;
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) gcMs += duration;
  });
  observer.observe({ entryTypes: ['gc'] });
  const cpu = process.cpuUsage();
  const started = performance.now();
  const tally = await sides[side](workload);
  const ms = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  // Entries come in a later turn.
  await new Promise((resolve) => setImmediate(resolve));
  observer.disconnect();
  return {
    tally,
    recordsPerSecond: (tally.records / ms) * 1000,
    cpuMicrosPerRecord: (user + system) / tally.records,
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
    gcShare: gcMs / ms,
  };
}

console.log(JSON.stringify(await measured(JSON.parse(process.argv[2] ?? '') as WireRun)));
process.exit();
