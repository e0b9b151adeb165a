// A LeaseStore in memory, by the rules of ports.ts and KCL clause 1.3, with faults that a test scripts per call. It is the
// lease table of every fake stream, and of the tests of keeper and coordinator. Tests in test/integration compare it with the
// real table.
import { KinactError } from '../api/errors.js';
import { refuse } from '../api/refusal.js';
import { failoverText } from '../core/lease-failover.js';
import type { LeaseRow } from '../core/lease.js';
import { wishPrefix } from '../core/lease-wish.js';
import type {
  LeaseChange,
  LeaseScan,
  LeaseStore,
  MalformedRow,
  RowCondition,
  WishOutcome,
  WriteOutcome,
} from '../api/ports.js';

/** The operations of a lease table. */
export type StoreOperation = 'ensureTable' | 'scan' | 'get' | 'create' | 'update' | 'wish' | 'updateMeta' | 'delete';

/** A fault of one call. `failBefore`: no effect, and the call rejects. `failAfter`: the effect happens, the reply is lost. */
export type StoreFault =
  | {
      readonly type: 'failBefore';
      /** What the call rejects with. Default: INJECTED_FAULT. */
      readonly error?: unknown;
    }
  | {
      readonly type: 'failAfter';
      /** What the call rejects with. Default: INJECTED_FAULT. */
      readonly error?: unknown;
    }
  /** The effect and the answer wait for this promise. */
  | {
      readonly type: 'holdBefore';
      /** The call goes on when this settles. */
      readonly until: Promise<unknown>;
    }
  /** The effect is immediate, but the answer waits for this promise. */
  | {
      readonly type: 'holdAfter';
      /** The call goes on when this settles. */
      readonly until: Promise<unknown>;
    }
  /** An action of another worker between the caller's decision and this call. */
  | {
      readonly type: 'meanwhile';
      /** The action of the other worker. */
      readonly act: () => void;
      /** A fault for the call itself. Default: none. */
      readonly then?: StoreFault;
    };

/** A call that the table has received. Members that the operation does not have are absent. */
export interface StoreCall {
  /** What was called. */
  readonly operation: StoreOperation;
  /** The row. */
  readonly leaseKey?: string;
  /** The condition of the write. */
  readonly expected?: RowCondition;
  /** What the write changes. */
  readonly change?: LeaseChange;
  /** The keeper that wrote, as in the attribute `kinactWriter`. */
  readonly writer?: string;
  /** The row to create. */
  readonly row?: LeaseRow;
  /** The wish to leave or renew. */
  readonly wish?: {
    /** The keeper that wishes. */
    readonly author: string;
    /** The wish; null withdraws it. */
    readonly text: string | null;
  };
}

/** A lease table in memory: its rows, every call, and faults for calls to come. */
export interface MemoryLeaseStore extends LeaseStore {
  /** The table itself. Tests read it, and write to it in the role of other workers. */
  readonly rows: Map<string, LeaseRow>;
  /** Rows that scans report as unreadable; tests add them. */
  readonly malformed: MalformedRow[];
  /** Every call in order, faulty ones included. */
  readonly calls: StoreCall[];
  /** The service time in the answers of scans; tests set it. */
  serviceTimeMs: number;
  /** False until `ensureTable`, if a test sets it so. */
  tableExists: boolean;
  /** The next call of this operation without a scripted fault gets this fault; `leaseKey` narrows it. */
  script(operation: StoreOperation, fault: StoreFault, leaseKey?: string): void;
  /** Scans return these rows, like an eventually consistent read, until `undefined` is given. */
  staleScan(rows: readonly LeaseRow[] | undefined): void;
  /** Puts a row, with defaults for every missing member, and returns it. */
  put(
    row: Partial<LeaseRow> & {
      /** The key of the row. */
      readonly leaseKey: string;
    },
  ): LeaseRow;
  /** Takes the lease as another worker, like a Java KCL 2.x: `kinactWriter` stays as it is unless `writer` is given. */
  takeAs(leaseKey: string, owner: string, writer?: string): LeaseRow;
  /** Renews the lease as another worker, in the same way. */
  renewAs(leaseKey: string, writer?: string): LeaseRow;
  /** The row with this key. Throws INVALID_OPTION if there is none. */
  row(leaseKey: string): LeaseRow;
}

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

const injected = (text: string): KinactError => new KinactError('INJECTED_FAULT', text);

async function applyFault<R>(fault: StoreFault | undefined, operation: StoreOperation, effect: () => R): Promise<R> {
  switch (fault?.type) {
    case undefined:
      return effect();
    case 'meanwhile':
      fault.act();
      return applyFault(fault.then, operation, effect);
    case 'failBefore':
      throw fault.error ?? injected(`scripted: ${operation} failed before it took effect`);
    case 'failAfter':
      effect();
      throw fault.error ?? injected(`scripted: the reply to ${operation} was lost`);
    case 'holdBefore':
      await fault.until;
      return effect();
    case 'holdAfter': {
      const result = effect();
      await fault.until;
      return result;
    }
  }
}

