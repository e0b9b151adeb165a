// The pipe behind a reducer, as the reducer knows it: what it has emitted and the pipe has not taken yet, and which items are open there.
// An item that is open there may have a share of its own here, too: for its flush, or for its acknowledgement. It is settled with the last
// share, in the reducer or in the pipe.
import type { Ref } from '../../protocol/actor.js';
import type { DeliveredItem } from '../../protocol/item.js';
import type { OpenRecords } from '../../protocol/open-records.js';
import type { PipeFeed } from '../../protocol/pipe-feed.js';
import type { ItemReferences, SentMessage } from '../../protocol/pipe-message.js';
import type { ReducerRequest } from '../../protocol/pipeline-messages.js';

export type PipeBehindRef = Ref<PipeFeed | ReducerRequest>;

/** A punctuation that is on its way through the pipe. */
export interface PassedMark {
  readonly punctuation: Extract<ReducerRequest, { readonly type: 'punctuation' }>;
  /** The ordinals that the reducer has named when it passed the mark on. */
  readonly waiting: readonly number[];
  readonly since: number;
  /** It has passed by what waits in the reducer. */
  readonly isAhead: boolean;
  /** Items of its shard worker were emitted behind it: a call of them was repeated meanwhile. */
  isOvertaken: boolean;
}

export interface PipeBehind {
  readonly ref: PipeBehindRef;
  lastSent: number;
  lastReceived: number;
  /** What was emitted in this turn. */
  outbox: SentMessage[];
  /** What the first node has not processed yet. */
  untaken: number;
  untakenBytes: number;
  /** A failed call holds a node. */
  isWaiting: boolean;
  /** When the pipe last said something. */
  newsAt: number;
  /** The items that were emitted and are not settled. */
  readonly open: OpenRecords;
  /** The share that the reducer has of each of them; none if its messages are all that is left. */
  readonly shares: Map<DeliveredItem, ItemReferences>;
  /** Acknowledged by hand, while the call runs that may emit for them. */
  readonly acknowledgedInCall: Set<DeliveredItem>;
  readonly marks: Map<number, PassedMark>;
  lastMark: number;
  /** The flush that runs has given way, and goes on when there is room. */
  isFlushHeld: boolean;
}

/** How much may be emitted and not taken. Then no call begins. One call may emit any number. */
const maxUntaken = 1_000;
const maxUntakenBytes = 8 * 1024 * 1024;

export function createPipeBehind(ref: PipeBehindRef, now: number): PipeBehind {
  return {
    ref,
    lastSent: 0,
    lastReceived: 0,
    outbox: [],
    untaken: 0,
    untakenBytes: 0,
    isWaiting: false,
    newsAt: now,
    open: new Map(),
    shares: new Map(),
    acknowledgedInCall: new Set(),
    marks: new Map(),
    lastMark: 0,
    isFlushHeld: false,
  };
}

/** Whether another call may begin. `emitted`, `emittedBytes`: what was emitted and is not sent yet. */
export function hasRoom(behind: PipeBehind | undefined, emitted = 0, emittedBytes = 0): boolean {
  if (behind === undefined) return true;
  return behind.untaken + emitted < maxUntaken && behind.untakenBytes + emittedBytes < maxUntakenBytes;
}

/** Nothing is taken because a failed call holds the pipe. */
export function isStuck(behind: PipeBehind | undefined): boolean {
  return behind?.isWaiting === true && !hasRoom(behind);
}

/**
 * The ordinals of the shard worker's records of which something is in the pipe. A record of which only the reducer has a share is not
 * among them.
 */
export function* inPipe({ open, shares }: PipeBehind, shardWorker: number): Generator<number> {
  const own = new Map<number, number>();
  for (const [{ tenure, ordinal }, share] of shares)
    if (tenure.shardWorkerNumber === shardWorker && isLast(share)) own.set(ordinal, (own.get(ordinal) ?? 0) + 1);
  for (const [ordinal, items] of open.get(shardWorker)?.items ?? []) if (items > (own.get(ordinal) ?? 0)) yield ordinal;
}

/** The lowest of them. They may be too many for the arguments of a call. */
export function oldestInPipe(behind: PipeBehind, shardWorker: number): number | undefined {
  let oldest: number | undefined;
  for (const ordinal of inPipe(behind, shardWorker)) if (oldest === undefined || ordinal < oldest) oldest = ordinal;
  return oldest;
}

/** Whether nothing else is left of what this share belongs to. */
function isLast(share: ItemReferences): boolean {
  let references: ItemReferences | undefined = share;
  while (references !== undefined && 'kind' in references && references.kind === 'split') {
    if (references.open > 1) return false;
    references = references.of;
  }
  return true;
}
