// The writes of a keeper: how each begins, and what each of its outcomes means. Invariants: at most one write is under way, and
// an unknown outcome is remembered until a later write shows it. A write that is refused, or has no answer:
//   1. unknown     `noteUnknownOutcome`: an error, or no answer in time. `lease.unknownWrites` keeps what the row has if the write
//                  took effect.
//   2. retry       after a back-off, the write that is due then; it expects the row as it was before the lost write.
//   3. refused     `writeRefused`: the row is not as expected. The cause may be a write of this keeper (SHARD_END, a row created again,
//                  a hand-over: `resolveRefusedWrite`) or a removed `kinactWriter`: `handleExplainedRefusal`.
//   4. judged      otherwise `classifyRefusal` (write-refusal.ts) decides which of the following it is:
//   5. spurious    `continueFromRow`: a lost write took effect. The keeper continues from the row, and sends what the row lacks.
//      gone        `recreate`, while the lease is live; otherwise the keeper ends (`finishNotHeld`)
//      own         before the first take: the keeper takes the row as it is now; later the keeper ends, and another one takes it
//      reassigned, lost, workerIdInUse: the keeper ends
import { effect } from '../protocol/actor.js';
import { failedAgain, retryingEvent } from '../protocol/repeated-failure.js';
import { reportDurable } from './checkpoint-report.js';
import { finishEnded, finishNotHeld, finishReleased, finishWorkerIdInUse } from './lease-end.js';
import type { LeaseKeeperOptions } from './options.js';
import type { LeaseKeeperMessage, Message, Write } from './state.js';
import { awaitsCalls, ownershipEnded } from './leftovers.js';
import { grantTenure, revokeTenure, wallDeadlineOf } from './open-tenure.js';
import {
  count,
  effectName,
  emit,
  retryDelayMs,
  retryShapeOf,
  notifyCoordinator,
  warn,
  type KeeperTurn,
} from './turn.js';
import { wishAnswered, wishEffect } from './hand-over-asker.js';
import { answerOf, answerWritten, leaseGiven, newOwnerOf, resolveRefusedWrite, wishSeen } from './hand-over-holder.js';
import {
  extraCheckpointAt,
  renewalCarriesCheckpoint,
  type CheckpointCadence,
} from '../../src/core/checkpoint-cadence.js';
import { backoffMs } from '../../src/core/backoff.js';
import { renewalIntervalMs } from '../../src/core/lease-failover.js';
import type { Checkpoint } from '../../src/core/checkpoint.js';
import * as leaseState from '../../src/core/lease-state.js';
import type { RowChange } from '../../src/core/lease-state.js';
import { classifyRefusal } from '../../src/core/write-refusal.js';
import { isWriterOf } from '../../src/core/writer-signature.js';
import type { LeaseRow } from '../../src/core/lease.js';
import { outcomeOf } from '../../src/core/send-pace.js';
import { hasEnded } from '../../src/core/shard-graph.js';
import { latestMarginMs } from '../../src/core/shard-sync-plan.js';
import { isKinactError } from '../../src/api/errors.js';
import type { RowCondition, WriteOutcome } from '../../src/api/ports.js';

/** How many takes may be refused by rows that this process itself wrote, in an earlier attempt or by an earlier keeper. */
const maxRetakes = 3;

export function beginWrite(turn: KeeperTurn, kind: Write['kind']): void {
  const { options, state, now, effects } = turn;
  const { leaseKey, store, writer } = options;
  const hasCheckpoint = carriesCheckpoint(turn, kind);
  const change = changeOf(turn, kind, hasCheckpoint ? leaseState.nextCheckpoint(state.lease) : undefined);
  const newRow = kind === 'create' ? leaseState.recreatedRow(state.lease, writer, serviceNow(turn)) : undefined;

  const { permit } = state.queuePlace;
  const forWorker = state.workers.tenureRequest?.worker;
  state.queuePlace.permit = undefined;
  const id = ++state.writes.begun;
  const coveredRecords = hasCheckpoint ? state.lease.uncheckpointedRecords : 0;
  const write: Write = { id, kind, startedAt: now, change, coveredRecords, newRow, forWorker, permit };
  state.writes.current = write;

  if (kind === 'wish' || kind === 'unwish') return wishEffect(turn, write);
  const expected = conditionOf(turn, kind);
  const failed = (error: unknown): LeaseKeeperMessage => ({ type: 'writeFailed', id, error });
  effects.push(
    newRow !== undefined
      ? effect.run({
          name: effectName(write),
          kind: 'io',
          start: (signal) => store.create(newRow, signal),
          done: (): LeaseKeeperMessage => ({ type: 'created', id }),
          failed,
        })
      : effect.run({
          name: effectName(write),
          kind: 'io',
          start: (signal) => store.update(leaseKey, { expected, change, writer }, signal),
          done: (outcome): LeaseKeeperMessage => ({ type: 'written', id, outcome }),
          failed,
        }),
  );
}

