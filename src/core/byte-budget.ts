// How many bytes of records a process may hold at once, and who may have the next ones. One budget per consumer. A
// shard worker opens an account for its tenure, and its reader asks by that account before every fetch.
//
// The rule: half of the bytes are shares, an equal part for every account, lent to nobody. The other half is a pool,
// for accounts that hold more than their share. It follows that:
// - Nobody can take another's share.
// - An account within its share waits only if new accounts opened while the pool was lent out. It waits until those bytes
//   return.
// - An account that holds nothing is always granted a record. So nobody waits for ever, and shards cannot block one
//   another.
// - Of the accounts that wait, the one that holds least is first.
//
// The process holds less than `maxBytes` plus one record per account, as long as no answer is larger than what was
// reserved for it.

/** Half is shared out, half is lent. */
const SHARED = 1 / 2;
/** An account that holds at least this part of what the largest one has is asked to give back. */
const LARGE = 1 / 2;

export interface ByteBudget {
  readonly maxBytes: number;
  readonly accounts: Set<ByteAccount>;
  /** Accounts whose reader waits. */
  readonly waiting: Set<ByteAccount>;
  heldBytes: number;
  /** What accounts hold beyond their shares. */
  borrowedBytes: number;
}

/** What a reader is about to ask its service for. */
export interface ByteRequest {
  /** Bytes of a record, by what was read last; undefined while nothing was. */
  readonly recordBytes: number | undefined;
  readonly maxRecords: number;
  /** The largest answer there is. */
  readonly answerBytes: number;
}

/** What one shard holds. Read it; the functions of this file change it. */
export interface ByteAccount {
  readonly budget: ByteBudget;
  /** Called when others wait for what this account holds. */
  readonly askToFlush: () => void;
  /** Asked for and not answered yet, as it is expected. */
  reservedBytes: number;
  /** Fetched, and not read by the worker. */
  aheadBytes: number;
  /** On its way from the reader to the worker. */
  handedBytes: number;
  /** With the worker: admitted, or waiting for that. */
  ownBytes: number;
  heldBytes: number;
  /** Others, or its own reader, wait for bytes: acknowledgements must not wait for a fuller batch. */
  askedToFlush: boolean;
  waiter: { readonly request: ByteRequest; readonly granted: (limit: number) => void } | undefined;
  closed: boolean;
}

export function createByteBudget(maxBytes: number): ByteBudget {
  return { maxBytes, accounts: new Set(), waiting: new Set(), heldBytes: 0, borrowedBytes: 0 };
}

/** Opens an account, which makes the shares of the others smaller. */
export function openAccount(budget: ByteBudget, askToFlush: () => void): ByteAccount {
  const account: ByteAccount = {
    budget,
    askToFlush,
    reservedBytes: 0,
    aheadBytes: 0,
    handedBytes: 0,
    ownBytes: 0,
    heldBytes: 0,
    askedToFlush: false,
    waiter: undefined,
    closed: false,
  };
  budget.accounts.add(account);
  recount(budget);
  return account;
}

/**
 * Gives everything back; afterwards nothing changes the account any more. Idempotent. A request that waits is granted:
 * the code that made it then finds its reader closed.
 */
export function closeAccount(account: ByteAccount): void {
  const { budget, waiter } = account;
  if (account.closed) return;
  account.closed = true;
  account.waiter = undefined;
  waiter?.granted(1);
  account.askedToFlush = false;
  budget.waiting.delete(account);
  budget.accounts.delete(account);
  budget.heldBytes -= account.heldBytes;
  Object.assign(account, { reservedBytes: 0, aheadBytes: 0, handedBytes: 0, ownBytes: 0, heldBytes: 0 });
  recount(budget);
  wake(budget);
}

/** The part of the budget that an account has whatever the others do. */
export function shareOf({ maxBytes, accounts }: ByteBudget): number {
  return Math.floor((maxBytes * SHARED) / Math.max(1, accounts.size));
}

/** Bytes the account may take on now; zero or negative when there are none. */
export function allowance({ budget, heldBytes }: ByteAccount): number {
  const pool = budget.maxBytes * (1 - SHARED);
  return pool - budget.borrowedBytes + Math.max(0, shareOf(budget) - heldBytes);
}

/**
 * Calls `granted` with how many records may be asked for, at once or when there is room, and reserves their bytes until
 * `answered`. At most one request of an account is open. Returns a function that withdraws it.
 */
