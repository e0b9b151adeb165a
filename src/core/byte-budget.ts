// Limits the bytes of records that a process holds, and decides which shard may fetch next. There is one budget per consumer.
// A shard worker opens an account for its tenure, and its reader charges each fetch to that account.
//
// Half of the bytes are shares: each account has an equal share, and no other account can use it. The other half is a pool
// for accounts that hold more than their share. As a result:
// - A request that fits in the rest of the account's share is granted at once, unless accounts have borrowed more than the pool has.
//   That may happen for a while: when new accounts shrink the shares, when an answer is larger than its reservation, or when an
//   account gets the single record that the next line promises.
// - An account that holds nothing always gets one record. So no account waits forever, and shards cannot block one another.
// - If several waiting requests fit, the account that holds least is first.
//
// The process holds less than `maxBytes` plus one record per account. If answers are larger than their reservations, the excess
// can be one answer per account instead (docs/memory.md).

/** The part of the budget that is divided into shares; the rest is the pool. */
const sharedPart = 1 / 2;
/** An account is asked to flush if its `ownBytes` are at least this part of the largest `ownBytes`. */
const largePart = 1 / 2;

export interface ByteBudget {
  readonly maxBytes: number;
  readonly accounts: Set<ByteAccount>;
  /** Accounts with a reader that waits for bytes. */
  readonly waiting: Set<ByteAccount>;
  heldBytes: number;
  /** Bytes that accounts hold beyond their shares, in total. */
  borrowedBytes: number;
}

/** The size of a reader's next read. */
export interface ByteRequest {
  /** Expected bytes per record, from the last answer; undefined before the first answer with records. */
  readonly recordBytes: number | undefined;
  readonly maxRecords: number;
  /** Bytes of the largest possible answer. */
  readonly answerBytes: number;
}

/** The bytes that one shard holds. Other files may read an account, but only this file changes it. */
export interface ByteAccount {
  readonly budget: ByteBudget;
  /** Called when `askedToFlush` becomes true. */
  readonly askToFlush: () => void;
  /** Bytes reserved for the answer to the open request. */
  reservedBytes: number;
  /** Bytes that the reader has fetched and the shard worker has not asked for yet. */
  aheadBytes: number;
  /** Bytes on their way from the reader to the shard worker. */
  inTransitBytes: number;
  /** Bytes that the shard worker has, admitted or waiting for admission. */
  ownBytes: number;
  /** The sum of the four numbers above. */
  heldBytes: number;
  /** This account or another waits for bytes, so acknowledgements must not wait for a fuller batch. */
  askedToFlush: boolean;
  waiter: { readonly request: ByteRequest; readonly granted: (limit: number) => void } | undefined;
  closed: boolean;
}

export function createByteBudget(maxBytes: number): ByteBudget {
  return { maxBytes, accounts: new Set(), waiting: new Set(), heldBytes: 0, borrowedBytes: 0 };
}