/**
 * The condition of a write: nothing has been written since the row was last seen. A hand-over also requires the wish that it grants
 * (`change.handOver`).
 */
function conditionOf({ options, state }: KeeperTurn, kind: Write['kind']): RowCondition {
  const { row } = state.lease;
  const unchanged: RowCondition = { counter: row.leaseCounter, writer: row.kinactWriter ?? null };
  // A Java worker that creates the row again begins at counter 0, so the counter alone may match by accident.
  if (kind === 'take') return { ...unchanged, owner: row.leaseOwner ?? null };
  // The last write of a keeper must not give away a lease that another worker has taken.
  const isLast = kind === 'release' || kind === 'shardEnd' || kind === 'handOver';
  return isLast ? { ...unchanged, owner: options.workerId } : unchanged;
}

/** The service's time now: its value when the keeper began, plus the time that has passed on the local clock. */
function serviceNow({ state, now }: KeeperTurn): number {
  return state.clocks.serviceTimeMs + (now - state.clocks.bornAt);
}

function carriesCheckpoint({ options, state, now }: KeeperTurn, kind: Write['kind']): boolean {
  const reached = { checkpointAt: state.timing.checkpointAt, uncheckpointedRecords: state.lease.uncheckpointedRecords };
  return kind === 'checkpoint' || (kind === 'renew' && renewalCarriesCheckpoint(cadenceOf(options), reached, now));
}

/** When an extra checkpoint is due. A keeper that only finishes the work of an earlier keeper writes none. */
export function nextExtraAt({ options, state }: KeeperTurn): number {
  if (state.phase !== 'held' || options.predecessor !== undefined) return Infinity;
  return extraCheckpointAt(cadenceOf(options), {
    checkpointAt: state.timing.checkpointAt,
    uncheckpointedRecords: state.lease.uncheckpointedRecords,
  });
}

function cadenceOf(options: LeaseKeeperOptions): CheckpointCadence {
  const { checkpointIntervalMs, checkpointRecords, failoverMs } = options;
  return { intervalMs: checkpointIntervalMs, records: checkpointRecords, renewalMs: renewalIntervalMs(failoverMs) };
}

function changeOf(turn: KeeperTurn, kind: Write['kind'], checkpoint: Checkpoint | undefined): RowChange {
  const { options, state } = turn;
  const { lease } = state;
  switch (kind) {
    case 'take':
      return leaseState.takeChange(lease.row, options, state.clocks.serviceTimeMs - latestMarginMs);
    case 'renew':
      return { ...leaseState.renewChange(checkpoint), ...answerOf(turn) };
    case 'answer':
      return { ...leaseState.renewChange(undefined), ...answerOf(turn) };
    case 'checkpoint':
      return leaseState.renewChange(checkpoint);
    case 'handOver':
    case 'release': {
      const newOwner = newOwnerOf(turn);
      return newOwner === undefined ? leaseState.releaseChange(lease) : leaseState.handOverChange(lease, newOwner);
    }
    case 'shardEnd':
      return leaseState.shardEndChange(state.shardEnd?.childShardIds ?? []);
    case 'create':
    case 'wish':
    case 'unwish':
      return {};
  }
}

/** Handles an answer of the table. The answer to a write that was given up is only counted, and the outcome stays unknown. */
export function tableAnswered(
  turn: KeeperTurn,
  message: Message<'written' | 'created' | 'wished' | 'writeFailed'>,
): void {
  const { state } = turn;
  const current = state.writes.current;
  if (current === undefined || current.id !== message.id) return count(turn, 'lateWrite');
  if (message.type === 'writeFailed') return noteUnknownOutcome(turn, current, message.error);

  current.permit?.end('answered');
  state.writes.current = undefined;
  if (message.type === 'wished') return wishAnswered(turn, current, message.outcome);

  // A refusal is an answer, but not a success: the table may refuse a retry because the first attempt took effect after all.
  if (message.type === 'created' || message.outcome.type === 'written') {
    state.writes.failed = 0;
    state.writes.failing = undefined;
  }

  if (message.type === 'created') {
    // The take that follows shows which worker has created the row.
    leaseState.adoptRow(state.lease, current.newRow ?? state.lease.row);
    state.phase = 'taking';
  } else if (message.outcome.type === 'written') writeSucceeded(turn, current, message.outcome);
  else writeRefused(turn, current, message.outcome.current);
}

