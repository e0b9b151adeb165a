// The coordinator's main loop: it scans the table, finds out which workers live, takes leases, and schedules the next scan. Scans
// never overlap. All periodic work (shard sync, audit, clean-up) follows a scan, so that it has fresh rows.
import { effect } from '../../protocol/actor.js';
import { takesAllowed, watchBusyTable } from './busy-table.js';
import { keysNotToTake, keysNotToAskFor } from '../unread/cool-downs.js';
import { noteDeletedRows } from './deleted-rows.js';
import { noteFailoverTimes } from '../failover-times.js';
import { takeLease } from '../leases/keepers.js';
import { reconsiderWaiting } from '../leases/parents.js';
import { forgetAbandoned } from '../release.js';
import type { LeaseCoordinatorMessage, Message } from '../messages.js';
import { failTable } from '../sources/source-failure.js';
import { isTableFailure, retryShape } from '../sources/start.js';
import { mayStart, waitsForParents } from '../state.js';
import {
  emit,
  jittered,
  reportRetry,
  scanWithin,
  warn,
  clearFailure,
  hasFailed,
  isActive,
  syncBy,
  type CoordinatorTurn,
} from '../turn.js';
import { limitToTrialLease, keysLeftToOthers } from '../unread/failing-reads.js';
import { watchUnread } from '../unread/unread-leases.js';
import { noteScanned } from '../unread/unread-since.js';
import { watchUntaken } from './untaken-leases.js';
import { askAgain, askedByOthers, noteWishes, askOrTake } from './wish-planning.js';
import { auditWhereDue } from '../streams/audit.js';
import { cleanUpWhereDue } from '../streams/clean-up.js';
import { syncWhereDue } from '../streams/shard-sync.js';
import { mayBelongTo, streamOfLease } from '../streams/stream-rows.js';
import { backoffMs } from '../../../src/core/backoff.js';
import { expiresAt } from '../../../src/core/lease-failover.js';
import { leaseKeyOf } from '../../../src/core/lease-key.js';
import {
  isAvailable,
  observe,
  planLeases,
  updateObservations,
  type LeasePlanInput,
} from '../../../src/core/lease-plan.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import { isWriterOf } from '../../../src/core/writer-signature.js';
import { isKinactError } from '../../../src/api/errors.js';
import type { LeaseScan } from '../../../src/api/ports.js';

const operation = 'scan of the lease table';

export function scan(turn: CoordinatorTurn): void {
  const { options, state, effects } = turn;
  state.scan.dueAt = Infinity;
  if (state.scan.running || (state.phase !== 'syncing' && state.phase !== 'running')) return;
  state.scan.running = true;
  state.scan.sentAt = turn.now;
  effects.push(
    effect.run({
      name: 'scan',
      kind: 'io',
      start: async (signal) => {
        if (state.table.missing) await options.store.ensureTable(signal);
        return options.store.scan(signal);
      },
      done: (result): LeaseCoordinatorMessage => ({ type: 'scanned', scan: result }),
      failed: (error): LeaseCoordinatorMessage => ({ type: 'scanFailed', error }),
    }),
  );
}

/** Repeats a failed scan after a back-off. Held leases continue, because their keepers do not need scans. */
export function scanFailed(turn: CoordinatorTurn, { error }: Message<'scanFailed'>): void {
  const { options, state } = turn;
  state.scan.running = false;
  state.table.lastError = error;
  if (isTableFailure(turn, error)) return failTable(turn, error);
  if (isKinactError(error) && error.code === 'TABLE_NOT_FOUND' && !state.table.missing) {
    state.table.missing = true;
    warn(turn, `The lease table ${options.store.tableName} was deleted: it is created again.`, {
      error,
    });
  }

  const delayMs = Math.max(options.scanIntervalMs / 10, backoffMs(retryShape, state.scan.attempt++, options.random));
  reportRetry(turn, operation, { error, delayMs });
  scanWithin(turn, delayMs);
}

export function scanned(turn: CoordinatorTurn, { scan: result }: Message<'scanned'>): void {
  const { state } = turn;
  state.scan.running = false;
  if (state.phase === 'failed') return;
  state.scan.attempt = 0;
  state.table.lastError = undefined;
  clearFailure(turn, operation);
  state.table.missing = false;

  // These three compare the new scan with the rows of the last one, so they come before `storeScan`.
  noteFailoverTimes(turn, result.rows);
  noteDeletedRows(turn, result);
  noteMalformed(turn, result);
  actOnScan(turn, storeScan(turn, result));
}

