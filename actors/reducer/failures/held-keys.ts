// Items that wait for another attempt, and the later items of their keys behind them. An item that waits holds its key: the order of
// a key is kept, and other keys go on. In an outage every item waits, and one attempt at a time finds out whether calls succeed
// again. failed-call.ts begins an outage (`noteOutage`) and ends it (`callSucceeded`). Only rules and state are here: attempts.ts calls the
// application.
import type { DeliveredItem } from '../../protocol/item.js';
import type { FailedItem } from '../../../src/api/failed-item.js';

/** An item that waits. */
export interface HeldItem {
  readonly item: DeliveredItem;
  /** How many calls with this item have failed. 0: it waits behind another item, or because of an outage. */
  readonly failures: number;
  /** When its first call failed, or when it arrived. Monotonic milliseconds. */
  readonly since: number;
  readonly at: FailedItem['at'];
  readonly error: unknown;
  /** The failure policy has not answered yet, or a sink does not keep the item yet. */
  readonly isUndecided: boolean;
  /** A sink is to keep the item. It says nothing about the calls of the reducer. */
  readonly isParked?: boolean;
}

/** A key that is held. */
export interface HeldKey {
  readonly key: string;
  /** The item to try next, or the item of the attempt under way. */
  head: HeldItem;
  /** The later items of the key, in order. Items whose calls overlapped may have failed, too. */
  behind: HeldItem[];
  /** When the next attempt is due. */
  dueAt: number;
  /** An attempt is under way, or the failure policy has not answered about the head. */
  isBusy: boolean;
}

/** Calls fail for many keys and none succeeds: the failures are probably not the items' fault. */
export interface Outage {
  readonly since: number;
  /** How many attempts have failed in this outage. */
  failures: number;
  dueAt: number;
  /** An attempt has neither failed nor succeeded. It may have returned, and will be acknowledged later. */
  isUnderWay: boolean;
  /** The delay before the attempt that is due, or under way. */
  delayMs: number;
  /** Whether the last attempt was with an item that had never been tried. */
  lastWasNew: boolean;
  /** The key of the attempt under way, or of the last failure. */
  key: string;
  /** The last failure, of whichever key. */
  error: unknown;
}

export interface HeldKeys {
  /** How many keys must fail, without a success in between, before it is an outage. */
  readonly outageKeys: number;
  readonly byKey: Map<string, HeldKey>;
  /** The keys whose calls have failed since the last success. */
  readonly failedKeys: Set<string>;
  outage: Outage | undefined;
  /** Whether the last call was an attempt: attempts take at most half of the calls. */
  lastCallWasAttempt: boolean;
  /** When the next attempt is due; undefined if it must be computed again. */
  nextAt: number | undefined;
}

export function createHeldKeys(outageKeys: number): HeldKeys {
  return {
    outageKeys,
    byKey: new Map(),
    failedKeys: new Set(),
    outage: undefined,
    lastCallWasAttempt: false,
    nextAt: Infinity,
  };
}

/** Whether any item is held, or an outage holds all: then an item that arrives may have to wait. */
export function holdsAny({ byKey, outage }: HeldKeys): boolean {
  return byKey.size > 0 || outage !== undefined;
}

/** Whether this item has to wait. */
export function mustWait({ byKey, outage }: HeldKeys, { key }: DeliveredItem): boolean {
  return outage !== undefined || byKey.has(key);
}

/** Holds an item that has not been tried. */
export function holdNew(keys: HeldKeys, item: DeliveredItem, now: number): void {
  const held: HeldItem = { item, failures: 0, since: now, at: 'reduce', error: undefined, isUndecided: false };
  const known = keys.byKey.get(item.key);
  if (known === undefined)
    keys.byKey.set(item.key, { key: item.key, head: held, behind: [], dueAt: now, isBusy: false });
  else if (!tryPutFirst(known, held, now)) {
    // The head is the same, so the time of the next attempt is, too.
    putBehind(known, held);
    return;
  }
  keys.nextAt = undefined;
}

/** Makes an item the head of its key if it comes before the head, and no attempt with the head is under way. Else returns false. */
function tryPutFirst(known: HeldKey, held: HeldItem, dueAt: number): boolean {
  if (!isBefore(held.item, known.head.item) || (known.isBusy && !known.head.isUndecided)) return false;
  known.behind.unshift(known.head);
  Object.assign(known, { head: held, dueAt, isBusy: held.isUndecided });
  return true;
}

