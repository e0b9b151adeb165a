// Decides when a shard counts as stalled, and shows the shard worker's status. The functions are pure: the shard worker asks where its
// oldest open record is, and passes the answer in.
import { failingStatus } from '../protocol/repeated-failure.js';
import { punctuatingChannel } from './drain-condition.js';
import { lagMs, readLagMs } from './lag.js';
import { isStartRefuted } from './start-check.js';
import { waitingParts } from './undecoded-part.js';
import type { FailingSnapshot, RetrievalSnapshot, ShardSnapshot, WaitingSnapshot } from '../../src/api/status.js';
import type { Whereabouts } from '../protocol/disposition.js';
import type { ShardWorkerState } from './state.js';
import type { ShardWorkerTurn } from './turn.js';
import { isIntakePaused, type ShardWorkerOptions } from './options.js';
import type { Tenure } from '../protocol/tenure.js';
import { oldestOpen, type LedgerEntry } from '../../src/core/ledger.js';
import type { Position } from '../../src/core/position.js';
import { KinactError } from '../../src/api/errors.js';
import { chainText } from '../../src/core/thrown.js';

/** What the decision is made of. */
export interface StallFacts {
  readonly watchdogMs: number;
  /** How long the frontier has not moved with this record open. */
  readonly stillForMs: number;
  readonly settledNothingForMs: number;
  /** The ledger has no room. */
  readonly isFull: boolean;
  readonly whereabouts: Whereabouts;
  /** The application has paused the intake. */
  readonly intakePaused: boolean;
  /** Undefined: everything is settled, and the end of the shard waits for calls that may still run. */
  readonly oldest: LedgerEntry | undefined;
  readonly tenure: Tenure;
}

/** The states of a record in the words of the error messages. */
const stateInWords: Readonly<Record<Whereabouts['state'], string>> = {
  queued: 'queued',
  running: 'in a call',
  folded: 'processed but not acknowledged',
  waiting: 'waiting for another attempt',
  limited: 'waiting for the rate limit',
  unknown: 'not found',
};

/** Since when the shard worker waits for the application alone; undefined if it does not wait, or if another limit applies. */
export function stillSince({ options, state }: Pick<ShardWorkerTurn, 'options' | 'state'>): number | undefined {
  const { advancedAt, ending, ledger, lastPunctuation } = state;
  const oldest = oldestOpen(ledger);
  // A reducer may wait for more items before it acknowledges. So the time begins again when the intake is resumed.
  const resumedAt = options.intake?.resumedAt ?? -Infinity;
  if (oldest !== undefined) return Math.max(advancedAt, oldest.admittedAt, resumedAt);
  // A stop and a hand-over have their own deadlines.
  return ending?.type === 'shardEnd' && punctuatingChannel(state) !== undefined ? lastPunctuation.at : undefined;
}

/**
 * The error to fail with, or undefined if an actor is only slow. Two conditions must last `watchdogMs`: the frontier does not
 * move, and the oldest record is in a call, unacknowledged, behind a reducer that settles nothing, or not found.
 */
export function stallError(facts: StallFacts): KinactError | undefined {
  const { watchdogMs, whereabouts, oldest, tenure } = facts;
  // A failed call is repeated, and has events of its own. The rate limit is what the application wants.
  if (whereabouts.state === 'waiting' || whereabouts.state === 'limited') return undefined;
  // The application has paused the intake, and the reducer may wait for more items. A call that runs still counts.
  if (facts.intakePaused && whereabouts.state === 'folded') return undefined;
  if (facts.stillForMs < watchdogMs || whereabouts.forMs < watchdogMs) return undefined;

  const { actor, state, forMs } = whereabouts;
  const errorData = {
    source: tenure.source,
    shardId: tenure.shardId,
    actor,
    ageMs: Math.round(facts.stillForMs),
  };
  if (oldest === undefined) {
    const text = `Shard ${tenure.shardId} has ended and is acknowledged, but a call in ${actor} has been running for ${Math.round(forMs)} ms.`;
    return new KinactError('WATCHDOG', text, { data: errorData });
  }

  const { sequenceNumber, subSequenceNumber } = oldest.position;
  const unacknowledged = state === 'folded' && facts.isFull && facts.settledNothingForMs >= watchdogMs;
  const text = unacknowledged
    ? `Shard ${tenure.shardId} has as many open records as maxPending, maxPendingBytes or maxBytes allow, and none was acknowledged for ${watchdogMs} ms. ${actor} holds the oldest, ${sequenceNumber}. Raise that bound or acknowledge earlier.`
    : `The checkpoint of ${tenure.shardId} could not advance for ${watchdogMs} ms: its oldest open record, ${sequenceNumber}, is ${stateInWords[state]} at ${actor}, for ${Math.round(forMs)} ms.`;

  return new KinactError(unacknowledged ? 'PENDING_LIMIT_TOO_SMALL' : 'WATCHDOG', text, {
    data: { ...errorData, sequenceNumber, subSequenceNumber },
  });
}

