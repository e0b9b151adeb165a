// I38: whatever fails, nobody asks without pause: within ten seconds one process makes so many calls of one kind about one thing.
// Writes of a row have a pace of their own: back-off up to a sixth of the writer's `failoverMs`, and what the options ask for beside it.
import type { CheckpointCadence } from '../../src/core/checkpoint-cadence.js';

export interface CallRates {
  /** What the options of a process say of checkpoints. Without a word it writes none of its own. */
  cadence(process: string, cadence: CheckpointCadence): void;
  /** A worker of this process has settled so many more records. */
  settled(process: string, records: number): void;
  called(process: string, operation: string, about: string): void;
}

const spanMs = 10_000;
/** Five reads a second are what a shard bears; a scan that fails is tried ten times a second at most. */
const mostCalls = 120;
/** Twice what full jitter comes to on average, and some more for what is new. */
const mostWrites = (failoverMs: number): number => 20 + (2 * spanMs) / (failoverMs / 12);

interface Known {
  since: number;
  count: number;
  /** Records of the process by then. */
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
  /** Checkpoints of one row that no renewal waited for. */
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
