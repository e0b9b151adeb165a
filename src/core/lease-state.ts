// What a keeper knows about the row it holds, and what its next write changes. Invariants: the next checkpoint is never lower
// than the row's and never past the frontier. Only the checkpoint in the row is durable. The ledger of the shard worker
// moves the frontier, `noteFrontier` (open-tenure.ts) stores it here, and outgoing-write.ts puts `nextCheckpoint` into the next renewal.
// Releases and hand-overs carry the checkpoint, too. Related: write-refusal.ts classifies refusals, and lease-update.ts turns a
// change into an update expression.
import { checkpointOf, compareCheckpoints, isSentinel, type Checkpoint } from './checkpoint.js';
import { failoverText } from './lease-failover.js';
import type { LeaseRow } from './lease.js';
import type { UnknownWrite } from './write-refusal.js';
import type { InitialPosition, Position, StartPosition } from './position.js';

export interface LeaseState {
  /** The row as last written or read; its counter is the condition of the next write. */
  row: LeaseRow;
  /** Everything up to this position is settled: the furthest frontier that any shard worker under this keeper has reported. */
  frontier: Position | undefined;
  /**
   * How many records the frontier has passed since the row's checkpoint. After a write whose reply was lost, the number may be
   * too high, but never too low.
   */
  uncheckpointedRecords: number;
  /**
   * Of the settled records that the row's checkpoint does not cover, when the oldest arrived: `oldestAt`, epoch milliseconds. The write
   * under way may cover some of them: `nextOldestAt` is about the rest. NaN: there are none. After a write whose reply was lost, a time
   * may be too early, but never too late.
   */
  uncheckpointedTimes: { oldestAt: number; nextOldestAt: number };
  /** Attempts to write the next counter with an unknown outcome. The list is emptied as soon as one outcome is known. */
  unknownWrites: UnknownWrite[];
}

/** The part of `LeaseChange` (ports.ts) that a keeper uses. */
export interface RowChange {
  readonly checkpoint?: Checkpoint;
  readonly leaseOwner?: string | null;
  readonly failoverMs?: number;
  readonly handOver?: { readonly workerId: string; readonly writer: string; readonly failoverMs: number };
  readonly answer?: string;
  readonly countOwnerSwitch?: boolean;
  readonly kinactLatestAt?: number;
  readonly childShardIds?: readonly string[];
}

export function leaseStateOf(row: LeaseRow): LeaseState {
  return {
    row,
    frontier: undefined,
    uncheckpointedRecords: 0,
    uncheckpointedTimes: { oldestAt: Number.NaN, nextOldestAt: Number.NaN },
    unknownWrites: [],
  };
}

export function durableCheckpoint(row: LeaseRow): Checkpoint {
  return { checkpoint: row.checkpoint, subSequenceNumber: row.checkpointSubSequenceNumber };
}

/**
 * Moves the frontier to `position`, forward over `records` records, the oldest of which arrived at `arrivedAt`. Returns false, and
 * changes nothing, if the position is not ahead of the frontier.
 */
export function advanceFrontier(
  lease: LeaseState,
  position: Position,
  records: number,
  arrivedAt = Number.NaN,
): boolean {
  if (lease.frontier !== undefined && compareCheckpoints(checkpointOf(position), checkpointOf(lease.frontier)) <= 0) {
    return false;
  }
  lease.frontier = position;
  lease.uncheckpointedRecords += records;
  const { uncheckpointedTimes } = lease;
  if (Number.isNaN(uncheckpointedTimes.oldestAt)) uncheckpointedTimes.oldestAt = arrivedAt;
  if (Number.isNaN(uncheckpointedTimes.nextOldestAt)) uncheckpointedTimes.nextOldestAt = arrivedAt;
  return true;
}

/** The checkpoint that the next write may carry; undefined if the row is already at the frontier or past it. */
export function nextCheckpoint(lease: LeaseState): Checkpoint | undefined {
  if (lease.frontier === undefined) return undefined;
  const checkpoint = checkpointOf(lease.frontier);
  return compareCheckpoints(checkpoint, durableCheckpoint(lease.row)) > 0 ? checkpoint : undefined;
}

/** The change of a take: the new owner, its failover time and, for a row at LATEST without `kinactLatestAt`, the time. */
export function takeChange(
  row: LeaseRow,
  taker: { readonly workerId: string; readonly failoverMs: number },
  latestAt: number,
): RowChange {
  const { workerId, failoverMs } = taker;
  return {
    leaseOwner: workerId,
    failoverMs,
    ...(row.leaseOwner !== undefined && row.leaseOwner !== workerId ? { countOwnerSwitch: true } : {}),
    ...(row.checkpoint === 'LATEST' && row.kinactLatestAt === undefined ? { kinactLatestAt: latestAt } : {}),
  };
}

export function renewChange(checkpoint: Checkpoint | undefined): RowChange {
  return checkpoint === undefined ? {} : { checkpoint };
}

/** The change of a release: the next checkpoint, if any, and no owner, in one write. */
export function releaseChange(lease: LeaseState): RowChange {
  return { ...renewChange(nextCheckpoint(lease)), leaseOwner: null };
}

/** The change of a hand-over. It counts as one owner switch, as if `newOwner` had taken the lease. */
export function handOverChange(lease: LeaseState, newOwner: NonNullable<RowChange['handOver']>): RowChange {
  return { ...renewChange(nextCheckpoint(lease)), handOver: newOwner, countOwnerSwitch: true };
}

