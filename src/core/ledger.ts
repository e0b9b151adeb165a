// What one incarnation of a shard worker has admitted, and what of it is settled. It answers the question that decides
// whether records are lost: how far may the checkpoint go? Invariant: the frontier never passes a record of which any
// item is open, and never stops inside an indivisible aggregate. There is one ledger per fence: a late settle of an old
// incarnation cannot touch the new ledger. The shard worker calls the ledger for every record; a call is O(1), amortised,
// and allocates nothing.
import type { Position } from './position.js';
import { comparePositions } from './sequence-number.js';

/** How much may be open at once. */
export interface LedgerBounds {
  /** Records that are admitted and not settled; at least 1. */
  readonly maxPending: number;
  /** Their bytes. A record that is larger by itself is admitted alone. */
  readonly maxPendingBytes: number;
  /**
   * Records from the oldest open one to the newest admitted one, settled or not: all of them are replayed after a crash.
   * Default: 64 times `maxPending`.
   */
  readonly maxSpan?: number;
}

/** The state. Anyone may read the counters; only the functions of this file change anything. */
export interface Ledger {
  readonly maxPending: number;
  readonly maxPendingBytes: number;
  readonly maxSpan: number;
  /** Records admitted so far, which is also the next ordinal. */
  admitted: number;
  /** Records all of whose items are settled. */
  settled: number;
  openRecords: number;
  openBytes: number;
  /** What open records keep in memory: their bytes, and for records with a pin the buffer, once per buffer. */
  heldBytes: number;
  /**
   * Calls of `settle` and `expectItems` that were ignored: repeats, and those that name an unknown record or item.
   */
  ignoredCalls: number;
  /** The ordinal the frontier stands on; -1 as long as there is none. */
  frontierOrdinal: number;
  frontierPosition: Position | undefined;
  newest: Position | undefined;
  /** The buffer that everything admitted now is a part of, from `pin` to `unpin`. */
  pinned: Pin | undefined;
  /** The oldest open ordinal: everything before it is settled. Equal to `admitted` when nothing is open. */
  head: number;
  ring: Ring;
}

/** An open record as people and watchdogs see it. */
export interface LedgerEntry {
  readonly ordinal: number;
  readonly position: Position;
  /** The clock's `now()` when it was admitted. */
  readonly admittedAt: number;
  readonly bytes: number;
  /** Items not settled yet; 0 for a record that is done but stands behind an open one. */
  readonly itemsOpen: number;
}

/**
 * A buffer that several records are views of: it stays in memory until the last of them is settled, however small that
 * is. The code that admits the records holds it until all are admitted.
 */
export interface Pin {
  readonly bytes: number;
  holders: number;
}

/** The entries from `head` to `admitted`, entry `ordinal` in slot `ordinal & mask`: one array per member, not an object each. */
interface Ring {
  readonly mask: number;
  readonly positions: Position[];
  readonly bytes: Float64Array;
  readonly admittedAt: Float64Array;
  readonly checkpointable: Uint8Array;
  readonly pins: (Pin | undefined)[];
  /** Items in all; `UNCOUNTED` counts as one. */
  readonly items: Int32Array;
  readonly itemsOpen: Int32Array;
  /** Which of the first 32 items are settled, one bit each. */
  readonly settledItems: Int32Array;
  /** The same for the items from 32 on, for the rare record that has so many; by ordinal. */
  readonly moreItems: Map<number, Int32Array>;
}

const UNCOUNTED = -1;
const WORD = 32;
const FIRST_CAPACITY = 16;
const SPAN_PER_PENDING = 64;
const nowhere: Position = { sequenceNumber: '', subSequenceNumber: 0 };

/** An empty ledger. */
export function createLedger(bounds: LedgerBounds): Ledger {
  return {
    maxPending: bounds.maxPending,
    maxPendingBytes: bounds.maxPendingBytes,
    maxSpan: bounds.maxSpan ?? SPAN_PER_PENDING * bounds.maxPending,
    admitted: 0,
    settled: 0,
    openRecords: 0,
    openBytes: 0,
    heldBytes: 0,
    ignoredCalls: 0,
    frontierOrdinal: -1,
    frontierPosition: undefined,
    newest: undefined,
    pinned: undefined,
    head: 0,
    ring: createRing(FIRST_CAPACITY),
  };
}

/**
 * Whether one more record, of `bytes` bytes, may be admitted. Without `bytes`: whether to fetch more. When
 * nothing is open there is always room, so that a record above the byte bound still passes, alone.
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
 * Admits a record and returns its ordinal, dense from 0. Returns -1, and notes nothing, for a duplicate: a record
 * whose position is not greater than that of the last one admitted. Throws RangeError when the ledger is full; `bytes` itself
 * is not checked.
 */
