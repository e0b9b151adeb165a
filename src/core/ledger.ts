// The records that one incarnation of a shard worker has admitted, and which of them are settled. The ledger decides how far the checkpoint
// may go, and so whether records are lost. Invariant: the frontier never passes a record that has an open item, and never stops inside an
// indivisible aggregate. (Such an aggregate is written by erlmld, an Erlang library, and not by the KPL. A checkpoint covers all of its
// records or none.) Each fence has its own ledger, so a late settle of an old incarnation cannot touch the new one. The shard worker calls
// the ledger for every record, so a call takes amortized O(1) time, and usually allocates nothing.
import { createRing, doubledRing, type Pin, type Ring } from './ledger-ring.js';
import type { Position } from './position.js';
import { compareSequenceNumbers } from './sequence-number.js';

/** How much may be open at once. */
export interface LedgerBounds {
  /** Records that are admitted and not settled; at least 1. */
  readonly maxPending: number;
  /** Bytes of these records. A single larger record is admitted alone. */
  readonly maxPendingBytes: number;
  /**
   * Records from the oldest open one to the newest admitted one, settled or not: all of them are replayed after a crash.
   * Default: 64 times `maxPending`.
   */
  readonly maxSpan?: number;
}

/** The state. Other files may read the counters, but only the functions of this file change them. */
export interface Ledger {
  readonly maxPending: number;
  readonly maxPendingBytes: number;
  readonly maxSpan: number;
  /** Records admitted so far, which is also the next ordinal. */
  admitted: number;
  /** Records with all items settled, and their bytes. */
  settled: number;
  settledBytes: number;
  openRecords: number;
  openBytes: number;
  /** Bytes that open records keep in memory. For records that share a buffer (`Pin`), the whole buffer counts, once. */
  heldBytes: number;
  /** Ignored calls: repeats of `settle`, and calls of `settle` or `expectItems` for an unknown record or item. */
  ignoredCalls: number;
  /** The ordinal of the frontier; -1 while there is none. */
  frontierOrdinal: number;
  /** The place of the frontier, if there is one. Its two members: an object for each move would be one for each record. */
  frontierNumber: string;
  frontierSub: number;
  /** The place of the record admitted last; an empty number before the first. */
  newestNumber: string;
  newestSub: number;
  /** Arrival of the oldest record that the frontier has passed since the last `takePassed`; NaN if no such time is known. */
  passedArrivedAt: number;
  /** The buffer that contains all records admitted from `pin` to `unpin`. */
  pinned: Pin | undefined;
  /** The oldest open ordinal: everything before it is settled. Equal to `admitted` when nothing is open. */
  head: number;
  ring: Ring;
}

/** An open record, for status reports and watchdogs. */
export interface LedgerEntry {
  readonly ordinal: number;
  readonly position: Position;
  /** The clock's `now()` when the record was admitted. */
  readonly admittedAt: number;
  /** `noteArrival`: when the record arrived, epoch milliseconds; NaN if that was not noted. */
  readonly arrivedAt: number;
  readonly bytes: number;
  /** Items not settled yet; 0 for a settled record after an open one. */
  readonly itemsOpen: number;
}

const uncounted = -1;
const wordBits = 32;
const spanPerPending = 64;

/** Creates an empty ledger. */
export function createLedger(bounds: LedgerBounds): Ledger {
  return {
    maxPending: bounds.maxPending,
    maxPendingBytes: bounds.maxPendingBytes,
    maxSpan: bounds.maxSpan ?? spanPerPending * bounds.maxPending,
    admitted: 0,
    settled: 0,
    settledBytes: 0,
    openRecords: 0,
    openBytes: 0,
    heldBytes: 0,
    ignoredCalls: 0,
    frontierOrdinal: -1,
    frontierNumber: '',
    frontierSub: 0,
    newestNumber: '',
    newestSub: 0,
    passedArrivedAt: Number.NaN,
    pinned: undefined,
    head: 0,
    ring: createRing(),
  };
}

/**
 * Whether one more record, of `bytes` bytes, may be admitted. Without `bytes`: whether to fetch more. If nothing is open, there
 * is always room: a record above the byte bound is admitted alone.
 */
export function hasRoom(ledger: Ledger, bytes = 1): boolean {
  return (
    ledger.openRecords === 0 ||
    (ledger.openRecords < ledger.maxPending &&
      ledger.openBytes + bytes <= ledger.maxPendingBytes &&
      ledger.admitted - ledger.head < ledger.maxSpan)
  );
}

/**
 * Admits a record and returns its *ordinal*: its number in the ledger, from 0 without gaps. Returns -1, and changes nothing, for a
 * duplicate: a record whose position is not greater than that of the last admitted record. Throws RangeError if the ledger is
 * already full; it does not check whether `bytes` still fit.
 */