/** Opens an account, which shrinks the shares of the others. */
export function openAccount(budget: ByteBudget, askToFlush: () => void): ByteAccount {
  const account: ByteAccount = {
    budget,
    askToFlush,
    reservedBytes: 0,
    aheadBytes: 0,
    inTransitBytes: 0,
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
 * Returns all bytes of the account to the budget. Later calls, `closeAccount` included, do not change it. A waiting
 * request is granted, and its caller then finds the reader closed.
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
  Object.assign(account, { reservedBytes: 0, aheadBytes: 0, inTransitBytes: 0, ownBytes: 0, heldBytes: 0 });
  recount(budget);
  wake(budget);
}

/** The bytes that each account may hold, however much the others hold. */
export function shareOf({ maxBytes, accounts }: ByteBudget): number {
  return Math.floor((maxBytes * sharedPart) / Math.max(1, accounts.size));
}

/** How many more bytes the account may hold now; zero or negative if none. */
export function allowance({ budget, heldBytes }: ByteAccount): number {
  const pool = budget.maxBytes * (1 - sharedPart);
  return pool - budget.borrowedBytes + Math.max(0, shareOf(budget) - heldBytes);
}

/**
 * Reserves bytes for the records that the reader may request now, and returns how many records these are; 0 if it must wait. The bytes stay
 * reserved until `releaseReservation`.
 */
export function requestNow(account: ByteAccount, request: ByteRequest): number {
  if (account.closed) return 1;
  const limit = limitFor(account, request);
  if (limit > 0) reserve(account, request, limit);
  return limit;
}

/**
 * Calls `granted` with the number of records that the reader may request, at once or when there is room. Their bytes stay
 * reserved until `releaseReservation`. An account has at most one open request. The returned function withdraws it.
 */
export function requestRecords(
  account: ByteAccount,
  request: ByteRequest,
  granted: (limit: number) => void,
): () => void {
  const { budget } = account;
  const limit = requestNow(account, request);
  if (limit > 0) {
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
    if (budget.waiting.size === 0) forgetFlushRequests(budget);
  };
}

/** Adds the bytes of an answer that the reader keeps until the shard worker asks for it. */
export function keepAhead(account: ByteAccount, bytes: number): void {
  if (account.closed) return;
  account.aheadBytes += bytes;
  change(account, bytes);
}

/** Drops the reservation: the request has failed, `keepAhead` has counted the answer, or the answer may take any length of time. */
export function releaseReservation(account: ByteAccount): void {
  const { reservedBytes } = account;
  account.reservedBytes = 0;
  change(account, -reservedBytes);
}

/** Moves bytes that were fetched ahead to the shard worker, which has asked for them. */
export function moveToShardWorker(account: ByteAccount, bytes: number): void {
  if (account.closed) return;
  account.aheadBytes -= bytes;
  account.inTransitBytes += bytes;
}

/** Drops the reservation and the bytes that were fetched ahead, because the reader is closed. */
export function dropAhead(account: ByteAccount): void {
  const bytes = account.aheadBytes + account.reservedBytes;
  account.aheadBytes = 0;
  account.reservedBytes = 0;
  change(account, -bytes);
}

/** Sets the bytes that the shard worker holds now. `received`: all `inTransitBytes` have arrived. */
export function setShardWorkerBytes(account: ByteAccount, bytes: number, received: boolean): void {
  if (account.closed) return;
  const before = account.ownBytes + (received ? account.inTransitBytes : 0);
  account.ownBytes = bytes;
  if (received) account.inTransitBytes = 0;
  change(account, bytes - before);
}

/** How many records the account may request now; 0 if it must wait. */
function limitFor(account: ByteAccount, { recordBytes, maxRecords, answerBytes }: ByteRequest): number {
  const free = allowance(account);
  if (free >= answerBytes) return maxRecords;
  if (recordBytes !== undefined && free >= recordBytes) return Math.min(maxRecords, Math.floor(free / recordBytes));
  return account.heldBytes === 0 ? 1 : 0;
}

function reserve(account: ByteAccount, { recordBytes, answerBytes }: ByteRequest, limit: number): void {
  // If the record size is unknown, a request for one record reserves nothing, and any other request reserves a full answer.
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
 * Grants the waiting requests that fit, starting with the account that holds least. If accounts still wait, asks them and the
 * largest holders to flush.
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
  else forgetFlushRequests(budget);
}

function askToFlush(budget: ByteBudget): void {
  let largest = 0;
  for (const { ownBytes } of budget.accounts) largest = Math.max(largest, ownBytes);
  for (const account of budget.accounts) {
    const isLarge = account.ownBytes > 0 && account.ownBytes >= largest * largePart;
    if (account.askedToFlush || !(isLarge || account.waiter !== undefined)) continue;
    account.askedToFlush = true;
    account.askToFlush();
  }
}

/** No reader waits for bytes any more, so each account may be asked again when one does. */
function forgetFlushRequests(budget: ByteBudget): void {
  for (const account of budget.accounts) account.askedToFlush = false;
}