export function admit(ledger: Ledger, position: Position, bytes: number, nowMs: number): number {
  if (ledger.newest !== undefined && comparePositions(position, ledger.newest) <= 0) return -1;
  if (!hasRoom(ledger, Math.min(bytes, 1))) throw new RangeError(`ledger is full: ${describeLoad(ledger)}`);
  if (ledger.admitted - ledger.head > ledger.ring.mask) ledger.ring = widened(ledger);
  const { pinned, ring } = ledger;
  const ordinal = ledger.admitted++;
  const slot = ordinal & ring.mask;
  ring.positions[slot] = position;
  ring.bytes[slot] = bytes;
  ring.admittedAt[slot] = nowMs;
  ring.checkpointable[slot] = 1;
  ring.items[slot] = UNCOUNTED;
  ring.itemsOpen[slot] = 1;
  ring.settledItems[slot] = 0;
  ring.pins[slot] = pinned;
  if (pinned === undefined) ledger.heldBytes += bytes;
  else pinned.holders++;
  ledger.newest = position;
  ledger.openRecords++;
  ledger.openBytes += bytes;
  return ordinal;
}

/** Admits a record of an indivisible (erlmld) aggregate that is not its last: no checkpoint may stop there. */
export function admitInside(ledger: Ledger, position: Position, bytes: number, nowMs: number): number {
  const ordinal = admit(ledger, position, bytes, nowMs);
  if (ordinal !== -1) ledger.ring.checkpointable[ordinal & ledger.ring.mask] = 0;
  return ordinal;
}

/** Notes a buffer: what is admitted until `unpin` is a part of it. */
export function pin(ledger: Ledger, bytes: number): void {
  ledger.heldBytes += bytes;
  ledger.pinned = { bytes, holders: 1 };
}

/** Ends what `pin` began: nothing more of the buffer is to be admitted. Has no effect where no buffer is noted. */
export function unpin(ledger: Ledger): void {
  const held = ledger.pinned;
  ledger.pinned = undefined;
  if (held !== undefined) letGo(ledger, held);
}

/** Takes note that one holder needs the buffer no more. */
function letGo(ledger: Ledger, held: Pin): void {
  held.holders--;
  if (held.holders === 0) ledger.heldBytes -= held.bytes;
}

/**
 * The record became `items` items, numbered from 0; none at all settles it at once. Without this call a record has one
 * item, number 0. Saying the same again changes nothing. Throws RangeError when some of the record is settled, or when
 * another number was said before: otherwise some items would never be counted.
 */
export function expectItems(ledger: Ledger, ordinal: number, items: number): void {
  const { ring } = ledger;
  if (!Number.isInteger(items) || items < 0) throw new RangeError(`record ${ordinal} cannot have ${items} items`);
  if (!isHeld(ledger, ordinal)) {
    ledger.ignoredCalls++;
    return;
  }
  const slot = ordinal & ring.mask;
  const before = ring.items[slot] as number;
  if (before === items) return;
  if (before !== UNCOUNTED) throw new RangeError(`record ${ordinal} has ${before} items and cannot have ${items}`);
  if (ring.itemsOpen[slot] === 0)
    throw new RangeError(`record ${ordinal} was settled before it was known to have ${items} items`);
  ring.items[slot] = items;
  ring.itemsOpen[slot] = items;
  if (items > WORD) ring.moreItems.set(ordinal, new Int32Array(Math.ceil(items / WORD) - 1));
  if (items === 0) complete(ledger, ordinal, slot);
}

/**
 * Marks item `item` of the record as dealt with. Items settle in any order and any number of times; the call returns true
 * the first time, false afterwards. A record is complete when each of its items has been settled; the number of calls
 * proves nothing, because a call may be repeated.
 */
export function settle(ledger: Ledger, ordinal: number, item: number): boolean {
  const { ring } = ledger;
  const slot = ordinal & ring.mask;
  if (!isHeld(ledger, ordinal) || !markItem(ring, ordinal, slot, item)) {
    ledger.ignoredCalls++;
    return false;
  }
  const itemsOpen = (ring.itemsOpen[slot] as number) - 1;
  ring.itemsOpen[slot] = itemsOpen;
  if (itemsOpen === 0) complete(ledger, ordinal, slot);
  return true;
}

/** The last position a checkpoint may name: it and everything before it is settled. Undefined as long as there is none. */
export function frontier(ledger: Ledger): Position | undefined {
  return ledger.frontierPosition;
}

/** The oldest open record; undefined when nothing is open. */
export function oldestOpen(ledger: Ledger): LedgerEntry | undefined {
  return recordAt(ledger, ledger.head);
}