export function admit(ledger: Ledger, position: Position, bytes: number, nowMs: number): number {
  const { sequenceNumber, subSequenceNumber } = position;
  if (!isNewer(ledger, sequenceNumber, subSequenceNumber)) return -1;
  if (!hasRoom(ledger, Math.min(bytes, 1))) throw new RangeError(`ledger is full: ${describeLoad(ledger)}`);
  if (ledger.admitted - ledger.head > ledger.ring.mask)
    ledger.ring = doubledRing(ledger.ring, ledger.head, ledger.admitted);

  const { pinned, ring } = ledger;
  const ordinal = ledger.admitted++;
  const slot = ordinal & ring.mask;

  ring.sequenceNumbers[slot] = sequenceNumber;
  ring.subSequenceNumbers[slot] = subSequenceNumber;
  ring.bytes[slot] = bytes;
  ring.admittedAt[slot] = nowMs;
  ring.arrivedAt[slot] = Number.NaN;
  ring.checkpointable[slot] = 1;
  ring.items[slot] = uncounted;
  ring.itemsOpen[slot] = 1;
  ring.settledItems[slot] = 0;
  ring.pins[slot] = pinned;

  if (pinned === undefined) ledger.heldBytes += bytes;
  else pinned.users++;
  ledger.newestNumber = sequenceNumber;
  ledger.newestSub = subSequenceNumber;
  ledger.openRecords++;
  ledger.openBytes += bytes;

  return ordinal;
}

function isNewer({ newestNumber, newestSub }: Ledger, sequenceNumber: string, subSequenceNumber: number): boolean {
  if (newestNumber === '') return true;
  const order = compareSequenceNumbers(sequenceNumber, newestNumber);
  return order > 0 || (order === 0 && subSequenceNumber > newestSub);
}

/** The place of the record admitted last. Undefined before the first. */
export function newest({ newestNumber, newestSub }: Ledger): Position | undefined {
  return newestNumber === '' ? undefined : { sequenceNumber: newestNumber, subSequenceNumber: newestSub };
}

/** Admits a record of an indivisible (erlmld) aggregate, but not the last one: no checkpoint may stop at it. */
export function admitInside(ledger: Ledger, position: Position, bytes: number, nowMs: number): number {
  const ordinal = admit(ledger, position, bytes, nowMs);
  if (ordinal !== -1) ledger.ring.checkpointable[ordinal & ledger.ring.mask] = 0;
  return ordinal;
}

/** Notes when an open record arrived, epoch milliseconds: lag is counted from then. */
export function noteArrival(ledger: Ledger, ordinal: number, arrivedAtMs: number): void {
  if (isInRing(ledger, ordinal)) ledger.ring.arrivedAt[ordinal & ledger.ring.mask] = arrivedAtMs;
}

/** Returns `passedArrivedAt` and clears it: from now on it is about the records that the frontier passes next. */
export function takePassed(ledger: Ledger): number {
  const { passedArrivedAt } = ledger;
  ledger.passedArrivedAt = Number.NaN;
  return passedArrivedAt;
}

/** Notes a buffer of `bytes` bytes: all records admitted until `unpin` are parts of it. */
export function pin(ledger: Ledger, bytes: number): void {
  ledger.heldBytes += bytes;
  ledger.pinned = { bytes, users: 1 };
}

/** Ends the effect of `pin`: no more records of the buffer are admitted. Does nothing without a `pin`. */
export function unpin(ledger: Ledger): void {
  const buffer = ledger.pinned;
  ledger.pinned = undefined;
  if (buffer !== undefined) releaseUser(ledger, buffer);
}

/** Removes one user of the buffer. Without users its bytes no longer count. */
function releaseUser(ledger: Ledger, buffer: Pin): void {
  buffer.users--;
  if (buffer.users === 0) ledger.heldBytes -= buffer.bytes;
}

/**
 * Notes that the record has `items` items, numbered from 0. With 0 items it is settled at once. Without this call a record has
 * one item, number 0. A repeated call with the same number changes nothing. Throws RangeError if the record is already settled,
 * or if an earlier call gave another number: otherwise some items would never be counted.
 */
export function expectItems(ledger: Ledger, ordinal: number, items: number): void {
  const { ring } = ledger;
  if (!Number.isInteger(items) || items < 0) throw new RangeError(`record ${ordinal} cannot have ${items} items`);
  if (!isInRing(ledger, ordinal)) {
    ledger.ignoredCalls++;
    return;
  }

  const slot = ordinal & ring.mask;
  const before = ring.items[slot] as number;
  if (before === items) return;
  if (before !== uncounted) throw new RangeError(`record ${ordinal} has ${before} items and cannot have ${items}`);
  if (ring.itemsOpen[slot] === 0)
    throw new RangeError(`record ${ordinal} was settled before it was known to have ${items} items`);

  ring.items[slot] = items;
  ring.itemsOpen[slot] = items;
  if (items > wordBits) ring.moreItems.set(ordinal, new Int32Array(Math.ceil(items / wordBits) - 1));
  if (items === 0) complete(ledger, ordinal, slot);
}

