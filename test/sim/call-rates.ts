// I38: whatever fails, no process repeats a call without a pause. Within ten seconds it makes only a limited number of calls of one
// kind about one thing. Writes of a row have their own limit: back-off up to a sixth of the writer's `failoverMs`, and the extra
// checkpoints that the options demand.
import type { CheckpointCadence } from '../../src/core/checkpoint-cadence.js';

export interface CallRates {
  /** The checkpoint options of a process. A process without this call writes no extra checkpoints. */
  cadence(process: string, cadence: CheckpointCadence): void;
  /** A worker of this process has settled this many more records. */
  settled(process: string, records: number): void;
  called(process: string, operation: string, about: string): void;
}

const spanMs = 10_000;
/** A shard allows five reads a second. A scan that fails is repeated at most ten times a second. */
const mostCalls = 120;
/** Twice the average number with full jitter, and some more for new writes. */
const mostWrites = (failoverMs: number): number => 20 + (2 * spanMs) / (failoverMs / 12);

interface Known {
  since: number;
  count: number;
  /** Records that the process had settled at `since`. */
  records: number;
}

export function createCallRates(
  now: () => number,
  failoverMsOf: (process: string) => number,
  violate: (invariant: string, text: string) => void,
): CallRates {
  const counts = new Map<string, Known>();
  const cadences = new Map<string, CheckpointCadence>();
  const settled = new Map<string, number>();
  const recordsOf = (process: string): number => settled.get(process) ?? 0;
  /** The extra checkpoints of one row: those that did not wait for a renewal. */
  const extra = (process: string, { since, records }: Known): number => {
    const cadence = cadences.get(process);
    if (cadence === undefined) return 0;
    const { intervalMs, records: each, renewalMs } = cadence;
    const byTime = intervalMs > 0 && intervalMs < renewalMs ? (now() - since) / intervalMs : 0;
    return Math.ceil(byTime) + (each > 0 ? Math.ceil((recordsOf(process) - records) / each) : 0);
  };
  return {
    cadence: (process, cadence) => void cadences.set(process, cadence),
    settled: (process, records) => void settled.set(process, recordsOf(process) + records),
    called: (process, operation, about) => {
      const name = `${process} ${operation} ${about}`;
      const at = now();
      const known = counts.get(name);
      if (known === undefined || known.since < at - spanMs)
        return void counts.set(name, { since: at, count: 1, records: recordsOf(process) });
      known.count += 1;
      const most =
        operation === 'UpdateItem' ? Math.round(mostWrites(failoverMsOf(process))) + extra(process, known) : mostCalls;
      if (known.count < most) return;
      violate(
        'I38',
        `${process} has called ${operation} ${known.count} times in ${Math.round(at - known.since)} ms, for ${about}`,
      );
      counts.delete(name);
    },
  };
}
