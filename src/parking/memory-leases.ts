// A lease table in memory: its rows, by the rules of ports.ts and KCL clause 1.3. `memoryLeases` is the table of a replay, which nobody
// shares. The tables of kinact/testing add faults to the same rows.
import type { LeaseChange, LeaseStore, RowCondition, WishOutcome, WriteOutcome } from '../api/ports.js';
import { failoverText } from '../core/lease-failover.js';
import type { LeaseRow } from '../core/lease.js';
import { wishPrefix } from '../core/lease-wish.js';

/** The row with meta-information. `kinactLatestAt` and `kinactStream` are written once, and `kinactAutoAt` only rises. */
function withMeta(row: LeaseRow, meta: Parameters<LeaseStore['updateMeta']>[1]): LeaseRow {
  const { childShardIds, hashKeyRange, kinactLatestAt, kinactStream, kinactAutoAt } = meta;
  const autoAt = Math.max(row.kinactAutoAt ?? 0, kinactAutoAt ?? 0);
  return {
    ...row,
    ...(childShardIds === undefined ? {} : { childShardIds }),
    ...(hashKeyRange === undefined
      ? {}
      : { startingHashKey: hashKeyRange.startingHashKey, endingHashKey: hashKeyRange.endingHashKey }),
    ...(kinactLatestAt === undefined || row.kinactLatestAt !== undefined ? {} : { kinactLatestAt }),
    ...(kinactStream === undefined || row.kinactStream !== undefined ? {} : { kinactStream }),
    ...(autoAt === 0 ? {} : { kinactAutoAt: autoAt }),
  };
}

/** A row as the shard sync creates it. The given members replace the defaults. */
export function leaseRow(row: Partial<LeaseRow> & { readonly leaseKey: string }): LeaseRow {
  return {
    leaseCounter: 0,
    ownerSwitchesSinceCheckpoint: 0,
    checkpoint: 'TRIM_HORIZON',
    checkpointSubSequenceNumber: 0,
    parentShardIds: [],
    childShardIds: [],
    startingHashKey: '0',
    endingHashKey: '340282366920938463463374607431768211455',
    ...row,
  };
}

/** The row after an update, by KCL clause 1.3 with the additions in ports.ts. */
export function applyChange(row: LeaseRow, change: LeaseChange, writer: string): LeaseRow {
  const next: { -readonly [K in keyof LeaseRow]: LeaseRow[K] } = {
    ...row,
    leaseCounter: row.leaseCounter + 1,
    kinactWriter: change.handOver?.writer ?? writer,
  };

  if (change.checkpoint !== undefined) {
    next.checkpoint = change.checkpoint.checkpoint;
    next.checkpointSubSequenceNumber = change.checkpoint.subSequenceNumber;
    next.ownerSwitchesSinceCheckpoint = 0;
  }

  if (change.leaseOwner === null) {
    delete next.leaseOwner;
    delete next.kinactFailover;
  } else if (change.leaseOwner !== undefined) next.leaseOwner = change.leaseOwner;
  if (change.handOver !== undefined) {
    next.leaseOwner = change.handOver.workerId;
    next.kinactFailover = failoverText(change.handOver.failoverMs, change.handOver.writer);
    delete next.checkpointOwner;
  }

  if (change.leaseOwner !== undefined || change.handOver !== undefined || next.checkpoint === 'SHARD_END') {
    delete next.kinactWish;
    delete next.kinactAnswer;
  } else if (change.answer !== undefined) next.kinactAnswer = change.answer;
  if (change.failoverMs !== undefined) next.kinactFailover = failoverText(change.failoverMs, writer);

  if (typeof change.leaseOwner === 'string') delete next.checkpointOwner;
  if (change.countOwnerSwitch === true) next.ownerSwitchesSinceCheckpoint += 1;
  if (change.kinactLatestAt !== undefined && row.kinactLatestAt === undefined)
    next.kinactLatestAt = change.kinactLatestAt;
  if (change.childShardIds !== undefined) next.childShardIds = [...change.childShardIds];

  return next;
}

function isAsExpected(value: string | undefined, expected: string | null | undefined): boolean {
  return expected === undefined || (value ?? null) === expected;
}