export function memoryLeaseStore(initial: readonly LeaseRow[] = [], tableName = 'memory'): MemoryLeaseStore {
  const rows = new Map(initial.map((row) => [row.leaseKey, row]));
  const scripted: { operation: StoreOperation; fault: StoreFault; leaseKey: string | undefined }[] = [];
  let stale: readonly LeaseRow[] | undefined;

  const rowOrThrow = (leaseKey: string): LeaseRow => {
    const row = rows.get(leaseKey);
    if (row === undefined) refuse('leaseKey', 'the key of a row', leaseKey);
    return row;
  };

  async function perform<R>(call: StoreCall, effect: () => R): Promise<R> {
    store.calls.push(call);
    const at = scripted.findIndex(
      (entry) =>
        entry.operation === call.operation && (entry.leaseKey === undefined || entry.leaseKey === call.leaseKey),
    );
    return applyFault(at < 0 ? undefined : scripted.splice(at, 1)[0]?.fault, call.operation, effect);
  }

  const store: MemoryLeaseStore = {
    tableName,
    rows,
    malformed: [],
    calls: [],
    serviceTimeMs: 1_700_000_000_000,
    tableExists: true,
    script(operation, fault, leaseKey) {
      scripted.push({ operation, fault, leaseKey });
    },
    staleScan(staleRows) {
      stale = staleRows;
    },
    put(row) {
      const whole = leaseRow(row);
      rows.set(whole.leaseKey, whole);
      return whole;
    },
    takeAs(leaseKey, owner, writer) {
      const row = rowOrThrow(leaseKey);
      const switched = row.leaseOwner !== undefined && row.leaseOwner !== owner;
      const taken: LeaseRow = {
        ...row,
        leaseOwner: owner,
        leaseCounter: row.leaseCounter + 1,
        ownerSwitchesSinceCheckpoint: row.ownerSwitchesSinceCheckpoint + (switched ? 1 : 0),
        ...(writer === undefined ? {} : { kinactWriter: writer }),
      };
      rows.set(leaseKey, taken);
      return taken;
    },
    renewAs(leaseKey, writer) {
      const row = rowOrThrow(leaseKey);
      const renewed: LeaseRow = {
        ...row,
        leaseCounter: row.leaseCounter + 1,
        ...(writer === undefined ? {} : { kinactWriter: writer }),
      };
      rows.set(leaseKey, renewed);
      return renewed;
    },
    row: rowOrThrow,
    ensureTable: () =>
      perform({ operation: 'ensureTable' }, () => {
        const created = !store.tableExists;
        store.tableExists = true;
        return { created };
      }),
    scan: () =>
      perform({ operation: 'scan' }, (): LeaseScan => ({
        rows: stale ?? [...rows.values()],
        malformed: [...store.malformed],
        serviceTimeMs: store.serviceTimeMs,
      })),
    get: (leaseKey) => perform({ operation: 'get', leaseKey }, () => rows.get(leaseKey)),
    create: (row) =>
      perform({ operation: 'create', leaseKey: row.leaseKey, row }, () => {
        if (rows.has(row.leaseKey)) return 'exists';
        rows.set(row.leaseKey, row);
        return 'created';
      }),
    update: (leaseKey, { expected, change, writer }) =>
      perform({ operation: 'update', leaseKey, expected, change, writer }, (): WriteOutcome => {
        const row = rows.get(leaseKey);
        if (
          row === undefined ||
          row.leaseCounter !== expected.counter ||
          !isAsExpected(row.leaseOwner, expected.owner) ||
          !isAsExpected(row.kinactWriter, expected.writer) ||
          (change.handOver !== undefined && !isBy(change.handOver.writer, row.kinactWish))
        ) {
          return { type: 'refused', current: row };
        }

        const next = applyChange(row, change, writer);
        rows.set(leaseKey, next);
        const { kinactWish: wish } = next;
        return { type: 'written', counter: next.leaseCounter, ...(wish === undefined ? {} : { wish }) };
      }),
    wish: (leaseKey, expected, wish) =>
      perform({ operation: 'wish', leaseKey, wish }, (): WishOutcome => {
        const row = rows.get(leaseKey);
        if (row === undefined || !mayWish(row, expected, wish)) return { type: 'refused', current: row };
        rows.set(leaseKey, withWish(row, wish.text));
        return { type: 'written' };
      }),
    updateMeta: (leaseKey, meta) =>
      perform({ operation: 'updateMeta', leaseKey }, () => {
        const row = rows.get(leaseKey);
        if (row === undefined) return false;
        rows.set(leaseKey, withMeta(row, meta));
        return true;
      }),
    delete: (leaseKey, counter) =>
      perform({ operation: 'delete', leaseKey }, () => {
        if (rows.get(leaseKey)?.leaseCounter !== counter) return false;
        return rows.delete(leaseKey);
      }),
    close: () => undefined,
  };
  return store;
}
