// Tenures: how a shard worker asks for a tenure, gets it, reports frontiers under it, and loses it once. Invariants: at most one
// tenure is open, and a tenure that has ended is never revived (docs/leases.md). Other actors may mark it as ended
// first (`Tenure.ended` lists them). The keeper itself ends it in one of three ways:
//   revokeTenure   the right to deliver has ended; the shard worker is informed, and its last frontier and its end still count
//   closeTenure    the shard worker has ended; it reports nothing more
//   dropTenure     the keeper no longer waits for the shard worker; the shard worker is informed, and its later messages are stale
import { effect } from '../protocol/actor.js';
import type { Tenure, FrontierReport } from '../protocol/tenure.js';
import { awaitsCalls, callsMayRun, noteTenureEnded, noteTenureGranted } from './leftovers.js';
import type { TenureRequest, OpenTenure } from './state.js';
import type { Message } from './messages.js';
import { count, notifyCoordinator, type KeeperTurn } from './turn.js';
import { advanceFrontier, startOf } from '../../src/core/lease-state.js';
import { isHandingOver, isInForce } from '../../src/core/lease-schedule.js';
import type { LeaseRow } from '../../src/core/lease.js';
import { KinactError } from '../../src/api/errors.js';
import type { HashKeyRange } from '../../src/api/ports.js';

export function requestTenure(turn: KeeperTurn, { shardWorker, shardWorkerRef, replyTo }: TenureRequest): void {
  const { state, effects } = turn;
  // Each shard worker asks once, and later shard workers have higher numbers. So this message is a repeat. Handling it would end the tenure
  // that the shard worker got the first time.
  if (shardWorker <= (state.shardWorkers.last ?? -1)) return count(turn, 'repeatedMessages');

  const refusal = refusalOf(turn);
  if (refusal !== undefined) {
    effects.push(effect.reply(replyTo, { type: 'refused', reason: refusal }));
    return;
  }

  refuseTenureRequest(turn, 'another worker asked after this one');
  dropTenure(turn, 'another worker begins');
  state.shardWorkers.tenureRequest = { shardWorker, shardWorkerRef, replyTo };
  state.shardWorkers.last = shardWorker;
  effects.push(effect.watch(shardWorkerRef, (how) => ({ type: 'shardWorkerDown', shardWorker, how })));
}

function refusalOf({ state, now }: KeeperTurn): string | undefined {
  if (state.phase === 'over') return 'the lease is no longer held';
  if (state.shardEnd !== undefined || state.lease.row.checkpoint === 'SHARD_END') return 'the shard has ended';
  if (awaitsCalls(state, now)) return undefined;
  if (state.releaseOrder !== undefined) return `the lease is being released: ${state.releaseOrder.reason}`;
  if (isHandingOver(state.receivedWish)) return 'the lease is being handed over';
  const { falseEnds, nextShardWorkerAt } = state.setbacks;
  if (now < nextShardWorkerAt)
    return `the shard has seemed to end ${falseEnds.count} times: reading resumes in ${Math.ceil(nextShardWorkerAt - now)} ms`;
  return undefined;
}

export function refuseTenureRequest(turn: KeeperTurn, reason: string): void {
  if (turn.state.shardWorkers.tenureRequest === undefined) return;
  turn.effects.push(effect.reply(turn.state.shardWorkers.tenureRequest.replyTo, { type: 'refused', reason }));
  turn.state.shardWorkers.tenureRequest = undefined;
}

export function answerTenureRequest(turn: KeeperTurn, request: TenureRequest): void {
  const { options, state, effects } = turn;
  const start = startOf(state.lease, options.initialPosition);
  if (start === undefined) return refuseTenureRequest(turn, 'the shard has ended');

  const abortController = new AbortController();
  const range = options.hashKeyRange ?? rangeOf(state.lease.row);
  const shared: Tenure = {
    shardWorkerNumber: request.shardWorker,
    leaseKey: options.leaseKey,
    shardId: options.shardId,
    source: options.source,
    idempotencyPrefix: options.idempotencyPrefix,
    fence: state.lease.row.leaseCounter,
    start,
    stream: state.lease.row.kinactStream ?? options.stream,
    table: options.store.tableName,
    ...(range === undefined ? {} : { hashKeyRange: range }),
    deadline: state.timing.liveUntil,
    renewalBegunAt: state.timing.liveUntil - options.failoverMs + options.marginMs,
    wallDeadline: wallDeadlineOf(turn),
    ended: false,
    hasPredecessor: callsMayRun(turn),
    onlyAwaitsCalls: state.releaseOrder !== undefined,
    // Present from the start: reducers read this object before every call, and a member added later would slow them down.
    newestHandedOut: undefined,
    signal: abortController.signal,
  };

  state.shardWorkers.tenureRequest = undefined;
  noteTenureGranted(turn, shared);
  state.tenure = {
    shared,
    abortController,
    shardWorkerRef: request.shardWorkerRef,
    revoked: false,
    advanced: false,
    records: 0,
  };
  effects.push(effect.reply(request.replyTo, { type: 'granted', tenure: shared }));
  if (shared.onlyAwaitsCalls !== true) notifyCoordinator(turn, { type: 'working', fence: shared.fence });
}