/** Puts an item in its place behind the head. An item that was gathered before its key was held may come after later ones. */
function putBehind({ behind }: HeldKey, held: HeldItem): void {
  const { tenure } = held.item;
  // Usually its place is the last one, and then nothing is searched.
  const last = behind.findLast(({ item }) => item.tenure === tenure);
  if (last === undefined || !isBefore(held.item, last.item)) {
    behind.push(held);
    return;
  }
  const place = behind.findIndex((later) => isBefore(held.item, later.item));
  behind.splice(place, 0, held);
}

/** Holds an item that has failed, at its place in the order of its key. */
export function holdFailed(keys: HeldKeys, failed: HeldItem, dueAt: number): void {
  const { item, isUndecided: isBusy } = failed;
  const known = keys.byKey.get(item.key);
  keys.nextAt = undefined;

  if (known === undefined) {
    keys.byKey.set(item.key, { key: item.key, head: failed, behind: [], dueAt, isBusy });
    return;
  }

  if (known.head.item === item) {
    known.head = failed;
    known.dueAt = dueAt;
    known.isBusy = isBusy;
    // In an outage the keys take turns, in the order of the map.
    keys.byKey.delete(item.key);
    keys.byKey.set(item.key, known);
    return;
  }

  // The item is here already if it has waited for the answer of its policy.
  known.behind = known.behind.filter((each) => each.item !== item);
  if (!tryPutFirst(known, failed, dueAt)) putBehind(known, failed);
}

/** Whether both are of one shard worker, and `one` comes first. Items of different shard workers have no order. */
function isBefore(one: DeliveredItem, other: DeliveredItem): boolean {
  if (one.tenure.shardWorkerNumber !== other.tenure.shardWorkerNumber) return false;
  return one.ordinal < other.ordinal || (one.ordinal === other.ordinal && one.index < other.index);
}

/** Whether this item was handed out since it last failed. `ctx.fail` may come before its call has ended. */
export function isHandedOutAgain({ byKey }: HeldKeys, item: DeliveredItem): boolean {
  const head = byKey.get(item.key)?.head;
  return head?.item === item && head.failures < item.attempt;
}

/** Takes out an item that is settled, dropped or given up. Returns the items that no longer wait, in order. */
export function takeOut(keys: HeldKeys, item: DeliveredItem, now: number): readonly DeliveredItem[] {
  const held = keys.byKey.get(item.key);
  if (held === undefined) return [];
  if (held.head.item !== item) {
    held.behind = held.behind.filter((each) => each.item !== item);
    return [];
  }

  keys.nextAt = undefined;
  const { key, behind } = held;
  if (keys.outage === undefined && behind.every(({ failures }) => failures === 0)) {
    keys.byKey.delete(key);
    return behind.map((each) => each.item);
  }

  const [next, ...rest] = behind;
  if (next === undefined) keys.byKey.delete(key);
  else {
    held.head = next;
    held.behind = rest;
    held.dueAt = now;
    held.isBusy = next.isUndecided;
  }
  return [];
}

/** Notes that a call with this key has failed. An outage may begin with it. */
export function noteFailedKey(keys: HeldKeys, key: string, error: unknown, now: number): void {
  keys.failedKeys.add(key);
  if (keys.outage !== undefined || keys.failedKeys.size < keys.outageKeys) return;
  const attempts = { failures: 0, dueAt: now, isUnderWay: false, delayMs: 0, lastWasNew: false };
  keys.outage = { since: now, ...attempts, key, error };
  keys.nextAt = undefined;
}

/** Ends an outage, because a call has succeeded. Returns the items that no longer wait: those of keys without a failed item. */
export function endOutage(keys: HeldKeys, now: number): readonly DeliveredItem[] {
  keys.outage = undefined;
  keys.nextAt = undefined;
  const freed: DeliveredItem[] = [];
  for (const [key, held] of keys.byKey) {
    // The success may be that of a call that still runs: its item leaves when the call has ended.
    if (held.isBusy || held.head.failures > 0 || held.behind.some(({ failures }) => failures > 0)) held.dueAt = now;
    else {
      keys.byKey.delete(key);
      freed.push(held.head.item, ...held.behind.map(({ item }) => item));
    }
  }
  return freed;
}