/**
 * A record at or behind the oldest open one. Undefined for records before it, which are forgotten, and for records
 * never admitted.
 */
export function recordAt(ledger: Ledger, ordinal: number): LedgerEntry | undefined {
  if (!isHeld(ledger, ordinal)) return undefined;
  const { ring } = ledger;
  const slot = ordinal & ring.mask;
  return {
    ordinal,
    position: ring.positions[slot] as Position,
    admittedAt: ring.admittedAt[slot] as number,
    bytes: ring.bytes[slot] as number,
    itemsOpen: ring.itemsOpen[slot] as number,
  };
}

function isHeld(ledger: Ledger, ordinal: number): boolean {
  return ordinal >= ledger.head && ordinal < ledger.admitted;
}

/** Notes the item; false when it was noted before or the record has no such item. A complete record has no notes left. */
function markItem(ring: Ring, ordinal: number, slot: number, item: number): boolean {
  if (ring.itemsOpen[slot] === 0) return false;
  const items = ring.items[slot] as number;
  const count = items === UNCOUNTED ? 1 : items;
  if (!(item >= 0 && item < count)) return false;
  const bit = 1 << (item % WORD);
  const words = item < WORD ? ring.settledItems : (ring.moreItems.get(ordinal) as Int32Array);
  const word = item < WORD ? slot : Math.floor(item / WORD) - 1;
  const noted = words[word] as number;
  if ((noted & bit) !== 0) return false;
  words[word] = noted | bit;
  return true;
}

/** Closes a record whose last item is settled. If the record was the oldest open one, the frontier moves. */
function complete(ledger: Ledger, ordinal: number, slot: number): void {
  const { ring } = ledger;
  ledger.settled++;
  ledger.openRecords--;
  ledger.openBytes -= ring.bytes[slot] as number;
  const held = ring.pins[slot];
  if (held === undefined) ledger.heldBytes -= ring.bytes[slot] as number;
  else letGo(ledger, held);
  ring.pins[slot] = undefined;
  if ((ring.items[slot] as number) > WORD) ring.moreItems.delete(ordinal);
  if (ordinal === ledger.head) advance(ledger);
}

/**
 * Forgets the settled records at the head, and so moves the frontier. From here the frontier goes on as a message: `report`
 * of the shard worker sends it, `noteFrontier` of the keeper keeps it, and `nextCheckpoint` puts it into the next write. The
 * loop visits each record once.
 */
function advance(ledger: Ledger): void {
  const { ring, admitted } = ledger;
  let head = ledger.head;
  while (head < admitted) {
    const slot = head & ring.mask;
    if (ring.itemsOpen[slot] !== 0) break;
    if (ring.checkpointable[slot] === 1) {
      ledger.frontierOrdinal = head;
      ledger.frontierPosition = ring.positions[slot];
    }
    ring.positions[slot] = nowhere;
    head++;
  }
  ledger.head = head;
}

function createRing(capacity: number, moreItems = new Map<number, Int32Array>()): Ring {
  return {
    mask: capacity - 1,
    positions: new Array<Position>(capacity).fill(nowhere),
    bytes: new Float64Array(capacity),
    admittedAt: new Float64Array(capacity),
    checkpointable: new Uint8Array(capacity),
    pins: new Array<Pin | undefined>(capacity).fill(undefined),
    items: new Int32Array(capacity),
    itemsOpen: new Int32Array(capacity),
    settledItems: new Int32Array(capacity),
    moreItems,
  };
}

/** A ring of twice the capacity with the same entries in their new slots. */
function widened(ledger: Ledger): Ring {
  const { ring: old } = ledger;
  const ring = createRing((old.mask + 1) * 2, old.moreItems);
  for (let ordinal = ledger.head; ordinal < ledger.admitted; ordinal++) {
    const from = ordinal & old.mask;
    const to = ordinal & ring.mask;
    ring.positions[to] = old.positions[from] as Position;
    ring.bytes[to] = old.bytes[from] as number;
    ring.admittedAt[to] = old.admittedAt[from] as number;
    ring.checkpointable[to] = old.checkpointable[from] as number;
    ring.pins[to] = old.pins[from];
    ring.items[to] = old.items[from] as number;
    ring.itemsOpen[to] = old.itemsOpen[from] as number;
    ring.settledItems[to] = old.settledItems[from] as number;
  }
  return ring;
}

function describeLoad(ledger: Ledger): string {
  return (
    `${ledger.openRecords} of ${ledger.maxPending} records, ${ledger.openBytes} of ${ledger.maxPendingBytes} bytes, ` +
    `span ${ledger.admitted - ledger.head} of ${ledger.maxSpan}`
  );
}
