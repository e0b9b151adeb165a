// Handles a failed call of a polling reader: reports it, waits, and gives up only if waiting cannot repair it. Invariant: no loop
// that keeps failing continues without a wait. Called by polling-reader.ts.
import { backoffMs, type Backoff } from '../../core/backoff.js';
import type { LeasedRead, Random, SourceNotice, Timers } from '../../api/ports.js';
import type { AwsFailure } from '../aws-errors.js';
import { pause } from '../pause.js';
import { stopped } from './prefetch-buffer.js';
import type { Progress } from './reading-progress.js';

const throttled: Backoff = { baseMs: 1_000, capMs: 20_000 };
export const failing: Backoff = { baseMs: 500, capMs: 20_000 };
/** Full jitter may be 0; a loop that failed waits at least this long. */
const minRetryMs = 100;

export interface FailedRead {
  readonly shardId: string;
  readonly notice: (notice: SourceNotice) => void;
  readonly random: Random;
  readonly timers: Timers;
  readonly lease: LeasedRead | undefined;
  readonly signal: AbortSignal;
}

/** The wait before attempt `attempt` is repeated. */
export function readRetryDelayMs(shape: Backoff, attempt: number, random: Random): number {
  return Math.max(minRetryMs, backoffMs(shape, attempt, random));
}

/** Reports a failure and waits before the next attempt. Throws if another attempt is of no use. */
export async function recover(
  on: FailedRead,
  progress: Progress,
  failure: AwsFailure,
  operation: string,
): Promise<void> {
  const { shardId, notice, random } = on;
  const { kind, error } = failure;
  if (on.signal.aborted) throw stopped();
  const attempt = progress.failures;
  progress.failures += 1;
  const wait = async (shape: Backoff, again: number, say: (delayMs: number) => SourceNotice): Promise<void> => {
    const delayMs = readRetryDelayMs(shape, again, random);
    notice(say(delayMs));
    await sleep(on, delayMs);
  };
  const retrying = (delayMs: number): SourceNotice => ({ type: 'retrying', shardId, operation, error, delayMs });
  if (kind === 'throttled') {
    return wait(throttled, attempt, (delayMs) => ({ type: 'throttled', shardId, delayMs }));
  }
  if (operation === 'GetRecords' && (kind === 'expiredIterator' || kind === 'invalidArgument' || kind === 'notFound')) {
    // A new chain begins at the position. If that fails too, later attempts come more and more slowly.
    progress.iterator = undefined;
    const refusals = progress.refusals;
    progress.refusals += 1;
    if (kind === 'expiredIterator') notice({ type: 'iteratorExpired', shardId });
    if (kind === 'invalidArgument' && refusals > 0 && on.lease === undefined) throw error;
    return refusals === 0 ? undefined : wait(failing, refusals - 1, retrying);
  }
  // Under a lease, any failure of a service may pass; the coordinator finds out which ones do not.
  if (kind === 'aborted' || error.retryable || on.lease !== undefined) return wait(failing, attempt, retrying);
  throw error;
}

/** Waits, or throws when the reader is closed. */
export async function sleep({ timers, signal }: Pick<FailedRead, 'timers' | 'signal'>, ms: number): Promise<void> {
  if (signal.aborted) throw stopped();
  if (ms > 0) await pause(timers, ms, signal, 'reading the shard');
}