/** `liveUntil` on the wall clock, plus slack: small corrections of that clock must not end tenures. */
export function wallDeadlineOf({ options, state, now }: KeeperTurn): number {
  return options.clock.wallNow() + (state.timing.liveUntil - now) + options.marginMs;
}

function rangeOf(row: LeaseRow): HashKeyRange | undefined {
  if (row.startingHashKey === undefined || row.endingHashKey === undefined) return undefined;
  return { startingHashKey: row.startingHashKey, endingHashKey: row.endingHashKey };
}

export function revokeTenure(turn: KeeperTurn, reason: string): void {
  const { tenure } = turn.state;
  if (!isInForce(tenure)) return;
  endTenure(turn, tenure, reason);
  turn.effects.push(effect.send(tenure.shardWorkerRef, { type: 'revoked', fence: tenure.shared.fence, reason }));
}

export function closeTenure(turn: KeeperTurn, tenure: OpenTenure, reason: string): void {
  if (!tenure.revoked) endTenure(turn, tenure, reason);
  turn.state.tenure = undefined;
  turn.state.shardWorkers.idleSince = turn.now;
}

export function dropTenure(turn: KeeperTurn, reason: string): void {
  revokeTenure(turn, reason);
  turn.state.tenure = undefined;
}

function endTenure(turn: KeeperTurn, tenure: OpenTenure, reason: string): void {
  const { leaseKey, shardId } = turn.options;
  const { shared, abortController } = tenure;
  tenure.revoked = true;
  turn.state.shardWorkers.idleSince = turn.now;
  noteTenureEnded(turn);
  shared.ended = true;
  shared.deadline = 0;

  const message = `The right to deliver records of ${shardId} has ended: ${reason}.`;
  abortController.abort(new KinactError('LEASE_LOST', message, { data: { leaseKey, shardId } }));

  if (shared.onlyAwaitsCalls === true) return;
  const openRecords = !tenure.advanced && shared.newestHandedOut !== undefined;
  notifyCoordinator(turn, { type: 'idle', fence: shared.fence, openRecords, reason });
}

/** The tenure of this shard worker and fence, if it is still the open one. */
export function tenureOf({ state }: KeeperTurn, shardWorker: number, fence: number): OpenTenure | undefined {
  const { tenure } = state;
  return tenure?.shared.shardWorkerNumber === shardWorker && tenure.shared.fence === fence ? tenure : undefined;
}

export function noteFrontier(turn: KeeperTurn, report: FrontierReport): void {
  const { shardWorker, fence, position, records, arrivedAt = Number.NaN } = report;
  const tenure = tenureOf(turn, shardWorker, fence);
  if (tenure === undefined) return count(turn, 'staleFrontier');

  const passed = records - tenure.records;
  tenure.records = records;
  // Records without a known time count from now.
  const oldestAt = Number.isNaN(arrivedAt) ? turn.options.clock.wallNow() : arrivedAt;
  if (!advanceFrontier(turn.state.lease, position, passed, oldestAt)) return count(turn, 'frontierNotAhead');

  if (tenure.advanced) return;
  tenure.advanced = true;
  notifyCoordinator(turn, { type: 'advanced', fence });
}

/** Tells the coordinator whether the shard worker's reads succeed. */
export function reportReads(turn: KeeperTurn, { shardWorker, fence, forMs }: Message<'reads'>): void {
  if (tenureOf(turn, shardWorker, fence) === undefined) return count(turn, 'staleReads');
  notifyCoordinator(turn, forMs === 0 ? { type: 'readsWork' } : { type: 'readsFail', forMs });
}
