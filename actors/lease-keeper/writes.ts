// What each outcome of a keeper's writes means (outgoing-write.ts sends them). Invariants: at most one write is under way, and an
// unknown outcome is remembered until a later write shows it. A write that is refused, or has no answer:
//   1. unknown     `handleUnknownOutcome`: an error, or no answer in time. `lease.unknownWrites` keeps what the row has if the write
//                  took effect.
//   2. retry       after a back-off, the write that is due then; it expects the row as it was before the lost write.
//   3. refused     `writeRefused`: the row is not as expected. The cause may be a write of this keeper (SHARD_END, a row created again,
//                  a hand-over: `resolveRefusedWrite`) or a removed `kinactWriter`: `handleExplainedRefusal`.
//   4. judged      otherwise `classifyRefusal` (write-refusal.ts) decides which of the following it is:
//   5. spurious    `continueFromRow`: a lost write took effect. The keeper continues from the row, and sends what the row lacks.
//      gone        `recreate`, while the lease is live; otherwise the keeper ends (`finishNotHeld`)
//      own         before the first take: the keeper takes the row as it is now; later the keeper ends, and another one takes it
//      reassigned, lost, workerIdInUse: the keeper ends
import { failedAgain, retryingEvent } from '../protocol/repeated-failure.js';
import { reportDurable } from './checkpoint-report.js';
import { finishEnded, finishNotHeld, finishReleased, finishWorkerIdInUse } from './lease-end.js';
import type { RowCreation, RowUpdate, Write } from './state.js';
import type { Message } from './messages.js';
import { awaitsCalls, noteOwnershipEnded } from './leftovers.js';
import { answerTenureRequest, revokeTenure, wallDeadlineOf } from './open-tenure.js';
import { count, emit, retryDelayMs, retryShapeOf, notifyCoordinator, warn, type KeeperTurn } from './turn.js';
import { wishAnswered } from './hand-over-asker.js';
import { answerWritten, leaseGiven, resolveRefusedWrite, noteWish } from './hand-over-holder.js';
import { backoffMs } from '../../src/core/backoff.js';
import { renewalIntervalMs } from '../../src/core/lease-failover.js';
import * as leaseState from '../../src/core/lease-state.js';
import { classifyRefusal } from '../../src/core/write-refusal.js';
import { isWriterOf } from '../../src/core/writer-signature.js';
import type { LeaseRow } from '../../src/core/lease.js';
import { outcomeOf } from '../../src/core/send-pace.js';
import { hasEnded } from '../../src/core/shard-graph.js';
import { isKinactError } from '../../src/api/errors.js';
import type { WriteOutcome } from '../../src/api/ports.js';

/** How many takes may be refused by rows that this process itself wrote, in an earlier attempt or by an earlier keeper. */
const maxRetakes = 3;

/** Handles an answer of the table. The answer to a write that was given up is only counted, and the outcome stays unknown. */
export function tableAnswered(
  turn: KeeperTurn,
  message: Message<'written' | 'created' | 'wished' | 'writeFailed'>,
): void {
  const { state } = turn;
  const current = state.writes.current;
  if (current === undefined || current.id !== message.id) return count(turn, 'lateWrite');
  if (message.type === 'writeFailed') return handleUnknownOutcome(turn, current, message.error);

  current.permit?.end('answered');
  state.writes.current = undefined;
  if (message.type === 'wished') return wishAnswered(turn, current, message.outcome);

  // The ids are equal. So an answer `created` is to a write of kind `create`, and an answer `written` to an update.
  if (message.type === 'created' && current.kind === 'create') rowCreated(turn, current);
  if (message.type === 'written' && isRowUpdate(current)) updateAnswered(turn, current, message.outcome);
}

function rowCreated(turn: KeeperTurn, { newRow }: RowCreation): void {
  const { state } = turn;
  noteSuccess(turn);
  // The take that follows shows which worker has created the row.
  leaseState.adoptRow(state.lease, newRow);
  state.phase = 'taking';
}

function updateAnswered(turn: KeeperTurn, write: RowUpdate, outcome: WriteOutcome): void {
  // A refusal is an answer, but not a success: the table may refuse a retry because the first attempt took effect after all.
  if (outcome.type !== 'written') return writeRefused(turn, write, outcome.current);
  noteSuccess(turn);
  writeSucceeded(turn, write, outcome);
}