function isBy(author: string, wish: string | undefined): boolean {
  return wish?.startsWith(wishPrefix(author)) === true;
}

function mayWish(row: LeaseRow, ...[expected, { author, text }]: MayWish): boolean {
  const { kinactWish: wish } = row;
  if (text === null) return isBy(author, wish);
  if (row.leaseOwner !== expected.owner || row.kinactWriter !== expected.writer) return false;
  if (row.checkpoint === 'SHARD_END') return false;
  if (expected.mustHaveOwnWish === true) return isBy(author, wish);
  return wish === undefined || isBy(author, wish) || wish === expected.stale;
}

function withWish(row: LeaseRow, text: string | null): LeaseRow {
  if (text !== null) return { ...row, kinactWish: text };
  const { kinactWish: _wish, kinactAnswer: _answer, ...rest } = row;
  return rest;
}

type MayWish = [Parameters<LeaseStore['wish']>[1], Parameters<LeaseStore['wish']>[2]];

/** What the calls of a LeaseStore do to the rows. */
export interface LeaseRows {
  create(row: LeaseRow): 'created' | 'exists';
  update(leaseKey: string, update: LeaseUpdate): WriteOutcome;
  wish(leaseKey: string, ...wish: MayWish): WishOutcome;
  updateMeta(leaseKey: string, meta: Parameters<LeaseStore['updateMeta']>[1]): boolean;
  delete(leaseKey: string, counter: number): boolean;
}

type LeaseUpdate = Parameters<LeaseStore['update']>[1];

export function leaseRows(rows: Map<string, LeaseRow>): LeaseRows {
  return {
    create(row) {
      if (rows.has(row.leaseKey)) return 'exists';
      rows.set(row.leaseKey, row);
      return 'created';
    },
    update(leaseKey, { expected, change, writer }) {
      const row = rows.get(leaseKey);
      if (row === undefined || !meets(row, expected) || !mayHandOver(row, change))
        return { type: 'refused', current: row };

      const next = applyChange(row, change, writer);
      rows.set(leaseKey, next);
      const { kinactWish: wish } = next;
      return { type: 'written', counter: next.leaseCounter, ...(wish === undefined ? {} : { wish }) };
    },
    wish(leaseKey, expected, wish) {
      const row = rows.get(leaseKey);
      if (row === undefined || !mayWish(row, expected, wish)) return { type: 'refused', current: row };
      rows.set(leaseKey, withWish(row, wish.text));
      return { type: 'written' };
    },
    updateMeta(leaseKey, meta) {
      const row = rows.get(leaseKey);
      if (row === undefined) return false;
      rows.set(leaseKey, withMeta(row, meta));
      return true;
    },
    delete(leaseKey, counter) {
      if (rows.get(leaseKey)?.leaseCounter !== counter) return false;
      return rows.delete(leaseKey);
    },
  };
}

function meets(row: LeaseRow, { counter, owner, writer }: RowCondition): boolean {
  return row.leaseCounter === counter && isAsExpected(row.leaseOwner, owner) && isAsExpected(row.kinactWriter, writer);
}

function mayHandOver({ kinactWish }: LeaseRow, { handOver }: LeaseChange): boolean {
  return handOver === undefined || isBy(handOver.writer, kinactWish);
}

/** A table of its own, which is empty at first. `wallNow`: the service's time. */
export function memoryLeases(tableName: string, wallNow: () => number): LeaseStore {
  const rows = new Map<string, LeaseRow>();
  const table = leaseRows(rows);
  return {
    tableName,
    ensureTable: async () => ({ created: true }),
    scan: async () => ({ rows: [...rows.values()], malformed: [], serviceTimeMs: wallNow() }),
    get: async (leaseKey) => rows.get(leaseKey),
    create: async (row) => table.create(row),
    update: async (leaseKey, update) => table.update(leaseKey, update),
    wish: async (leaseKey, expected, wish) => table.wish(leaseKey, expected, wish),
    updateMeta: async (leaseKey, meta) => table.updateMeta(leaseKey, meta),
    delete: async (leaseKey, counter) => table.delete(leaseKey, counter),
    close: () => undefined,
  };
}
