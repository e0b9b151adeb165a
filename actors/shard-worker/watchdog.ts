// Decides when a shard counts as stalled. The functions are pure: the shard worker asks where its oldest open record is, and passes the
// answer in.
import { punctuatingChannel } from './drain-condition.js';
import type { Whereabouts } from '../protocol/disposition.js';
import type { ShardWorkerTurn } from './turn.js';
import type { Tenure } from '../protocol/tenure.js';
import { oldestOpen, type LedgerEntry } from '../../src/core/ledger.js';
import { KinactError } from '../../src/api/errors.js';

/** What the decision is made of. */
export interface StallFacts {
  readonly watchdogMs: number;
  /** How long the frontier has not moved with this record open. */
  readonly unmovedForMs: number;
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
export function unmovedSince({ options, state }: Pick<ShardWorkerTurn, 'options' | 'state'>): number | undefined {
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
  if (facts.unmovedForMs < watchdogMs || whereabouts.forMs < watchdogMs) return undefined;

  const { actor, state, forMs } = whereabouts;
  const errorData = {
    source: tenure.source,
    shardId: tenure.shardId,
    actor,
    ageMs: Math.round(facts.unmovedForMs),
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