/** A shard worker as `status()` shows it. */
export interface ShardWorkerStatus {
  readonly doing: ShardSnapshot['doing'];
  readonly source: string;
  readonly shardId: string;
  readonly shardWorker: number;
  readonly fence: number | undefined;
  readonly openRecords: number;
  readonly openBytes: number;
  /** The bytes of the process's budget that the shard worker holds, and how many of them were fetched ahead. */
  readonly heldBytes: number;
  readonly prefetchedBytes: number;
  readonly admitted: number;
  readonly settled: number;
  readonly duplicates: number;
  readonly millisBehindLatest: number | undefined;
  readonly retrieval: RetrievalSnapshot;
  /** The ages of the oldest record that is not read, and of the oldest one that is not settled; undefined while unknown. */
  readonly readLagMs: number | undefined;
  readonly lagMs: number | undefined;
  readonly failing: readonly FailingSnapshot[];
  /** The parts of aggregates that cannot be decoded and that a sink does not keep yet. */
  readonly waiting: readonly WaitingSnapshot[];
  /** Why records of the shard may expire before they are done, if they may. */
  readonly retentionAtRisk?: string;
  /** Why nothing of the shard is delivered: its checkpoint is not of its records. */
  readonly checkpointBeyondTip?: string;
  readonly oldestOpen?: Position & { readonly ordinal: number; readonly ageMs: number };
}

const rounded = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : Math.round(ms));

function isHookAwaited({ startHook: { phase, attempt }, reader }: ShardWorkerState): boolean {
  return reader === undefined && attempt > 0 && phase !== 'done';
}

export function shardWorkerStatus(options: ShardWorkerOptions, state: ShardWorkerState): ShardWorkerStatus {
  const { ledger, tenure } = state;
  const { source, shardId } = options.lease;
  const now = options.clock.now();
  const oldest = oldestOpen(ledger);

  const doing = state.finished
    ? 'ended'
    : tenure === undefined || isHookAwaited(state)
      ? 'starting'
      : state.ending !== undefined || state.pausedForHandOver
        ? 'draining'
        : isIntakePaused(options)
          ? 'paused'
          : 'reading';

  return {
    doing,
    source,
    shardId,
    shardWorker: options.shardWorkerNumber,
    fence: tenure?.fence,
    openRecords: ledger.openRecords,
    openBytes: ledger.openBytes,
    heldBytes: state.account?.heldBytes ?? 0,
    prefetchedBytes: state.account?.aheadBytes ?? 0,
    admitted: ledger.admitted,
    settled: ledger.settled,
    duplicates: state.admission.duplicates,
    millisBehindLatest: state.millisBehindLatest,
    retrieval: retrievalStatus(state, now),
    readLagMs: rounded(readLagMs({ options, state, now })),
    lagMs: rounded(lagMs({ options, state, now })),
    waiting: waitingParts(state, now),
    failing: failingStatus([state.reading ? state.failing : undefined, state.startHook.failing], now),
    ...(state.atRisk === undefined ? {} : { retentionAtRisk: state.atRisk.message }),
    ...(isStartRefuted(state.startCheck) ? { checkpointBeyondTip: state.startCheck.refutation } : {}),
    ...(oldest === undefined
      ? {}
      : { oldestOpen: { ...oldest.position, ordinal: oldest.ordinal, ageMs: Math.round(now - oldest.admittedAt) } }),
  };
}

function retrievalStatus({ retrieval }: ShardWorkerState, now: number): RetrievalSnapshot {
  const { since, error, ...rest } = retrieval;
  return { ...rest, forMs: Math.round(now - since), ...(error === undefined ? {} : { error: chainText(error) }) };
}
