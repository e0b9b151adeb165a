// A LeaseStore in memory, by the rules of ports.ts and KCL clause 1.3, with faults that a test scripts per call. It is the
// lease table of every fake stream, and of the tests of keeper and coordinator. Tests in test/integration compare it with the
// real table.
import { KinactError } from '../api/errors.js';
import { refuse } from '../api/refusal.js';
import type { LeaseRow } from '../core/lease.js';
import type { LeaseChange, LeaseScan, LeaseStore, MalformedRow, RowCondition } from '../api/ports.js';
import { leaseRow, leaseRows } from '../parking/memory-leases.js';

export { applyChange, leaseRow } from '../parking/memory-leases.js';

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
  const table = leaseRows(rows);

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
    create: (row) => perform({ operation: 'create', leaseKey: row.leaseKey, row }, () => table.create(row)),
    update: (leaseKey, update) =>
      perform({ operation: 'update', leaseKey, ...update }, () => table.update(leaseKey, update)),
    wish: (leaseKey, expected, wish) =>
      perform({ operation: 'wish', leaseKey, wish }, () => table.wish(leaseKey, expected, wish)),
    updateMeta: (leaseKey, meta) =>
      perform({ operation: 'updateMeta', leaseKey }, () => table.updateMeta(leaseKey, meta)),
    delete: (leaseKey, counter) => perform({ operation: 'delete', leaseKey }, () => table.delete(leaseKey, counter)),
    close: () => undefined,
  };
  return store;
}
