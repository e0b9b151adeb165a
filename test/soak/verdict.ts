// The verdict at the end of a soak, a pure function. No record may be lost, and neither heap nor handles of the measured process may
// have grown since its fifth minute. Called by soak.ts. Its tests show that it can fail.

/** The figures of the measured process. Bytes are those after forced collections. */
export interface Sample {
  /** Since the load began. */
  readonly atMs: number;
  readonly heapBytes: number;
  /** The part of the heap that is code compiled by V8. It grows as long as rare paths run for their first few times. */
  readonly codeBytes: number;
  readonly rssBytes: number;
  /** `process.getActiveResourcesInfo()`, counted by type. */
  readonly handles: Readonly<Record<string, number>>;
  readonly lagP99Ms: number;
  readonly actors: number;
  readonly effects: number;
  readonly shards: number;
  readonly openRecords: number;
  /** Restarts of the pipeline since its start. */
  readonly restarts: number;
  /** Records that this process has delivered. */
  readonly records: number;
}

export interface Judged {
  readonly minutes: number;
  readonly records: number;
  readonly lost: number;
  readonly replayed: number;
  readonly faults: number;
  /** The run was ended before the records under way could come, so a missing record may not be lost. */
  readonly interrupted: boolean;
  readonly samples: readonly Sample[];
  /** What else went wrong, in words. */
  readonly failures: readonly string[];
}

export interface Verdict {
  readonly ok: boolean;
  readonly violations: readonly string[];
  /** The growth of the heap since minute five, as a share: 0.012 is 1.2 %. Absent if the run was too short. */
  readonly heapGrowth?: number;
  readonly line: string;
}

const minuteMs = 60_000;
/** In a shorter run, the last samples are too close to the first to judge the heap. */
export const shortestForHeapMinutes = 10;
const mostHeapGrowth = 0.1;
/**
 * How many more handles a run may have at its end. Sockets of kept connections and timers come and go with the held leases. A leak
 * of one handle per fault would exceed this after a quarter of an hour.
 */
export const handleSlack = 20;

export function judge(run: Judged): Verdict {
  const violations = [...run.failures];
  if (run.lost > 0 && !run.interrupted) violations.push(`${run.lost} lost`);
  const early = run.samples.filter(({ atMs }) => atMs >= 3.5 * minuteMs && atMs <= 6.5 * minuteMs);
  const late = run.samples.slice(-3);
  const firstLate = late[0]?.atMs ?? 0;
  let measured = `heap and handles: no verdict below ${shortestForHeapMinutes} minutes`;
  let heapGrowth: number | undefined;
  const judged = run.minutes >= shortestForHeapMinutes;
  if (judged && (early.length === 0 || late.length < 3 || firstLate <= 6.5 * minuteMs)) {
    violations.push('too few samples to judge the heap by');
  } else if (judged) {
    const growthOf = (bytes: (sample: Sample) => number): number =>
      median(late.map(bytes)) / median(early.map(bytes)) - 1;
    heapGrowth = growthOf(({ heapBytes }) => heapBytes);
    const uncompiled = percent(growthOf(({ heapBytes, codeBytes }) => heapBytes - codeBytes));
    const handlesBefore = median(early.map(handleCount));
    const handles = median(late.map(handleCount));
    measured = `heap ${percent(heapGrowth)} since minute 5 (${uncompiled} without compiled code), handles ${handlesBefore} -> ${handles}`;
    if (heapGrowth > mostHeapGrowth) violations.push('the heap grew by more than 10 %');
    if (handles > handlesBefore + handleSlack)
      violations.push(`more than ${handleSlack} handles more than at minute 5`);
  }
  const counts = `${run.minutes} minutes, ${run.records} records, ${run.lost} ${run.interrupted ? 'not seen yet' : 'lost'}, ${run.replayed} replayed, ${run.faults} faults`;
  const ok = violations.length === 0;
  const line = `soak: ${ok ? '' : `FAILED (${violations.join('; ')}), `}${counts}, ${measured}`;
  return { ok, violations, line, ...(heapGrowth === undefined ? {} : { heapGrowth }) };
}

export function handleCount({ handles }: Sample): number {
  return Object.values(handles).reduce((sum, count) => sum + count, 0);
}

function percent(share: number): string {
  return `${share < 0 ? '' : '+'}${(share * 100).toFixed(1)} %`;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}