/** Stores the scan in the state. Returns the rows of the streams that this worker reads. */
function storeScan(turn: CoordinatorTurn, result: LeaseScan): readonly LeaseRow[] {
  const { state, now } = turn;
  state.scan.answeredAt = now;
  state.table.seenAt = state.scan.sentAt;
  state.table.serviceTimeMs = result.serviceTimeMs;
  state.table.serviceTimeAt = now;
  state.table.rows = new Map(result.rows.map((row) => [row.leaseKey, row]));
  rememberRows(turn);
  state.table.entityType = result.rows.find((row) => row.entityType !== undefined)?.entityType;

  const ours = result.rows.filter((row) => {
    const stream = streamOfLease(state, row.leaseKey)?.stream;
    return stream !== undefined && !hasFailed(stream);
  });
  state.table.observations = updateObservations(state.table.observations, ours, now);

  // A row without SHARD_END was deleted or reset. If the scan is only older than SHARD_END, `checkParents` reads the row again.
  for (const leaseKey of state.endedHere)
    if (state.table.rows.get(leaseKey)?.checkpoint !== 'SHARD_END') state.endedHere.delete(leaseKey);
  for (const leaseKey of state.standstills.keys())
    if (!state.table.rows.has(leaseKey)) state.standstills.delete(leaseKey);
  for (const [leaseKey, { until }] of state.leftAlone.coolDowns) {
    if (!state.table.rows.has(leaseKey) && until <= now) state.leftAlone.coolDowns.delete(leaseKey);
  }

  return ours;
}

function actOnScan(turn: CoordinatorTurn, ours: readonly LeaseRow[]): void {
  const { state, now } = turn;
  noteWishes(turn, ours);
  forgetAbandoned(turn);
  for (const row of ours) {
    const { stream } = streamOfLease(state, row.leaseKey)!;
    if (!mayBelongTo(stream, row)) syncBy(stream, now);
  }

  syncWhereDue(turn);
  if (state.phase === 'running') {
    const activeRows = ours.filter(({ leaseKey }) => isActive(streamOfLease(state, leaseKey)!.stream));
    takeByPlan(turn, activeRows);
    watchUntaken(turn, activeRows);
    auditWhereDue(turn);
    cleanUpWhereDue(turn);
  }

  noteScanned(turn);
  reconsiderWaiting(turn);
  watchUnread(turn);
  for (const { until, waitIsOver } of state.table.deletedRows.values())
    if (!waitIsOver) scanWithin(turn, Math.max(50, until - now));
  scanWithin(turn, untilNextScan(turn));
}

/** Keeps the rows for the table's next coordinator, which can then see that a row vanished before its own first scan. */
function rememberRows({ options, state }: CoordinatorTurn): void {
  const { tableHistory: history } = options;
  const isToOpen = state.streams.some((stream) => !stream.opened && !hasFailed(stream));
  const before = isToOpen ? [...(history.rows ?? [])] : [];
  history.rows = new Map([
    ...before.filter(([leaseKey]) => streamOfLease(state, leaseKey) === undefined),
    ...state.table.rows,
  ]);
}

function noteMalformed(turn: CoordinatorTurn, { malformed }: LeaseScan): void {
  const { options, state } = turn;
  for (const { leaseKey, reason } of malformed) {
    if (state.table.malformed.get(leaseKey) !== reason)
      emit(turn, { name: 'malformedLease', data: { table: options.store.tableName, leaseKey, reason } });
  }

  const readable = malformed.flatMap(({ leaseKey }) => {
    const row = state.table.rows.get(leaseKey) ?? state.table.lastReadable.get(leaseKey);
    return row === undefined ? [] : [[leaseKey, row] as const];
  });
  state.table.malformed = new Map(malformed.map(({ leaseKey, reason }) => [leaseKey, reason]));
  state.table.lastReadable = new Map(readable);
}

/** For this fraction of a scan interval, an available lease is left to workers below their target. */
const belowTargetOnlyFraction = 0.3;