/** Handles a write whose outcome is unknown: the request may have been lost, or only its reply. */
export function noteUnknownOutcome(turn: KeeperTurn, write: Write, error: unknown): void {
  const { options, state, now } = turn;
  write.permit?.end(outcomeOf(error));
  state.writes.current = undefined;
  if (concernsOwner(write)) leaseState.noteUnknownWrite(state.lease, write.change);
  const other = otherOwner(turn, error);
  if (other !== undefined) return finishNotHeld(turn, `taken by ${other}; its row cannot be read`);

  const delayMs = retryDelayMs(turn);
  state.writes.failed += 1;
  // No lease depends on an extra checkpoint, so its failure does not delay a renewal.
  state.writes.retryAt = write.kind === 'checkpoint' ? Math.min(now + delayMs, state.timing.renewAt) : now + delayMs;
  if (write.kind === 'renew') state.timing.renewAt = now;

  const { source, shardId } = options;
  state.writes.failing = failedAgain(state.writes.failing, `lease ${write.kind}`, error, now);
  emit(turn, retryingEvent(state.writes.failing, delayMs, { source, shardId }));
}

function concernsOwner({ kind }: Write): boolean {
  return kind !== 'create' && kind !== 'wish' && kind !== 'unwish';
}

/**
 * The owner of a row that refused a write and cannot be read, if the owner is another worker. Then this worker does not hold the
 * lease even after the row is repaired.
 */
function otherOwner({ options, state }: KeeperTurn, error: unknown): string | undefined {
  if (!state.taking.hasHeldLease || !isKinactError(error) || error.code !== 'MALFORMED_LEASE') return undefined;
  const { leaseOwner } = error.data;
  return leaseOwner === options.workerId ? undefined : leaseOwner;
}

function writeSucceeded(
  turn: KeeperTurn,
  write: Write,
  outcome: Extract<WriteOutcome, { readonly type: 'written' }>,
): void {
  const { options, state } = turn;
  const { counter, wish } = outcome;
  const before = state.lease.row;
  leaseState.applyWritten(state.lease, write.change, counter, options.writer);
  if (write.change.checkpoint !== undefined) state.timing.checkpointAt = write.startedAt;
  state.lease.uncheckpointedRecords -= write.coveredRecords;
  reportDurable(turn);

  if (write.change.handOver !== undefined) return leaseGiven(turn, write.change.handOver.workerId);
  if (write.kind === 'release') return finishReleased(turn, true);
  if (write.kind === 'shardEnd') return finishEnded(turn);

  extendLease(turn, write.startedAt);
  if (write.kind === 'take') return leaseTaken(turn, before);
  answerWritten(turn, write);
  wishSeen(turn, wish);

  const { tenureRequest } = state.workers;
  // A tenure needs a renewal that began after the worker asked and after the last suspension, and time left to deliver.
  const isInTime =
    turn.now < state.timing.liveUntil && (state.releaseOrder === undefined || awaitsCalls(state, turn.now));
  if (tenureRequest !== undefined && tenureRequest.worker === write.forWorker && isInTime)
    grantTenure(turn, tenureRequest);
}

/** Extends the lease from `startedAt`: peers cannot have seen the counter change before that. */
function extendLease(turn: KeeperTurn, startedAt: number): void {
  const { options, state } = turn;
  state.timing.renewAt = startedAt + renewalIntervalMs(options.failoverMs);
  if (startedAt < state.timing.trustedSince) return;
  state.timing.liveUntil = startedAt + options.failoverMs - options.marginMs;
  // A dead tenure is never revived, whichever actor found it dead.
  if (state.tenure?.shared.dead === false) {
    state.tenure.shared.deadline = state.timing.liveUntil;
    state.tenure.shared.wallDeadline = wallDeadlineOf(turn);
  }
}

function leaseTaken(turn: KeeperTurn, before: LeaseRow): void {
  const { options, state } = turn;
  const { leaseKey, shardId, source, workerId } = options;
  const { row } = state.lease;

  state.phase = 'held';
  state.taking.recreations = 0;
  if (state.taking.hasHeldLease) return;
  state.taking.hasHeldLease = true;
  // Before the take, the lease belonged to another worker or to none.
  if (
    state.taking.previousOwner !== undefined ||
    before.leaseOwner !== workerId ||
    !isWriterOf(options.writerPrefix, before.kinactWriter)
  )
    ownershipEnded(turn);
  state.queuePlace.takeBy = Infinity;
  state.workers.idleSince = turn.now;

  const loser = state.taking.previousOwner ?? before.leaseOwner;
  const from = loser === undefined || loser === workerId ? {} : { from: loser };
  emit(turn, { name: 'leaseTaken', data: { source, shardId, leaseKey, counter: row.leaseCounter, ...from } });

  if (before.checkpoint === 'LATEST' && before.kinactLatestAt === undefined) {
    warn(
      turn,
      `The lease stood at LATEST without a time, as a Java worker writes it: reading starts at ${row.kinactLatestAt} (epoch ms).`,
    );
  }
  notifyCoordinator(turn, { type: 'taken', row });
}

