// Decides how far a shard has drained. `isQuiet` is for a pause before a hand-over, and `isDrained` for a shard worker that is to end.
// `onlyWaits` says that only items which wait for another attempt are left. It is not enough that no record is open: a call may still run
// although its record is settled. (It acknowledged early, or it belongs to an earlier shard worker.) Only the reducers know about calls, so
// the shard worker asks them by a drain punctuation. The answer holds until more records are handed out or settled.
import { isHookRunning } from '../protocol/hook-call.js';
import { isEmpty, mustFinishCurrent } from './record-admission.js';
import { pausedParts } from './undecoded-part.js';
import type { Channel, ShardWorkerState } from './state.js';
import type { ShardWorkerTurn } from './turn.js';
import type { ShardWorkerOptions } from './options.js';

/** The channel whose stage has not answered the last punctuation. */
export function punctuatingChannel({ channels }: Pick<ShardWorkerState, 'channels'>): Channel | undefined {
  return channels.find((channel) => channel.punctuating);
}

/**
 * Whether a paused shard worker may hand its shard over: no record is open, and every reducer has answered a drain since the last record
 * was settled. So no call for the shard runs.
 */
export function isQuiet(state: ShardWorkerState): boolean {
  const { admission, ledger, lastPunctuation } = state;
  if (ledger.openRecords > 0 || punctuatingChannel(state) !== undefined || mustFinishCurrent(admission)) return false;
  if (isHookRunning(state.startHook)) return false;
  return !mayHaveCalls(state) || (lastPunctuation.kind === 'drain' && !hasMovedSince(state));
}

/** Whether records were handed out or settled since the last punctuation. Both counts only rise. */
export function hasMovedSince({ ledger, handedOut, lastPunctuation }: ShardWorkerState): boolean {
  return lastPunctuation.handedOut !== handedOut || lastPunctuation.settled !== ledger.settled;
}

/** Whether a call for this shard may run in a reducer. If nothing was handed out, none can. */
function mayHaveCalls({ handedOut, tenure }: ShardWorkerState): boolean {
  return handedOut > 0 || tenure?.hasPredecessor === true;
}

/** Whether every open record waits for another attempt, even though it was tried once more for the last drain. */
export function onlyWaits(state: ShardWorkerState): boolean {
  const { admission, channels, ledger, lastPunctuation } = state;
  // What is fetched but not admitted is dropped at the end of a shard worker, and so does not keep it from draining.
  if (ledger.openRecords === 0 || mustFinishCurrent(admission) || punctuatingChannel(state) !== undefined) return false;
  if (lastPunctuation.kind !== 'drain' || hasMovedSince(state)) return false;
  return new Set([...pausedParts(state), ...channels.flatMap(({ waiting }) => waiting)]).size >= ledger.openRecords;
}

/** Whether a shard worker that is to end may end: everything is settled, and no call of the application for this shard can still run. */
export function isDrained({ options, state }: ShardWorkerTurn): boolean {
  if (state.ledger.openRecords > 0 || !isEmpty(state.admission) || isHookRunning(state.startHook)) return false;
  return !callsMayOutlive(options, state) || isQuiet(state);
}

/**
 * Whether a call may run although its record is not open here: the call acknowledged early, or its record has not been read
 * again.
 */
function callsMayOutlive({ acksEarly }: ShardWorkerOptions, { tenure }: ShardWorkerState): boolean {
  return acksEarly || tenure?.hasPredecessor === true;
}

/** Whether the shard worker must learn from the reducers that no call runs any more, although all its records may be settled. */
export function mustAwaitCalls({ options, state }: ShardWorkerTurn): boolean {
  const { ending, pausedForHandOver } = state;
  return mayHaveCalls(state) && (pausedForHandOver || (ending !== undefined && callsMayOutlive(options, state)));
}
