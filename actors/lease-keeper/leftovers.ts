// Keeps what earlier workers of this shard may have left open in this process: records, and calls of the application. A call may
// outlive the worker that caused it, and the keeper cannot ask the reducers about it: only a worker can. So the keeper knows that no
// call runs in three cases only:
// - the last worker said so in its final report (`noUserCallsLeftAtEnd`);
// - nothing was handed out, under this ownership or an earlier one (`callsMayRun`);
// - the pipeline has been restarted, and a restart waits for the calls (`callsEnded`).
// In all other cases a release waits for the calls (`awaitsCalls`), and a hand-over is refused (`nothingLeftBehind`). Only this file
// changes `LeaseKeeperState.leftovers`, except the counts of `onCheckpoint` calls (checkpoint-report.ts).
import type { LeaseKeeperOptions } from './options.js';
import type { LeaseKeeperState, Leftovers } from './state.js';
import type { KeeperTurn } from './turn.js';
import type { Tenure } from '../protocol/tenure.js';
import { positionOf, type Checkpoint } from '../../src/core/checkpoint.js';
import {
  beginHandingOut,
  noteCallsEnded,
  callsMayRunOf,
  createHandedOut,
  forgetHandedOut,
  newestOf,
} from '../../src/core/handed-out-records.js';
import { durableCheckpoint, nextCheckpoint } from '../../src/core/lease-state.js';
import { comparePositions } from '../../src/core/sequence-number.js';

export function createLeftovers(options: LeaseKeeperOptions): Leftovers {
  const { handedOut = createHandedOut() } = options;
  return {
    handedOut,
    // An earlier keeper of this lease has crashed, or has lost it.
    userCallsLeftBehind: callsMayRunOf(handedOut, leaseName(options)),
    noUserCallsLeftAtEnd: false,
    onCheckpointCalls: 0,
    onCheckpointCallsMade: 0,
  };
}

/** Whether a call for a record of this lease may run in this process. */
export function callsMayRun({ options, state }: KeeperTurn): boolean {
  return callsMayRunOf(state.leftovers.handedOut, leaseName(options));
}

/**
 * Whether a record that this process has handed out under this lease may be open. A new worker reads such records again, and the
 * shard is not drained before that, even if the worker reports that it is.
 */
export function mayHaveOpenRecords(turn: KeeperTurn): boolean {
  const { lease } = turn.state;
  return isBelowNewest(turn, nextCheckpoint(lease) ?? durableCheckpoint(lease.row));
}

/**
 * Whether the row has a lower checkpoint than the newest record that this process has handed out under this lease. A final report may
 * come after the release was sent: then the frontier is known here, but the next owner starts below it.
 */
export function rowIsBelowNewest(turn: KeeperTurn): boolean {
  return isBelowNewest(turn, durableCheckpoint(turn.state.lease.row));
}

function isBelowNewest({ options, state }: KeeperTurn, checkpoint: Checkpoint): boolean {
  const newest = newestOf(state.leftovers.handedOut, leaseName(options));
  if (newest === undefined || state.lease.row.checkpoint === 'SHARD_END') return false;
  const reached = positionOf(checkpoint);
  return reached === undefined || comparePositions(reached, newest) < 0;
}

/** Whether no worker reads the shard, and none has left a call or an open record behind. */
export function nothingLeftBehind(turn: KeeperTurn): boolean {
  return noWorkerAndNoCalls(turn) && !turn.state.leftovers.userCallsLeftBehind && !mayHaveOpenRecords(turn);
}

/** Whether no worker reads the shard, and no call that a worker has left behind can run. */
export function noWorkerAndNoCalls(turn: KeeperTurn): boolean {
  return turn.state.tenure === undefined && (turn.state.leftovers.noUserCallsLeftAtEnd || !callsMayRun(turn));
}

/**
 * Whether a release waits for calls that earlier workers may have left behind. One more worker may begin in this time. It reads
 * nothing: it asks the reducers, and ends when the calls have ended.
 */
export function awaitsCalls(
  { leftovers, phase, releaseOrder, tenure, yielding }: LeaseKeeperState,
  now: number,
): boolean {
  if (releaseOrder === undefined || phase === 'over' || now >= releaseOrder.cutAt) return false;
  // In the phase `ready` a hand-over may be under way, because nothing was open any more.
  return tenure === undefined && leftovers.userCallsLeftBehind && yielding?.phase !== 'ready';
}

export function tenureGranted({ options, state }: KeeperTurn, tenure: Tenure): void {
  beginHandingOut(state.leftovers.handedOut, leaseName(options), tenure);
  // The worker's pipeline began after the previous pipeline's calls had ended, even if no message has said so yet.
  state.leftovers.userCallsLeftBehind = false;
  state.leftovers.noUserCallsLeftAtEnd = false;
}

/** Until the worker reports that its calls have ended, or the next worker has asked the reducers, calls may run. */
export function tenureEnded(turn: KeeperTurn): void {
  turn.state.leftovers.userCallsLeftBehind ||= callsMayRun(turn);
}

/** Notes what a worker's final report says about user calls: whether none runs any more. */
export function workerReported({ options, state }: KeeperTurn, noCallsLeft: boolean): void {
  state.leftovers.noUserCallsLeftAtEnd = noCallsLeft;
  if (!noCallsLeft) return;
  state.leftovers.userCallsLeftBehind = false;
  noteCallsEnded(state.leftovers.handedOut, leaseName(options));
}

/** Notes that a worker has ended without a final report. */
export function workerVanished({ state }: KeeperTurn): void {
  state.leftovers.userCallsLeftBehind = true;
}

/** Notes that no call is left behind: the previous pipeline's calls have ended, or they do not matter to this ownership. */
export function callsEnded({ state }: KeeperTurn): void {
  state.leftovers.userCallsLeftBehind = false;
}

/** An ownership has ended: the lease has another owner, or had one in between. Earlier records do not count for the next. */
export function ownershipEnded({ options, state }: KeeperTurn, callsEnded = false): void {
  forgetHandedOut(state.leftovers.handedOut, leaseName(options), callsEnded);
}

/** The name of a lease in this process. It includes the table, because two tables may contain the same key. */
const leaseName = ({ store, leaseKey }: Pick<LeaseKeeperOptions, 'store' | 'leaseKey'>): string =>
  `${store.tableName} ${leaseKey}`;