/** Takes out the items of a shard worker that has ended. Returns them, and the items that no longer wait. */
export function dropShardWorker(
  keys: HeldKeys,
  shardWorker: number,
  now: number,
): { readonly dropped: readonly DeliveredItem[]; readonly freed: readonly DeliveredItem[] } {
  const isTheirs = ({ item }: HeldItem): boolean => item.tenure.shardWorkerNumber === shardWorker;
  const dropped: DeliveredItem[] = [];
  const freed: DeliveredItem[] = [];
  for (const held of [...keys.byKey.values()]) {
    dropped.push(...held.behind.filter(isTheirs).map(({ item }) => item));
    held.behind = held.behind.filter((each) => !isTheirs(each));
    // The head of a busy key leaves it when its call or its policy has ended.
    if (!isTheirs(held.head) || held.isBusy) continue;
    dropped.push(held.head.item);
    freed.push(...takeOut(keys, held.head.item, now));
  }
  return { dropped, freed };
}

/** When the next attempt is due; Infinity if none is. */
export function nextAttemptAt(keys: HeldKeys): number {
  keys.nextAt ??= computeNextAt(keys);
  return keys.nextAt;
}

/** In an outage no attempt is due while another one is under way, or waits for its policy. A call of a sink does not count as one. */
function computeNextAt({ byKey, outage }: HeldKeys): number {
  let earliest = Infinity;
  for (const { dueAt, isBusy, head } of byKey.values()) {
    if (isBusy && head.isParked !== true && outage !== undefined) return Infinity;
    if (!isBusy) earliest = Math.min(earliest, outage?.dueAt ?? dueAt);
  }
  return earliest;
}

/** The key to try now; undefined if no attempt is due. In an outage, new keys and failed ones take turns. */
export function dueKey(keys: HeldKeys, now: number): HeldKey | undefined {
  if (nextAttemptAt(keys) > now) return undefined;
  const { byKey, outage } = keys;
  let chosen: HeldKey | undefined;
  for (const held of byKey.values()) {
    if (held.isBusy) continue;
    if (outage !== undefined) {
      const isNew = held.head.failures === 0;
      if (isNew !== outage.lastWasNew) return held;
      chosen ??= held;
    } else if (held.dueAt <= now && (chosen === undefined || held.dueAt < chosen.dueAt)) chosen = held;
  }
  return chosen;
}

/** Notes that an attempt with this key begins. */
export function beginAttempt(keys: HeldKeys, held: HeldKey): void {
  held.isBusy = true;
  keys.nextAt = undefined;
  keys.lastCallWasAttempt = true;
  if (keys.outage === undefined) return;
  keys.outage.lastWasNew = held.head.failures === 0;
  keys.outage.key = held.key;
  // One attempt at a time: the next one gets its time when this one has failed (`delayOutage`).
  keys.outage.isUnderWay = true;
  keys.outage.dueAt = Infinity;
}

/** Sets the delay before the next attempt of an outage, because the last one has failed. */
export function delayOutage(keys: HeldKeys, outage: Outage, delayMs: number, now: number): void {
  outage.isUnderWay = false;
  outage.delayMs = delayMs;
  outage.dueAt = now + delayMs;
  keys.nextAt = undefined;
}

/** The attempt has returned, but is not acknowledged. The next one follows after the same delay: the application may need more items. */
export function attemptReturned(keys: HeldKeys, now: number): void {
  if (keys.outage?.isUnderWay !== true) return;
  keys.outage.dueAt = now + keys.outage.delayMs;
  keys.nextAt = undefined;
}

/** An attempt of an outage ends without a failure or a success, which says nothing about the outage: the next one may come. */
export function attemptDropped(keys: HeldKeys, now: number): void {
  if (keys.outage?.isUnderWay !== true) return;
  keys.outage.isUnderWay = false;
  keys.outage.dueAt = now;
  keys.nextAt = undefined;
}

/** Makes what waits of this shard worker due now: all its keys, or in an outage one attempt. */
export function makeDue(keys: HeldKeys, shardWorker: number, now: number): void {
  keys.nextAt = undefined;
  if (keys.outage !== undefined) keys.outage.dueAt = now;
  else
    for (const held of keys.byKey.values())
      if (held.head.item.tenure.shardWorkerNumber === shardWorker) held.dueAt = now;
}

/** The held items of this shard worker. */
export function* heldItemsOf({ byKey }: HeldKeys, shardWorker: number): Generator<HeldItem> {
  for (const { head, behind } of byKey.values()) {
    if (head.item.tenure.shardWorkerNumber === shardWorker) yield head;
    for (const each of behind) if (each.item.tenure.shardWorkerNumber === shardWorker) yield each;
  }
}