function noteSuccess({ state }: KeeperTurn): void {
  state.writes.failed = 0;
  state.writes.failing = undefined;
}

/** Handles a write whose outcome is unknown: the request may have been lost, or only its reply. */
export function handleUnknownOutcome(turn: KeeperTurn, write: Write, error: unknown): void {
  const { options, state, now } = turn;
  write.permit?.end(outcomeOf(error));
  state.writes.current = undefined;
  if (isRowUpdate(write)) leaseState.noteUnknownWrite(state.lease, write.change);
  const other = otherOwner(turn, error);
  if (other !== undefined) return finishNotHeld(turn, `taken by ${other}; its row cannot be read`);
  // The table has refused the release, and will do so until somebody corrects the row. A stop must not wait for that.
  if (write.kind === 'release' && isKinactError(error) && error.code === 'MALFORMED_LEASE')
    return finishReleased(turn, false, error);

  const delayMs = retryDelayMs(turn);
  state.writes.failed += 1;
  // No lease depends on an extra checkpoint, so its failure does not delay a renewal.
  state.writes.retryAt = write.kind === 'checkpoint' ? Math.min(now + delayMs, state.timing.renewAt) : now + delayMs;
  if (write.kind === 'renew') state.timing.renewAt = now;

  const { source, shardId } = options;
  state.writes.failing = failedAgain(state.writes.failing, `lease ${write.kind}`, error, now);
  emit(turn, retryingEvent(state.writes.failing, delayMs, { source, shardId }));
}

/** Whether a write changes the row of a lease that exists: its outcome may change the owner. */
export function isRowUpdate(write: Write): write is RowUpdate {
  return write.kind !== 'create' && write.kind !== 'wish' && write.kind !== 'withdrawWish';
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
  write: RowUpdate,
  outcome: Extract<WriteOutcome, { readonly type: 'written' }>,
): void {
  const { options, state } = turn;
  const { counter, wish } = outcome;
  const before = state.lease.row;
  leaseState.applyWritten(state.lease, write.change, counter, options.writer);
  if (write.change.checkpoint !== undefined) {
    state.timing.checkpointAt = write.startedAt;
    leaseState.noteCheckpointDurable(state.lease);
  }
  state.lease.uncheckpointedRecords -= write.coveredRecords;
  reportDurable(turn);

  if (write.change.handOver !== undefined) return leaseGiven(turn, write.change.handOver.workerId);
  if (write.kind === 'release') return finishReleased(turn, true);
  if (write.kind === 'shardEnd') return finishEnded(turn);

  extendDeadlines(turn, write.startedAt);
  if (write.kind === 'take') return leaseTaken(turn, before);
  answerWritten(turn, write);
  noteWish(turn, wish);

  const { tenureRequest } = state.shardWorkers;
  // A tenure needs a renewal that began after the shard worker asked and after the last suspension, and time left to deliver.
  const isInTime =
    turn.now < state.timing.liveUntil && (state.releaseOrder === undefined || awaitsCalls(state, turn.now));
  if (tenureRequest !== undefined && tenureRequest.shardWorker === write.forShardWorker && isInTime)
    answerTenureRequest(turn, tenureRequest);
}

/** Extends the lease from `startedAt`: peers cannot have seen the counter change before that. */
function extendDeadlines(turn: KeeperTurn, startedAt: number): void {
  const { options, state } = turn;
  state.timing.renewAt = startedAt + renewalIntervalMs(options.failoverMs);
  if (startedAt < state.timing.trustedSince) return;
  state.timing.liveUntil = startedAt + options.failoverMs - options.marginMs;
  // A tenure that has ended is never revived, whichever actor ended it.
  if (state.tenure?.shared.ended === false) {
    state.tenure.shared.deadline = state.timing.liveUntil;
    state.tenure.shared.wallDeadline = wallDeadlineOf(turn);
    state.tenure.shared.renewalBegunAt = startedAt;
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
    noteOwnershipEnded(turn);
  state.queuePlace.takeBy = Infinity;
  state.shardWorkers.idleSince = turn.now;

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
 * Handles a refusal that the row explains: an earlier write took effect, or a `kinactWriter` is missing. Returns true if it did; the
 * keeper may then have ended.
 */
function handleExplainedRefusal(turn: KeeperTurn, write: RowUpdate, foundRow: LeaseRow | undefined): boolean {
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

function writeRefused(turn: KeeperTurn, write: RowUpdate, foundRow: LeaseRow | undefined): void {
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