/**
 * Marks item `item` of the record as settled. Items settle in any order and any number of times; the call returns true the first time,
 * false afterwards. A record is complete when each of its items has been settled. Counting the calls would not show that, because calls may
 * repeat.
 */
export function settle(ledger: Ledger, ordinal: number, item: number): boolean {
  const { ring } = ledger;
  const slot = ordinal & ring.mask;
  if (!isInRing(ledger, ordinal) || !markItem(ring, ordinal, slot, item)) {
    ledger.ignoredCalls++;
    return false;
  }

  const itemsOpen = (ring.itemsOpen[slot] as number) - 1;
  ring.itemsOpen[slot] = itemsOpen;
  if (itemsOpen === 0) complete(ledger, ordinal, slot);
  return true;
}

/** The last position that a checkpoint may name: everything up to and including it is settled. Undefined while there is none. */
export function frontier(ledger: Ledger): Position | undefined {
  if (ledger.frontierOrdinal === -1) return undefined;
  return { sequenceNumber: ledger.frontierNumber, subSequenceNumber: ledger.frontierSub };
}

/** The oldest open record; undefined when nothing is open. */
export function oldestOpen(ledger: Ledger): LedgerEntry | undefined {
  return recordAt(ledger, ledger.head);
}

/**
 * The record with this ordinal. Undefined for records before the oldest open one, which the ledger has forgotten, and for records
 * that were never admitted.
 */
export function recordAt(ledger: Ledger, ordinal: number): LedgerEntry | undefined {
  if (!isInRing(ledger, ordinal)) return undefined;
  const { ring } = ledger;
  const slot = ordinal & ring.mask;
  return {
    ordinal,
    position: {
      sequenceNumber: ring.sequenceNumbers[slot] as string,
      subSequenceNumber: ring.subSequenceNumbers[slot] as number,
    },
    admittedAt: ring.admittedAt[slot] as number,
    arrivedAt: ring.arrivedAt[slot] as number,
    bytes: ring.bytes[slot] as number,
    itemsOpen: ring.itemsOpen[slot] as number,
  };
}

function isInRing(ledger: Ledger, ordinal: number): boolean {
  return ordinal >= ledger.head && ordinal < ledger.admitted;
}

/** Marks the item as settled. Returns false if it was marked before, the record has no such item, or the record is complete. */
function markItem(ring: Ring, ordinal: number, slot: number, item: number): boolean {
  if (ring.itemsOpen[slot] === 0) return false;
  const items = ring.items[slot] as number;
  const count = items === uncounted ? 1 : items;
  if (!(item >= 0 && item < count)) return false;

  const bit = 1 << (item % wordBits);
  const words = item < wordBits ? ring.settledItems : (ring.moreItems.get(ordinal) as Int32Array);
  const word = item < wordBits ? slot : Math.floor(item / wordBits) - 1;
  const settledBits = words[word] as number;
  if ((settledBits & bit) !== 0) return false;

  words[word] = settledBits | bit;
  return true;
}

/** Closes a record when its last item is settled. If the record was the oldest open one, the frontier moves. */
function complete(ledger: Ledger, ordinal: number, slot: number): void {
  const { ring } = ledger;
  ledger.settled++;
  ledger.settledBytes += ring.bytes[slot] as number;
  ledger.openRecords--;
  ledger.openBytes -= ring.bytes[slot] as number;

  const buffer = ring.pins[slot];
  if (buffer === undefined) ledger.heldBytes -= ring.bytes[slot] as number;
  else releaseUser(ledger, buffer);
  ring.pins[slot] = undefined;

  if ((ring.items[slot] as number) > wordBits) ring.moreItems.delete(ordinal);
  if (ordinal === ledger.head) advance(ledger);
}

/**
 * Forgets the settled records at the head, and so moves the frontier. The shard worker's `report` then sends the frontier, the
 * keeper's `noteFrontier` stores it, and `nextCheckpoint` puts it into the next write. The loop visits each record once.
 */
function advance(ledger: Ledger): void {
  const { ring, admitted } = ledger;
  let head = ledger.head;
  while (head < admitted) {
    const slot = head & ring.mask;
    if (ring.itemsOpen[slot] !== 0) break;
    // Only the first one that passes since the last `takePassed` counts, because it is the oldest. Until then the time is NaN.
    if (Number.isNaN(ledger.passedArrivedAt)) ledger.passedArrivedAt = ring.arrivedAt[slot] as number;
    if (ring.checkpointable[slot] === 1) {
      ledger.frontierOrdinal = head;
      ledger.frontierNumber = ring.sequenceNumbers[slot] as string;
      ledger.frontierSub = ring.subSequenceNumbers[slot] as number;
    }
    ring.sequenceNumbers[slot] = '';
    head++;
  }

  ledger.head = head;
}

function describeLoad(ledger: Ledger): string {
  return (
    `${ledger.openRecords} of ${ledger.maxPending} records, ${ledger.openBytes} of ${ledger.maxPendingBytes} bytes, ` +
    `span ${ledger.admitted - ledger.head} of ${ledger.maxSpan}`
  );
}