/**
 * The change that ends a shard. The owner stays in the row, as in the KCL: Java workers would take an ended row without an owner
 * and count it in their share.
 */
export function shardEndChange(childShardIds: readonly string[]): RowChange {
  return {
    checkpoint: { checkpoint: 'SHARD_END', subSequenceNumber: 0 },
    ...(childShardIds.length === 0 ? {} : { childShardIds }),
  };
}

/** Applies a write that took effect. */
export function applyWritten(lease: LeaseState, change: RowChange, counter: number, writer: string): void {
  const row = { ...lease.row, leaseCounter: counter, kinactWriter: writer } as {
    -readonly [K in keyof LeaseRow]: LeaseRow[K];
  };

  if (change.handOver !== undefined) {
    row.leaseOwner = change.handOver.workerId;
    row.kinactWriter = change.handOver.writer;
  } else if (change.leaseOwner === null) {
    delete row.leaseOwner;
    delete row.kinactFailover;
  } else if (change.leaseOwner !== undefined) row.leaseOwner = change.leaseOwner;

  if (change.failoverMs !== undefined) row.kinactFailover = failoverText(change.failoverMs, writer);
  if (change.checkpoint !== undefined) {
    row.checkpoint = change.checkpoint.checkpoint;
    row.checkpointSubSequenceNumber = change.checkpoint.subSequenceNumber;
    row.ownerSwitchesSinceCheckpoint = 0;
  }
  if (change.countOwnerSwitch === true) row.ownerSwitchesSinceCheckpoint += 1;
  if (change.kinactLatestAt !== undefined) row.kinactLatestAt = change.kinactLatestAt;
  if (change.childShardIds !== undefined) row.childShardIds = change.childShardIds;

  lease.row = row;
  lease.unknownWrites = [];
}

/** Notes a write that may have taken effect. Attempts with the same counter and owner count once. */
export function noteUnknownWrite(lease: LeaseState, change: RowChange): void {
  const to = change.handOver?.workerId ?? change.leaseOwner;
  const owner = to === undefined ? lease.row.leaseOwner : (to ?? undefined);
  const counter = lease.row.leaseCounter + 1;
  if (!lease.unknownWrites.some((write) => write.owner === owner)) lease.unknownWrites.push({ counter, owner });
}

/** Replaces the row with one that was read. The frontier stays, and the next write carries it if it is ahead of the row's checkpoint. */
export function adoptRow(lease: LeaseState, row: LeaseRow): void {
  lease.row = row;
  lease.unknownWrites = [];
  if (nextCheckpoint(lease) !== undefined) return;
  lease.uncheckpointedRecords = 0;
  lease.uncheckpointedTimes = { oldestAt: Number.NaN, nextOldestAt: Number.NaN };
}

/**
 * The row of a lease that has vanished, created again without an owner and at the frontier. The last durable checkpoint may be too
 * low: a write whose reply was lost may have taken effect. The counter starts at the service's time, as in every row that kinact
 * creates. So no write that is still under way can expect that counter. Fences never decrease, even if another worker has created,
 * taken and deleted the row since. Attributes that this process does not read (a prepared checkpoint, foreign attributes) are lost.
 */
export function recreatedRow(lease: LeaseState, writer: string, serviceTimeMs: number): LeaseRow {
  const { leaseOwner: _owner, kinactFailover: _failover, checkpointOwner: _checkpointOwner, ...rest } = lease.row;
  const { kinactWish: _wish, kinactAnswer: _answer, ...kept } = rest;

  const { checkpoint, subSequenceNumber } = nextCheckpoint(lease) ?? durableCheckpoint(lease.row);
  const at = { checkpoint, checkpointSubSequenceNumber: subSequenceNumber };
  return {
    ...kept,
    ...at,
    leaseCounter: Math.max(lease.row.leaseCounter + 2, Math.floor(serviceTimeMs)),
    kinactWriter: writer,
  };
}

/** A write with a checkpoint begins: it covers everything up to the frontier. */
export function noteCheckpointBegun({ uncheckpointedTimes }: LeaseState): void {
  uncheckpointedTimes.nextOldestAt = Number.NaN;
}

/** The row has the checkpoint of the last write that began. */
export function noteCheckpointDurable({ uncheckpointedTimes }: LeaseState): void {
  uncheckpointedTimes.oldestAt = uncheckpointedTimes.nextOldestAt;
}

/** Where a shard worker starts; undefined if the shard has ended. */
export function startOf(lease: LeaseState, initialPosition: InitialPosition): StartPosition | undefined {
  const { checkpoint, subSequenceNumber } = nextCheckpoint(lease) ?? durableCheckpoint(lease.row);
  if (!isSentinel(checkpoint)) {
    return { type: 'after', position: { sequenceNumber: checkpoint, subSequenceNumber } };
  }
  switch (checkpoint) {
    case 'SHARD_END':
      return undefined;
    case 'TRIM_HORIZON':
      return { type: 'trimHorizon' };
    case 'LATEST':
      // A take sets `kinactLatestAt`. If it is missing, the row was changed since, and an early start is safe.
      return lease.row.kinactLatestAt === undefined
        ? { type: 'trimHorizon' }
        : { type: 'atTimestamp', timestampMs: lease.row.kinactLatestAt };
    case 'AT_TIMESTAMP':
      return initialPosition instanceof Date
        ? { type: 'atTimestamp', timestampMs: initialPosition.getTime() }
        : { type: 'trimHorizon' };
  }
}
