// How far a shard is behind, by time. Each figure is a bound that is never too low, as far as the shard worker can know, and takes one look
// at the ledger. The wall clock may be wrong, so a record is never younger than the time for which the shard worker has had it.
//   readLagMs   the age of the oldest record that is not read. 0: the last answer reached the tip, at most 10 s ago.
//               If the source answers only with records, also while a read waits; and if nothing is left to read.
//   lagMs       the age of the oldest record that is not settled; if every record read is settled, and none was dropped, readLagMs.
// `shardWorkerStatus` and retention.ts call it.
import type { ShardWorkerState } from './state.js';
import { isIntakePaused, type ShardWorkerOptions } from './options.js';
import { nextToAdmit } from './record-admission.js';
import type { RawRecord } from '../../src/api/ports.js';
import { oldestOpen } from '../../src/core/ledger.js';

/** An answer that reached the tip counts for 10 s. Readers ask an idle shard more often than that (idle-reads.ts). */
const freshMs = 10_000;

interface ShardWorker {
  readonly options: Pick<ShardWorkerOptions, 'clock' | 'intake' | 'source'>;
  readonly state: ShardWorkerState;
  /** Monotonic. */
  readonly now: number;
}

/**
 * Undefined in two cases: no answer has come yet, and none is overdue (`freshMs`, 10 s); or only records below the
 * checkpoint have come, which were left out (start-check.ts).
 */
export function readLagMs({ options, state, now }: ShardWorker): number | undefined {
  if (state.startCheck?.newest !== undefined) return undefined;
  const { failingSince, foundEnd: end, hasRead, millisBehindLatest = 0, readAt, readAtWall, reading, tenure } = state;
  // Nothing is left to read. A shard that was not found may be there all the same: its end is not proven yet.
  if ((end !== undefined && !end.notFound) || tenure?.onlyAwaitsCalls === true) return 0;
  // The monotonic clock stands still while the machine sleeps, and only the wall clock knows for how long.
  const answerAgeMs = Math.max(now - readAt, options.clock.wallNow() - readAtWall);
  const answersIdle = options.source.answersIdle === true;
  // A read that waits says nothing if the source answers only with records.
  const isSilent = answerAgeMs > freshMs && (answersIdle || !reading);
  if (!hasRead && !isSilent) return reading && !answersIdle && failingSince === undefined ? 0 : undefined;
  const mayBeBehind = isSilent || millisBehindLatest > 0 || isIntakePaused(options) || failingSince !== undefined;
  return mayBeBehind ? millisBehindLatest + answerAgeMs : 0;
}

/** Undefined as `readLagMs`. */
export function lagMs(shardWorker: ShardWorker): number | undefined {
  const { options, state, now } = shardWorker;
  const oldest = oldestOpen(state.ledger);
  if (oldest !== undefined) {
    const heldMs = now - oldest.admittedAt;
    return Number.isNaN(oldest.arrivedAt) ? heldMs : Math.max(heldMs, options.clock.wallNow() - oldest.arrivedAt);
  }
  const next = nextToAdmit(state.admission);
  if (next !== undefined)
    return ageOf(shardWorker, { arrivedAt: next.arrivedAt ?? state.fetch.fetchedAt, at: state.readAt });
  return state.dropped === undefined ? readLagMs(shardWorker) : ageOf(shardWorker, state.dropped);
}

/** `at`: when the shard worker got the record, monotonic. */
function ageOf(
  { options, now }: ShardWorker,
  { arrivedAt, at }: { readonly arrivedAt: number; readonly at: number },
): number {
  return Math.max(now - at, options.clock.wallNow() - arrivedAt);
}

/** Notes that the records from this one on are dropped before they were admitted. The next owner reads them again. */
export function noteDropped(state: ShardWorkerState, record: RawRecord | undefined): void {
  if (record !== undefined)
    state.dropped ??= { arrivedAt: record.arrivedAt ?? state.fetch.fetchedAt, at: state.readAt };
}
