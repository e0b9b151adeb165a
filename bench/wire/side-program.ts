// Runs one side over one workload, in a process of its own, and prints its figures as one JSON object. Called by measuring.ts.
import { PerformanceObserver } from 'node:perf_hooks';
import type { Addresses } from './canned-server.js';
import { createDelays } from './delays.js';
import { takeOf } from './side.js';
import { sides, type SideName } from './sides.js';
import { percentileOf } from './spread.js';
import type { Tally } from './tally.js';
import { httpTransport, stubTransport } from './transport.js';
import { createWorkload, shapes, type Extent } from './workload.js';

/** What the program is given. */
export interface SideTask extends Extent {
  readonly side: SideName;
  /** The index of the shape. */
  readonly shape: number;
  /** How much CPU the reducer burns for a record, in rounds of work. */
  readonly rounds: number;
  /** Of the canned server; without it the answers come from memory. */
  readonly addresses?: Addresses;
}

/** What one run has found. */
export interface SideFigures {
  readonly tally: Tally;
  /** From the first answer of GetRecords to the end. */
  readonly recordsPerSecond: number;
  /** Microseconds of CPU, user and system, of all threads of the process, start and stop of the side included. */
  readonly cpuMicrosPerRecord: number;
  /** From the arrival of a record to its acknowledgement. NaN, which is null in JSON, if the side cannot know. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly peakRssBytes: number;
  /** The part of the time in which the main thread collected garbage. */
  readonly gcShare: number;
}

async function measured({ side, shape, rounds, addresses, ...extent }: SideTask): Promise<SideFigures> {
  const chosen = shapes[shape];
  if (chosen === undefined) throw new RangeError(`there is no case ${shape}`);
  const workload = createWorkload(chosen, extent);
  // The stub makes its bodies before the clock starts.
  if (addresses === undefined) void workload.bodies;
  const transport = addresses === undefined ? stubTransport(workload) : await httpTransport(addresses);
  const run = { workload, transport, take: takeOf(rounds), delays: createDelays(workload) };
  let gcMs = 0;
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) gcMs += duration;
  });
  observer.observe({ entryTypes: ['gc'] });
  const cpu = process.cpuUsage();
  const started = performance.now();
  const tally = await sides[side](run);
  const ended = Number(process.hrtime.bigint()) / 1e6;
  const ms = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  // Entries come in a later turn.
  await new Promise((resolve) => setImmediate(resolve));
  observer.disconnect();
  const arrivals = await transport.arrivals();
  const delays = run.delays.since(arrivals);
  return {
    tally,
    recordsPerSecond: (tally.records / (ended - Math.min(...Object.values(arrivals)))) * 1000,
    cpuMicrosPerRecord: (user + system) / tally.records,
    p50Ms: percentileOf(delays, 0.5),
    p99Ms: percentileOf(delays, 0.99),
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
    gcShare: gcMs / ms,
  };
}

console.log(JSON.stringify(await measured(JSON.parse(process.argv[2] ?? '') as SideTask)));
process.exit();
