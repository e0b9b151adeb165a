// What `status()` shows of a shard worker. Called by shard-worker.ts, which answers the question for it.
import { failingStatus } from '../protocol/repeated-failure.js';
import { lagMs, readLagMs } from './lag.js';
import { isStartRefuted } from './start-check.js';
import { waitingParts } from './undecoded-part.js';
import type { FailingSnapshot, RetrievalSnapshot, ShardSnapshot, WaitingSnapshot } from '../../src/api/status.js';
import type { ShardWorkerState } from './state.js';
import { isIntakePaused, type ShardWorkerOptions } from './options.js';
import { oldestOpen } from '../../src/core/ledger.js';
import type { Position } from '../../src/core/position.js';
import { chainText } from '../../src/core/thrown.js';

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