function takeByPlan(turn: CoordinatorTurn, rows: readonly LeaseRow[]): void {
  const { options, state, now } = turn;
  const { workerId, failoverMs, maxLeases, writerPrefix, random, scanIntervalMs } = options;
  const avoid = new Set(keysNotToTake(turn));
  for (const leaseKey of keysLeftToOthers(turn)) avoid.add(leaseKey);
  const notToAskFor = new Set(keysNotToAskFor(turn));

  const leases = observe(rows, state.table.observations, now, failoverMs);
  const rowsOfLiving = leases.filter((lease) => !isAvailable(lease)).map(({ row }) => row);
  askAgain(turn, rowsOfLiving, (leaseKey) => avoid.has(leaseKey) || notToAskFor.has(leaseKey));

  // This process may take back rows that it wrote and that no keeper holds. In the first round it may also take back the rows of an
  // earlier process with this worker id. In later rounds such a row belongs to a living process with the same id, so this process
  // waits until it expires.
  const reclaimable = rows.filter(
    (row) =>
      row.leaseOwner === workerId && (state.planning.plan === undefined || isWriterOf(writerPrefix, row.kinactWriter)),
  );

  const plan = planLeases({
    leases,
    workerId,
    maxLeases,
    held: new Set([...state.leases].flatMap(([leaseKey, { stream }]) => (isActive(stream) ? [leaseKey] : []))),
    avoid,
    askedBy: askedByOthers(turn),
    notToAskFor,
    reclaim: new Set(reclaimable.map((row) => row.leaseKey)),
    ...waitingFor(turn),
    belowTargetOnlyMs: belowTargetOnlyFraction * scanIntervalMs,
    random: () => random.next(),
  });
  state.planning.plan = plan;

  const wanted = limitToTrialLease(turn, [...plan.take, ...plan.fromPeers]);
  const heldByPeers = new Set(plan.fromPeers);
  watchBusyTable(turn, wanted.length, rows);
  const toTake = wanted.slice(0, takesAllowed(turn, wanted.length));
  for (const row of toTake) if (!heldByPeers.has(row)) takeLease(turn, row);
  askOrTake(
    turn,
    toTake.filter((row) => heldByPeers.has(row)),
  );

  if (plan.overflow > 0 && !state.planning.overflowing) {
    warn(
      turn,
      `${plan.overflow} leases are free and this worker may not take them: it holds leases.maxLeases (${maxLeases}). Start more workers or raise it.`,
    );
  }
  state.planning.overflowing = plan.overflow > 0;
}

/** Which parents the leases of this worker wait for, and how many of its leases wait. */
function waitingFor({ state }: CoordinatorTurn): Pick<LeasePlanInput, 'awaited' | 'awaitingParents'> {
  const awaited = new Set<string>();
  let awaitingParents = 0;
  for (const lease of state.leases.values()) {
    if (lease.phase !== 'held' || !waitsForParents(lease)) continue;
    awaitingParents += 1;
    for (const parent of lease.awaited) awaited.add(leaseKeyOf(lease.stream.keyPrefix, parent));
  }
  return { awaited, awaitingParents };
}

/**
 * How soon to scan again. Scans are frequent while a lease may become free or a parent may end elsewhere. They are rare while
 * this worker owns every lease, or may hold no more. A scan is also due as soon as the next lease expires.
 */
function untilNextScan(turn: CoordinatorTurn): number {
  const { options, state, now } = turn;
  const { plan } = state.planning;
  const isWaiting = [...state.leases.values()].some((lease) => !mayStart(lease));
  const isFull = state.leases.size >= options.maxLeases;
  const isAlone =
    plan !== undefined && !plan.hasPeers && !plan.hasForeignOwners && !plan.leavesSome && state.leases.size > 0;

  const ms = jittered(
    turn,
    state.phase === 'running' && !isWaiting && (isFull || isAlone)
      ? options.idleScanIntervalMs
      : options.scanIntervalMs,
  );

  if (state.phase !== 'running' || isFull) return ms;
  if (plan?.leavesSome === true) return Math.min(ms, belowTargetOnlyFraction * options.scanIntervalMs + 50);
  return Math.max(50, Math.min(ms, untilNextExpiry(turn, now)));
}

function untilNextExpiry({ options, state }: CoordinatorTurn, now: number): number {
  let soonestMs = Infinity;
  for (const [leaseKey, { since }] of state.table.observations) {
    const row = state.table.rows.get(leaseKey);
    if (row?.leaseOwner === undefined || row.checkpoint === 'SHARD_END' || state.leases.has(leaseKey)) continue;
    const remainingMs = expiresAt(row, since, options.failoverMs) - now;
    if (remainingMs > 0 && remainingMs < soonestMs) soonestMs = remainingMs;
  }
  return soonestMs;
}
