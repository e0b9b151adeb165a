// How a shard worker ends, and what that means for its lease. The keeper keeps the lease and waits for the next shard worker, unless the
// shard has ended or this process makes no progress with it.
import { giveUp } from './lease-end.js';
import type { LeaseKeeperState } from './state.js';
import type { Message } from './messages.js';
import { noteShardWorkerReport, noteShardWorkerVanished } from './leftovers.js';
import { closeTenure, tenureOf } from './open-tenure.js';
import { count, type KeeperTurn } from './turn.js';
import { isKinactError } from '../../src/api/errors.js';

/** The lease is given up after the watchdog has ended this many shard workers at one frontier. */
const maxWatchdogEnds = 2;

export function shardWorkerEnded(turn: KeeperTurn, { shardWorker, fence, end }: Message<'shardWorkerEnded'>): void {
  const { state } = turn;
  const tenure = tenureOf(turn, shardWorker, fence);
  if (tenure === undefined) return count(turn, 'staleWorkerEnd');

  // Such a shard worker reads nothing, so it does not know what the shard worker before it left open.
  const isOnlyAwaiting = tenure.shared.onlyAwaitsCalls === true;
  closeTenure(turn, tenure, `the shard worker has ended: ${end.type}`);
  switch (end.type) {
    case 'shardEnd':
      noteShardWorkerReport(turn, true);
      if (state.releaseOrder !== undefined) state.releaseOrder.recordsLeft = 0;
      state.shardEnd = {
        children: end.children,
        notFound: end.notFound,
        since: turn.now,
        callsUntil: turn.now + turn.options.callDeadlineMs,
        asking: false,
        askAt: turn.now,
        blocked: false,
        awaitsHook: turn.options.onShardEnded !== undefined,
        childShardIds: undefined,
      };
      return;
    case 'drained':
      noteShardWorkerReport(turn, end.open === 0 && end.isCut !== true);
      if (state.releaseOrder !== undefined && !(isOnlyAwaiting && leftBefore(state) > 0))
        state.releaseOrder.recordsLeft = end.open;
      return;
    case 'tenureEnded':
      return;
    case 'stopShard':
      return giveUp(
        turn,
        `the failure policy stopped the shard: ${end.error.message.replace(/\.$/, '')}`,
        turn.options.callDeadlineMs,
      );
  }
}

/** How many records an earlier shard worker reported as open; 0 if that is not known. */
function leftBefore({ releaseOrder }: LeaseKeeperState): number {
  const left = releaseOrder?.recordsLeft;
  return typeof left === 'number' ? left : 0;
}

export function shardWorkerDown(turn: KeeperTurn, { shardWorker, how }: Message<'shardWorkerDown'>): void {
  const { state } = turn;
  if (state.shardWorkers.tenureRequest?.shardWorker === shardWorker) {
    state.shardWorkers.tenureRequest = undefined;
    state.shardWorkers.idleSince = turn.now;
  }

  if (state.tenure?.shared.shardWorkerNumber === shardWorker) {
    if (state.releaseOrder !== undefined) state.releaseOrder.recordsLeft = 'unknown';
    noteShardWorkerVanished(turn);
    closeTenure(turn, state.tenure, `the shard worker is down (${how.reason})`);
  }

  const { error } = how;
  if (state.shardWorkers.last === shardWorker && failedByWatchdog(error)) {
    const { lease } = state;
    const { watchdog } = state.setbacks;
    watchdog.count = watchdog.at === lease.frontier ? watchdog.count + 1 : 1;
    watchdog.at = lease.frontier;
    if (watchdog.count >= maxWatchdogEnds) giveUp(turn, stuckReason(error), turn.options.callDeadlineMs);
  }
}

/** The error of the last shard worker says what was stuck: a record and its actor, or a hook. */
function stuckReason({ message }: Error): string {
  return `the watchdog has ended ${maxWatchdogEnds} shard workers in a row at one checkpoint; the last: ${message.replace(/\.$/, '')}`;
}

/** Whether a shard worker failed because its frontier had not moved for `watchdogMs`: both codes mean that. */
function failedByWatchdog(error: Error | undefined): error is Error {
  return isKinactError(error) && (error.code === 'WATCHDOG' || error.code === 'PENDING_LIMIT_TOO_SMALL');
}
