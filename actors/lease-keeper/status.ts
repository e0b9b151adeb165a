// What `status()` shows of a lease keeper.
import type { LeaseKeeperOptions } from './options.js';
import type { LeaseKeeperState } from './state.js';
import { failingStatus } from '../protocol/repeated-failure.js';

export type KeeperStatus = ReturnType<typeof keeperStatus>;

/** The age of the oldest settled record that no durable checkpoint covers; 0 without one. */
function ageOf({ clock }: LeaseKeeperOptions, arrivedAt: number): number {
  return Number.isNaN(arrivedAt) ? 0 : Math.max(0, Math.round(clock.wallNow() - arrivedAt));
}

export function keeperStatus(options: LeaseKeeperOptions, state: LeaseKeeperState) {
  return {
    leaseKey: options.leaseKey,
    source: options.source,
    shardId: options.shardId,
    phase: state.phase,
    counter: state.lease.row.leaseCounter,
    checkpoint: state.lease.row.checkpoint,
    subSequenceNumber: state.lease.row.checkpointSubSequenceNumber,
    frontier: state.lease.frontier,
    uncheckpointedMs: ageOf(options, state.lease.uncheckpointedTimes.oldestAt),
    fence: state.tenure?.shared.fence,
    liveForMs: Math.max(0, state.timing.liveUntil - options.clock.now()),
    writing: state.writes.current?.kind,
    failedAttempts: state.writes.failed,
    failing: failingStatus([state.writes.failing, state.endHook.failing], options.clock.now()),
    releasing: state.releaseOrder?.reason,
    wishing: state.phase === 'wishing' ? state.wishing?.holder.owner : undefined,
    receivedWish:
      state.receivedWish === undefined ? undefined : `${state.receivedWish.phase}: ${state.receivedWish.wish.workerId}`,
  };
}
