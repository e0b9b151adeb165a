// Records and user calls of this shard that may still be open, whichever shard worker, keeper or ownership they came from. Every change of
// `LeaseKeeperState.leftovers` is here, except the counts of the keeper's own calls (checkpoint-report.ts, end-hook.ts). A call may
// outlive the shard worker that caused it, and only a shard worker can ask the reducers for it. While the shard has no shard worker, the
// keeper knows this:
//
//   callsLeftBehind  callsMayRun  what is known                                          release    hand-over
//   none             any          the last shard worker's final report: no call runs     goes       goes if no record is open
//   possible         no           nothing was handed out                                 goes       goes if no record is open
//   possible         yes          the pipeline has been restarted, or nothing waits      goes       waits for the next
//                                 for its calls                                                     shard worker
//   awaited          any          a shard worker ended without such a report             waits      waits, or is refused
//
// `awaitsCalls` says whether a release waits. A restart waits for the calls, but no longer than until its deadline. That suffices for a
// release, which has a deadline, too. A hand-over must not run beside any call, so it needs a shard worker's answer.
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
    // If an earlier keeper of this lease has crashed or lost it, its calls may still run.
    callsLeftBehind: callsMayRunOf(handedOut, leaseName(options)) ? 'awaited' : 'possible',
    hookCalls: 0,
    onCheckpointCallsMade: 0,
  };
}

/** Whether a call for a record of this lease may run in this process. */
export function callsMayRun({ options, state }: KeeperTurn): boolean {
  return callsMayRunOf(state.leftovers.handedOut, leaseName(options));
}

/**
 * Whether a record that this process has handed out under this lease may be open. A new shard worker reads such records again, and the
 * shard is not drained before that, even if the shard worker reports that it is.
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

/** Whether no shard worker reads the shard, and none has left a call or an open record behind. */
export function nothingLeftBehind(turn: KeeperTurn): boolean {
  return (
    noShardWorkerAndNoCalls(turn) && turn.state.leftovers.callsLeftBehind !== 'awaited' && !mayHaveOpenRecords(turn)
  );
}

/**
 * Whether no shard worker reads the shard, and no call that a shard worker has left behind can run. Records may be open. This is enough to
 * begin a drain, because without a shard worker the drain is over at once. Then `nothingLeftBehind` decides between hand-over and refusal.
 */
export function noShardWorkerAndNoCalls(turn: KeeperTurn): boolean {
  const { tenure, leftovers } = turn.state;
  return tenure === undefined && (leftovers.callsLeftBehind === 'none' || !callsMayRun(turn));
}

/**
 * Whether a release waits for calls that earlier shard workers may have left behind. One more shard worker may begin in this time. It reads
 * nothing: it asks the reducers, and ends when the calls have ended.
 */
export function awaitsCalls(
  { leftovers, phase, releaseOrder, tenure, receivedWish }: LeaseKeeperState,
  now: number,
): boolean {
  if (releaseOrder === undefined || phase === 'over' || now >= releaseOrder.cutAt) return false;
  // In the phase `ready` nothing is open any more, and a hand-over may be under way: there is nothing to wait for.
  return tenure === undefined && leftovers.callsLeftBehind === 'awaited' && receivedWish?.phase !== 'ready';
}

export function noteTenureGranted({ options, state }: KeeperTurn, tenure: Tenure): void {
  beginHandingOut(state.leftovers.handedOut, leaseName(options), tenure);
  // The shard worker's pipeline began after the previous pipeline's calls had ended, even if no message has said so yet.
  state.leftovers.callsLeftBehind = 'possible';
}

/** Until the shard worker reports that its calls have ended, or the next shard worker has asked the reducers, calls may run. */
export function noteTenureEnded(turn: KeeperTurn): void {
  if (callsMayRun(turn)) turn.state.leftovers.callsLeftBehind = 'awaited';
}

/** Notes what a shard worker's final report says about user calls: whether none runs any more. */
export function noteShardWorkerReport({ options, state }: KeeperTurn, noCallsLeft: boolean): void {
  if (!noCallsLeft) return;
  state.leftovers.callsLeftBehind = 'none';
  noteCallsEnded(state.leftovers.handedOut, leaseName(options));
}

/** Notes that a shard worker has ended without a final report. */
export function noteShardWorkerVanished({ state }: KeeperTurn): void {
  state.leftovers.callsLeftBehind = 'awaited';
}

/** Nothing waits for calls left behind: the previous pipeline's calls have ended, or they do not matter to this ownership. */
export function stopAwaitingCalls({ state }: KeeperTurn): void {
  if (state.leftovers.callsLeftBehind === 'awaited') state.leftovers.callsLeftBehind = 'possible';
}

/** An ownership has ended: the lease has another owner, or had one in between. Earlier records do not count for the next. */
export function noteOwnershipEnded({ options, state }: KeeperTurn, noCallsLeft = false): void {
  forgetHandedOut(state.leftovers.handedOut, leaseName(options), noCallsLeft);
}

/** The name of a lease in this process. It includes the table, because two tables may contain the same key. */
const leaseName = ({ store, leaseKey }: Pick<LeaseKeeperOptions, 'store' | 'leaseKey'>): string =>
  `${store.tableName} ${leaseKey}`;
