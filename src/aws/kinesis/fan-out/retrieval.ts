// Decides for one reader whether it subscribes to its shard now, or polls it. Invariants: at most one SubscribeToShard a second. After a
// failure the shard is polled for a growing, random time. Another reader may take the subscription over. Then this one subscribes again
// only after a renewal of the lease that began after the take-over has succeeded. That proves that the other reader is not the new owner.
// Used by shard-reader.ts and subscription-follower.ts.
import type { StartingPosition } from '@aws-sdk/client-kinesis';
import { isKinactError } from '../../../api/errors.js';
import type { Backoff } from '../../../core/backoff.js';
import type { RetrievalReason, SubscriptionOutcome } from '../../../api/retrieval.js';
import type { AwsFailure } from '../../aws-errors.js';
import type { ReaderContext } from '../polled-service.js';
import { failedReadBackoff, readRetryDelayMs } from '../reading-failure.js';
import type { Progress } from '../reading-progress.js';
import type { Subscriptions } from './subscription.js';

/** How the last subscription ended, or was refused. */
export interface SubscriptionEnd {
  readonly outcome: SubscriptionOutcome;
  readonly failure?: AwsFailure;
}

/** AWS accepts one call a second for each consumer and shard. It is counted from the answer on, as for reads. */
const callEveryMs = 1_000;
const busyBackoff: Backoff = { baseMs: 1_000, capMs: 20_000 };
/** A subscription that has lasted so long ends a series of failures. */
const healthyMs = 10_000;
/** So many take-overs of a lease that is ours mean that another application has the same consumer name. */
const takeOversToReport = 3;
const quietMs = 600_000;

export interface Retrieval {
  readonly subscriptions: Subscriptions;
  /**
   * Returns the ARN to subscribe with now, or undefined if the shard is to be polled. It counts a take-over that the lease has survived,
   * and reports that it polls because there is no consumer.
   */
  chooseRetrieval(progress: Progress): string | undefined;
  /** After the last event if nothing was polled since, otherwise at the reader's position. */
  startingPosition(progress: Progress): StartingPosition;
  /** SubscribeToShard has answered. */
  noteCall(): void;
  /** A subscription was accepted, and the stream is the one that the lease belongs to. */
  noteBegin(): void;
  /** An event was handed on. `continuation`: the number after which the service continues. */
  noteEvent(progress: Progress, continuation: string | undefined): void;
  noteEnd(end: SubscriptionEnd): void;
}

