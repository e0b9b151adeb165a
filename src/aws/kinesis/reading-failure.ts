// Handles a failed call of a reader: reports it, waits, and gives up only if waiting cannot repair it. Invariant: no loop
// that keeps failing continues without a wait. Called by polling-step.ts and fan-out/subscription-follower.ts.
import { backoffMs, type Backoff } from '../../core/backoff.js';
import type { LeasedRead, Random, SourceNotice, Timers } from '../../api/ports.js';
import type { AwsFailure } from '../aws-errors.js';
import { sleep as sleepUnlessAborted } from '../sleep.js';
import { stoppedError } from './prefetch-buffer.js';
import type { Progress } from './reading-progress.js';
import type { ReadOperation } from './shard-iterator.js';

const throttledReadBackoff: Backoff = { baseMs: 1_000, capMs: 20_000 };
export const failedReadBackoff: Backoff = { baseMs: 500, capMs: 20_000 };
/** Full jitter may be 0; a loop that failed waits at least this long. */
const minRetryMs = 100;

export interface RecoveryContext {
  readonly shardId: string;
  readonly notice: (notice: SourceNotice) => void;
  readonly random: Random;
  readonly timers: Timers;
  readonly lease: LeasedRead | undefined;
  readonly signal: AbortSignal;
}

/** The wait before attempt `attempt` is repeated. */
export function readRetryDelayMs(backoff: Backoff, attempt: number, random: Random): number {
  return Math.max(minRetryMs, backoffMs(backoff, attempt, random));
}

/** Reports a failure and waits before the next attempt. Throws if another attempt is of no use. */
export async function recover(
  context: RecoveryContext,
  progress: Progress,
  failure: AwsFailure,
  operation: ReadOperation,
): Promise<void> {
  const { shardId, notice, random } = context;
  const { kind, error } = failure;
  if (context.signal.aborted) throw stoppedError();

  const attempt = progress.failures.inARow;
  progress.failures.inARow += 1;

  const wait = async (backoff: Backoff, repetition: number, say: (delayMs: number) => SourceNotice): Promise<void> => {
    const delayMs = readRetryDelayMs(backoff, repetition, random);
    notice(say(delayMs));
    await sleep(context, delayMs);
  };
  const retrying = (delayMs: number): SourceNotice => ({ type: 'retrying', shardId, operation, error, delayMs });

  if (kind === 'throttled') {
    return wait(throttledReadBackoff, attempt, (delayMs) => ({ type: 'throttled', shardId, delayMs }));
  }
  if (operation === 'GetRecords' && (kind === 'expiredIterator' || kind === 'invalidArgument' || kind === 'notFound')) {
    // A new chain begins at the position. If that fails too, later attempts come more and more slowly.
    progress.iterator = undefined;
    const { refusals } = progress.failures;
    progress.failures.refusals += 1;
    if (kind === 'expiredIterator') notice({ type: 'iteratorExpired', shardId });
    if (kind === 'invalidArgument' && refusals > 0 && context.lease === undefined) throw error;
    return refusals === 0 ? undefined : wait(failedReadBackoff, refusals - 1, retrying);
  }
  // Under a lease, any failure of a service counts as temporary; the coordinator finds out which ones do not.
  if (kind === 'aborted' || error.retryable || context.lease !== undefined)
    return wait(failedReadBackoff, attempt, retrying);
  throw error;
}

/** Waits, or throws when the reader is closed. */
export async function sleep({ timers, signal }: Pick<RecoveryContext, 'timers' | 'signal'>, ms: number): Promise<void> {
  if (signal.aborted) throw stoppedError();
  if (ms > 0) await sleepUnlessAborted(timers, ms, signal, 'reading the shard');
}
