// The limit of items that the reducers of a process hand to the application, per second. A reducer that finds no token reserves some:
// the bucket goes into debt, and the reservation is due when the debt is paid. So reservations are due in the order in which they
// were made, and no reducer starves. A change of the limit voids all of them, and tells those that wait.
import { createTokenBucket, take, waitMs, type TokenBucket } from './token-bucket.js';

/** The state. Only the functions of this file change it. Times are monotonic milliseconds. */
export interface RateLimit {
  /** Undefined: there is no limit. */
  bucket: TokenBucket | undefined;
  /** How often the limit has changed. Reservations of an earlier number are void. */
  changes: number;
  /** Tokens of reservations that are neither used nor given back. */
  reserved: number;
  readonly watchers: Set<() => void>;
}

/** Tokens that a reducer may use from `dueAt` on. */
export interface Reservation {
  readonly tokens: number;
  readonly dueAt: number;
  readonly changes: number;
}

/** A reservation has tokens for this part of a second, at least one. Smaller ones would need more timers, larger ones a longer wait. */
const reservationsPerSecond = 20;

export function createRateLimit(perSecond: number | undefined, now: number): RateLimit {
  const limit: RateLimit = { bucket: undefined, changes: 0, reserved: 0, watchers: new Set() };
  setRate(limit, perSecond, now);
  return limit;
}

/** Changes the limit; `undefined` removes it. A new limit begins with a second's worth of tokens, a changed one with those it had. */
export function setRate(limit: RateLimit, perSecond: number | undefined, now: number): void {
  const { bucket: before, reserved } = limit;
  if (before?.perSecond === perSecond) return;
  limit.bucket = undefined;
  if (perSecond !== undefined) {
    const capacity = Math.max(1, perSecond);
    limit.bucket = createTokenBucket({ capacity, perSecond }, now);
    if (before !== undefined) limit.bucket.tokens = Math.min(capacity, tokensOf(before, now) + reserved);
  }
  limit.changes += 1;
  limit.reserved = 0;
  for (const changed of [...limit.watchers]) changed();
}

/** Calls `changed` after each change of the limit. Returns a function that ends this. */
export function watchRate(limit: RateLimit, changed: () => void): () => void {
  limit.watchers.add(changed);
  return () => limit.watchers.delete(changed);
}

export function isVoid({ bucket, changes }: RateLimit, reservation: Reservation): boolean {
  return bucket === undefined || reservation.changes !== changes;
}

/** How many items may be handed out now. While a reservation is not due, none. */
export function allowedNow({ bucket }: RateLimit, reservation: Reservation | undefined, now: number): number {
  if (bucket === undefined) return Infinity;
  const spare = Math.max(0, Math.floor(tokensOf(bucket, now) + rounding));
  if (reservation === undefined) return spare;
  return now < reservation.dueAt ? 0 : reservation.tokens + spare;
}

/** Tokens are fractions, whose sums are a little too low at times. */
const rounding = 1e-6;

/** Uses tokens for `items` items: those of the reservation first. What it has more is given back. */
export function useTokens(limit: RateLimit, reservation: Reservation | undefined, items: number, now: number): void {
  if (limit.bucket === undefined) return;
  const { tokens = 0 } = reservation ?? {};
  limit.reserved -= tokens;
  if (items > tokens) take(limit.bucket, items - tokens, now);
  else giveBack(limit, tokens - items);
}

/** Reserves tokens for at most `items` items. */
export function reserveTokens(limit: RateLimit, items: number, now: number): Reservation {
  const bucket = limit.bucket as TokenBucket;
  const tokens = Math.max(1, Math.min(items, Math.floor(bucket.perSecond / reservationsPerSecond)));
  take(bucket, tokens, now);
  limit.reserved += tokens;
  return { tokens, dueAt: now + waitMs(bucket, 0, now), changes: limit.changes };
}

/** Gives tokens back whose items were not handed out. */
export function giveBack({ bucket }: RateLimit, tokens: number): void {
  if (bucket !== undefined) bucket.tokens = Math.min(bucket.capacity, bucket.tokens + tokens);
}

function tokensOf(bucket: TokenBucket, now: number): number {
  // The wait is of no interest: the call brings `tokens` up to `now`.
  waitMs(bucket, 0, now);
  return bucket.tokens;
}
