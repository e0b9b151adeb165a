// How the shard worker reports to its keeper whether reads of the shard succeed. It reports the first success, the first success
// after failures, and failures that last. The coordinator decides what these reports mean.
import { effect } from '../protocol/actor.js';
import type { ShardWorkerState } from './state.js';
import type { ShardWorkerTurn } from './turn.js';
import type { Tenure } from '../protocol/tenure.js';
import type { SourceNotice } from '../../src/api/ports.js';

/**
 * Failures are reported when they have lasted this long, and again at the interval below. Both are short, because another shard
 * of this source may be given back after a minute of failures. By then the coordinator must know that this shard fails, too.
 */
const firstReportMs = 5_000;
const reportIntervalMs = 10_000;
/** The report of failures for this long must not come late, because the shard may then be given back. */
const longMs = 60_000;

type ReadState = Pick<ShardWorkerState, 'keeper' | 'reading' | 'hasRead' | 'failingSince' | 'reportFailingAt'> & {
  readonly tenure: Pick<Tenure, 'shardWorkerNumber' | 'fence'> | undefined;
};

type ReadTurn = Pick<ShardWorkerTurn, 'now' | 'effects'> & { readonly state: ReadState };

/** Notes a failed read. Throttling does not count as a failure, because the service has answered, and another worker would do no better. */
export function noteReadFailure(turn: ReadTurn, notice: SourceNotice): void {
  const { state, now } = turn;
  // Between reads the reader fetches ahead and reports no successes: two failures a minute apart do not prove a minute of
  // failures.
  if (!state.reading || notice.type !== 'retrying' || notice.delayMs === 0) return;

  state.failingSince ??= now;
  const forMs = now - state.failingSince;
  if (forMs < firstReportMs || now < state.reportFailingAt) return;

  const nextReportAt = now + reportIntervalMs;
  state.reportFailingAt = forMs < longMs ? Math.min(nextReportAt, state.failingSince + longMs) : nextReportAt;
  reportReads(turn, forMs);
}

export function noteReadSuccess(turn: ReadTurn): void {
  const { state } = turn;
  if (state.hasRead && state.failingSince === undefined) return;
  state.hasRead = true;
  state.failingSince = undefined;
  state.reportFailingAt = 0;
  reportReads(turn, 0);
}

function reportReads({ state: { keeper, tenure }, effects }: ReadTurn, forMs: number): void {
  if (tenure === undefined) return;
  const { shardWorkerNumber: shardWorker, fence } = tenure;
  effects.push(effect.send(keeper, { type: 'reads', shardWorker, fence, forMs }));
}