export function requestRecords(
  account: ByteAccount,
  request: ByteRequest,
  granted: (limit: number) => void,
): () => void {
  const { budget } = account;
  const limit = account.closed ? 1 : limitFor(account, request);
  if (limit > 0) {
    if (!account.closed) reserve(account, request, limit);
    granted(limit);
    return () => {};
  }
  const waiter = { request, granted };
  account.waiter = waiter;
  budget.waiting.add(account);
  askToFlush(budget);
  return () => {
    if (account.waiter !== waiter) return;
    account.waiter = undefined;
    budget.waiting.delete(account);
    relieve(budget);
  };
}

/** The reader keeps this of an answer until the worker asks for it. */
export function keepAhead(account: ByteAccount, bytes: number): void {
  if (account.closed) return;
  account.aheadBytes += bytes;
  change(account, bytes);
}

/** The request is answered, and what is kept of the answer has been noted; or it failed. */
export function answered(account: ByteAccount): void {
  const { reservedBytes } = account;
  account.reservedBytes = 0;
  change(account, -reservedBytes);
}

/** The worker has asked, and gets this from what was fetched ahead. */
export function passToWorker(account: ByteAccount, bytes: number): void {
  if (account.closed) return;
  account.aheadBytes -= bytes;
  account.handedBytes += bytes;
}

/** The reader holds nothing and asks for nothing any more. */
export function dropAhead(account: ByteAccount): void {
  if (account.closed) return;
  const bytes = account.aheadBytes + account.reservedBytes;
  account.aheadBytes = 0;
  account.reservedBytes = 0;
  change(account, -bytes);
}

/** What the worker holds now. `received`: nothing is on its way to it. */
export function holdOwn(account: ByteAccount, bytes: number, received: boolean): void {
  if (account.closed) return;
  const before = account.ownBytes + (received ? account.handedBytes : 0);
  account.ownBytes = bytes;
  if (received) account.handedBytes = 0;
  change(account, bytes - before);
}

/** 0: not now. */
function limitFor(account: ByteAccount, { recordBytes, maxRecords, answerBytes }: ByteRequest): number {
  const free = allowance(account);
  if (free >= answerBytes) return maxRecords;
  if (recordBytes !== undefined && free >= recordBytes) return Math.min(maxRecords, Math.floor(free / recordBytes));
  return account.heldBytes === 0 ? 1 : 0;
}

function reserve(account: ByteAccount, { recordBytes, answerBytes }: ByteRequest, limit: number): void {
  // Record size unknown: reserve a full answer, or nothing when asking for one record.
  const expected = recordBytes === undefined ? (limit === 1 ? 0 : answerBytes) : limit * recordBytes;
  account.reservedBytes = Math.min(answerBytes, expected);
  change(account, account.reservedBytes);
}

function change(account: ByteAccount, by: number): void {
  const { budget } = account;
  if (account.closed || by === 0) return;
  const share = shareOf(budget);
  const before = Math.max(0, account.heldBytes - share);
  account.heldBytes += by;
  budget.heldBytes += by;
  budget.borrowedBytes += Math.max(0, account.heldBytes - share) - before;
  if (by < 0) wake(budget);
}

function recount(budget: ByteBudget): void {
  const share = shareOf(budget);
  budget.borrowedBytes = 0;
  for (const { heldBytes } of budget.accounts) budget.borrowedBytes += Math.max(0, heldBytes - share);
}

/**
 * Grants what fits, to the account that holds least first. If some still wait, the largest holders are asked to give
 * back.
 */
function wake(budget: ByteBudget): void {
  while (budget.waiting.size > 0) {
    let next: ByteAccount | undefined;
    for (const account of budget.waiting) {
      const { waiter, heldBytes } = account;
      if (next !== undefined && heldBytes >= next.heldBytes) continue;
      if (waiter !== undefined && limitFor(account, waiter.request) > 0) next = account;
    }
    if (next?.waiter === undefined) break;
    const { request, granted } = next.waiter;
    const limit = limitFor(next, request);
    next.waiter = undefined;
    budget.waiting.delete(next);
    reserve(next, request, limit);
    granted(limit);
  }
  if (budget.waiting.size > 0) askToFlush(budget);
  else relieve(budget);
}

function askToFlush(budget: ByteBudget): void {
  let largest = 0;
  for (const { ownBytes } of budget.accounts) largest = Math.max(largest, ownBytes);
  for (const account of budget.accounts) {
    const isLarge = account.ownBytes > 0 && account.ownBytes >= largest * LARGE;
    if (account.askedToFlush || !(isLarge || account.waiter !== undefined)) continue;
    account.askedToFlush = true;
    account.askToFlush();
  }
}

function relieve(budget: ByteBudget): void {
  if (budget.waiting.size > 0) return;
  for (const account of budget.accounts) account.askedToFlush = false;
}
