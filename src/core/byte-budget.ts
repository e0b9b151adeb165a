// How many bytes of records a process may hold at once, and who may have the next ones. There is one budget per consumer. A
// shard worker opens an account for its tenure, and its reader charges each fetch to that account.
//
// The rule: half of the bytes are shares, an equal part for every account, lent to nobody. The other half is a pool,
// for accounts that hold more than their share. It follows that:
// - No account can take another's share.
// - An account below its share waits in one case: new accounts shrank the shares while the pool was lent out. It waits until
//   the borrowed bytes return.
// - An account that holds nothing is always granted a record. So no account waits for ever, and shards cannot block one
//   another.
// - Of the accounts that wait, the one that holds least comes first.
//
// The process holds less than `maxBytes` plus one record per account. Where an answer is larger than what was reserved for it, it is
// one answer per account instead (docs/memory.md).

/** The part of the budget that is shared out; the rest is lent. */
const SHARED = 1 / 2;
/** An account that holds at least this part of what the largest account holds is asked to give back. */
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
  /** Bytes of a record, judged by what was read last; undefined until something has been read. */
  readonly recordBytes: number | undefined;
  readonly maxRecords: number;
  /** Bytes of the largest answer that the service may give. */
  readonly answerBytes: number;
}

/** What one shard holds. Anyone may read it; only the functions of this file change it. */
export interface ByteAccount {
  readonly budget: ByteBudget;
  /** Called when others wait for what this account holds. */
  readonly askToFlush: () => void;
  /** Bytes expected of the request that is not answered yet. */
  reservedBytes: number;
  /** Bytes that the reader has fetched and the worker has not asked for yet. */
  aheadBytes: number;
  /** Bytes on their way from the reader to the worker. */
  handedBytes: number;
  /** Bytes that the worker has: admitted, or waiting to be. */
  ownBytes: number;
  heldBytes: number;
  /** Other accounts, or the reader of this one, wait for bytes: acknowledgements must not wait for a fuller batch. */
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
 * Gives everything back; afterwards nothing changes the account any more. A second call has no effect. A request that waits
 * is granted: the code that made it then finds its reader closed.
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
 * `releaseReservation`. At most one request of an account is open. Returns a function that withdraws it.
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

/** Notes the bytes of an answer that the reader keeps until the worker asks for them. */
export function keepAhead(account: ByteAccount, bytes: number): void {
  if (account.closed) return;
  account.aheadBytes += bytes;
  change(account, bytes);
}

/** Gives the reservation back: the request has failed, or `keepAhead` has noted its answer. */
export function releaseReservation(account: ByteAccount): void {
  const { reservedBytes } = account;
  account.reservedBytes = 0;
  change(account, -reservedBytes);
}

/** Notes the bytes that the worker has asked for and gets from what was fetched ahead. */
export function passToWorker(account: ByteAccount, bytes: number): void {
  if (account.closed) return;
  account.aheadBytes -= bytes;
  account.handedBytes += bytes;
}

/** Gives back what the reader holds and has asked for: it needs nothing any more. */
export function dropAhead(account: ByteAccount): void {
  if (account.closed) return;
  const bytes = account.aheadBytes + account.reservedBytes;
  account.aheadBytes = 0;
  account.reservedBytes = 0;
  change(account, -bytes);
}

/** Notes the bytes that the worker holds now. `received`: nothing is on its way to it any more. */
export function setWorkerBytes(account: ByteAccount, bytes: number, received: boolean): void {
  if (account.closed) return;
  const before = account.ownBytes + (received ? account.handedBytes : 0);
  account.ownBytes = bytes;
  if (received) account.handedBytes = 0;
  change(account, bytes - before);
}

/** How many records the account may ask for now; 0 when it must wait. */
function limitFor(account: ByteAccount, { recordBytes, maxRecords, answerBytes }: ByteRequest): number {
  const free = allowance(account);
  if (free >= answerBytes) return maxRecords;
  if (recordBytes !== undefined && free >= recordBytes) return Math.min(maxRecords, Math.floor(free / recordBytes));
  return account.heldBytes === 0 ? 1 : 0;
}

function reserve(account: ByteAccount, { recordBytes, answerBytes }: ByteRequest, limit: number): void {
  // Without a known record size, reserve a full answer, or nothing when asking for one record.
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
 * Grants what fits, first to the account that holds least. If some accounts still wait, the largest holders are asked to
 * give back.
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