export function createRetrieval(reader: ReaderContext, subscriptions: Subscriptions): Retrieval {
  const { clock, random, shardId, lease, notice } = reader;
  const { consumer } = subscriptions;

  let dueAt = -Infinity;
  let begunAt: number | undefined;
  let failures = 0;
  let lastEvent: { readonly continuation: string; readonly position: Progress['position'] } | undefined;
  let reported: RetrievalReason | 'fan-out' | undefined;
  let reportedCause: Cause = 'none';
  let takenOverAt: number | undefined;
  const takeOvers = { inARow: 0, lastAt: -Infinity, reported: false };

  /** Reports how the shard is read: `fan-out`, or the reason why it is polled. */
  const report = (how: RetrievalReason | 'fan-out', error?: unknown): void => {
    // A reason is reported once, and again when its cause becomes known, or turns out to be permanent.
    const cause = causeOf(error);
    if (reported === how && causes.indexOf(cause) <= causes.indexOf(reportedCause)) return;
    reported = how;
    reportedCause = cause;
    if (how === 'fan-out') notice({ type: 'retrieval', shardId, by: 'fan-out' });
    else notice({ type: 'retrieval', shardId, by: 'polling', why: how, ...(error === undefined ? {} : { error }) });
  };

  /** Whether the lease is known to be ours still, after this take-over. */
  const isRenewedSince = (at: number): boolean => {
    const renewalBegunAt = lease?.renewalBegunAt?.();
    return renewalBegunAt === undefined || renewalBegunAt > at;
  };

  const noteTakeOverSurvived = (at: number): void => {
    if (at - takeOvers.lastAt > quietMs) Object.assign(takeOvers, { inARow: 0, reported: false });
    takeOvers.lastAt = at;
    takeOvers.inARow += 1;
    takenOverAt = undefined;
    if (takeOvers.inARow >= takeOversToReport && !takeOvers.reported) {
      takeOvers.reported = true;
      notice({ type: 'takenOver', shardId, consumer: consumer.name, times: takeOvers.inARow });
    }
  };

  const backOff = (failure: AwsFailure | undefined): void => {
    const isBusy = failure?.kind === 'throttled' || failure?.kind === 'inUse';
    dueAt = Math.max(dueAt, clock.now() + readRetryDelayMs(isBusy ? busyBackoff : failedReadBackoff, failures, random));
    failures += 1;
  };

  return {
    subscriptions,
    chooseRetrieval(progress) {
      if (progress.end.proof !== undefined) return undefined;
      if (clock.now() < dueAt) return undefined;
      if (takenOverAt !== undefined) {
        if (!isRenewedSince(takenOverAt)) return undefined;
        noteTakeOverSurvived(takenOverAt);
      }
      const arn = consumer.arn();
      if (arn === undefined) report('noConsumer', consumer.trouble());
      return arn;
    },
    startingPosition: (progress) =>
      startOf(progress, lastEvent?.position === progress.position ? lastEvent.continuation : undefined),
    noteCall() {
      dueAt = clock.now() + callEveryMs;
    },
    noteBegin() {
      begunAt = clock.now();
      report('fan-out');
      notice({ type: 'subscription', shardId, outcome: 'begun' });
    },
    noteEvent({ position }, continuation) {
      lastEvent = continuation === undefined ? undefined : { continuation, position };
    },
    noteEnd({ outcome, failure }) {
      if (begunAt !== undefined && clock.now() - begunAt >= healthyMs) failures = 0;
      begunAt = undefined;
      notice({ type: 'subscription', shardId, outcome });
      switch (outcome) {
        case 'renewed':
        case 'unused':
        case 'shardEnd':
          return;
        case 'takenOver':
          takenOverAt = clock.now();
          break;
        case 'refused':
        case 'broken':
          // The number that the series would continue with may be what was refused.
          lastEvent = undefined;
          if (failure?.kind === 'notFound') consumer.doubt();
          break;
        case 'silent':
          break;
        default:
          outcome satisfies never;
      }
      report(outcome, failure?.error);
      backOff(failure);
    },
  };
}

const causes = ['none', 'passing', 'lasting'] as const;
type Cause = (typeof causes)[number];

function causeOf(error: unknown): Cause {
  if (error === undefined) return 'none';
  return isKinactError(error) && error.code === 'FAN_OUT_UNAVAILABLE' ? 'lasting' : 'passing';
}

function startOf({ position, gap }: Progress, continuation: string | undefined): StartingPosition {
  if (continuation !== undefined) return { Type: 'AFTER_SEQUENCE_NUMBER', SequenceNumber: continuation };
  switch (position.type) {
    case 'trimHorizon':
      return { Type: 'TRIM_HORIZON' };
    case 'atTimestamp':
      return { Type: 'AT_TIMESTAMP', Timestamp: new Date(position.timestampMs) };
    case 'atRecord':
      return startAt('AT_SEQUENCE_NUMBER', position.position.sequenceNumber, gap.upTo);
    case 'afterRecord':
      return startAt('AFTER_SEQUENCE_NUMBER', position.sequenceNumber, gap.upTo);
  }
}

/** A record that is known to be gone cannot be named. What is left comes after it, and what was handed on is left out. */
function startAt(
  type: 'AT_SEQUENCE_NUMBER' | 'AFTER_SEQUENCE_NUMBER',
  sequenceNumber: string,
  goneUpTo: string | undefined,
): StartingPosition {
  return sequenceNumber === goneUpTo ? { Type: 'TRIM_HORIZON' } : { Type: type, SequenceNumber: sequenceNumber };
}