/**
 * Whether this keeper has created the vanished row again, in an attempt whose reply was lost. The keeper takes such a row as it
 * is.
 */
function isMadeByUs({ options, state }: KeeperTurn, row: LeaseRow | undefined): row is LeaseRow {
  const { leaseOwner, kinactWriter } = row ?? {};
  return (
    state.phase === 'taking' && state.taking.hasHeldLease && leaseOwner === undefined && kinactWriter === options.writer
  );
}

/**
 * Whether another writer has only removed `kinactWriter` from the row, and left owner and counter alone. The next write adds it
 * again.
 */
function isStripped({ options, state }: KeeperTurn, row: LeaseRow | undefined): row is LeaseRow {
  const { row: known } = state.lease;
  return (
    row?.leaseOwner === options.workerId &&
    row.leaseCounter === known.leaseCounter &&
    row.kinactWriter === undefined &&
    known.kinactWriter !== undefined
  );
}

/** Whether this keeper wrote SHARD_END and the reply was lost. A worker that has taken the row since has nothing to read. */
function isEndedByUs({ state }: KeeperTurn, row: LeaseRow | undefined): row is LeaseRow {
  return (
    row?.checkpoint === 'SHARD_END' &&
    state.shardEnd?.childShardIds !== undefined &&
    state.lease.unknownWrites.length > 0
  );
}

/**
 * Handles a refusal that the row explains: an earlier write took effect, or a signature is missing. Returns true if it did; the
 * keeper may then have ended.
 */
function handleExplainedRefusal(turn: KeeperTurn, write: Write, foundRow: LeaseRow | undefined): boolean {
  const { state, now } = turn;
  if (isEndedByUs(turn, foundRow)) continueFromRow(turn, foundRow);
  else if (isMadeByUs(turn, foundRow) && state.taking.retakes < maxRetakes) {
    state.taking.retakes += 1;
    leaseState.adoptRow(state.lease, foundRow);
  } else if (resolveRefusedWrite(turn, write, foundRow)) return true;
  else if (isStripped(turn, foundRow)) {
    leaseState.adoptRow(state.lease, foundRow);
    state.writes.retryAt = now;
  } else return false;
  return true;
}

function writeRefused(turn: KeeperTurn, write: Write, foundRow: LeaseRow | undefined): void {
  if (handleExplainedRefusal(turn, write, foundRow)) return;
  const { options, state, now } = turn;
  const refusal = classifyRefusal(options, state.lease.unknownWrites, foundRow);
  switch (refusal.type) {
    case 'spurious':
      return continueFromRow(turn, refusal.row);
    case 'gone':
      if (!state.taking.hasHeldLease || now >= state.timing.liveUntil) return finishNotHeld(turn, 'the row is gone');
      return recreate(turn);
    case 'reassigned':
      return finishNotHeld(turn, `handed over to ${refusal.to ?? 'nobody'} by a KCL 3 leader`);
    case 'lost':
      return finishNotHeld(turn, refusal.reason);
    case 'own':
      if (hasEnded(refusal.row)) return finishNotHeld(turn, 'the shard has ended');
      if (state.taking.hasHeldLease || state.taking.retakes >= maxRetakes)
        return finishNotHeld(turn, refusal.reason, { retake: true });
      state.taking.retakes += 1;
      leaseState.adoptRow(state.lease, refusal.row);
      state.timing.reportedCheckpoint = leaseState.durableCheckpoint(refusal.row);
      return;
    case 'workerIdInUse':
      return finishWorkerIdInUse(turn, refusal.row);
  }
}

/** Creates the row again. The lease is live, so no other worker can have processed and cleaned up the shard. */
function recreate(turn: KeeperTurn): void {
  const { options, state, now } = turn;
  revokeTenure(turn, 'the row has vanished');
  state.phase = 'recreating';
  if (state.taking.recreations === 0)
    warn(turn, 'The lease row was deleted; it is created again at the last settled record.');
  // A table may keep reporting that the row exists, and then that it is gone. The keeper waits longer each time.
  else
    state.writes.retryAt =
      now + Math.max(1, backoffMs(retryShapeOf(options), state.taking.recreations, options.random));
  state.taking.recreations += 1;
}

/** Continues from a row whose write seemed to fail. The row shows what is durable. No deadline moves before the next renewal. */
function continueFromRow(turn: KeeperTurn, row: LeaseRow): void {
  const { options, state, now } = turn;
  const before = state.lease.row;
  leaseState.adoptRow(state.lease, row);
  reportDurable(turn);

  if (row.checkpoint === 'SHARD_END') return finishEnded(turn);
  if (row.leaseOwner !== options.workerId) return finishReleased(turn, true);

  state.writes.retryAt = now;
  state.timing.renewAt = now;
  if (state.phase === 'taking') leaseTaken(turn, before);
}
