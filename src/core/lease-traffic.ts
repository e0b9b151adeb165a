// The queue of all writes of this process to one lease table: bounded, and in order of what a delay would cost. A late renewal
// costs a lease; a late take costs nothing yet. Requests wait here, never at the table. A writer that has a permit sends at once,
// so deadlines and time limits count from there. There is one queue per table and process. Keepers and the coordinator ask for a
// permit before each write; keepers decide what to write when they have it.
import { createSendPace, maySend, measuredPerSecond, nextAt, noteOutcome, noteSent, roomIn } from './send-pace.js';
import type { SendOutcome, SendPace } from './send-pace.js';

/**
 * The kinds of writes, in order of rank:
 * - `renew`: a renewal that is due, the earliest deadline before the others;
 * - `duty`: what else a lease that is held needs (a hand-over, a release, the end of a shard, the answer to a wish), and every write
 *   of the coordinator;
 * - `take`: the first take of a lease, and wishes;
 * - `checkpoint`: a renewal that the lease does not need yet. It is sent only if the table has refused nothing for `calmMs` and less
 *   than half of the places are taken.
 */
export type TrafficKind = 'renew' | 'duty' | 'take' | 'checkpoint';

/** One writer's place in the queue. The writer keeps it up to date, and the queue reads it whenever it grants a permit. */
export interface TrafficOrder {
  kind: TrafficKind;
  /** Monotonic milliseconds: when the lease is lost without this write. */
  deadline: number;
  /** When a lease that is held is due to be renewed, whether its keeper waits or not; Infinity where none is. */
  renewalDue: number;
}

/** A permit: permission to send one request, now. */
export interface TrafficPermit {
  /** Gives the permit back: the request has ended, or will not be sent. A second call has no effect. */
  end(outcome: SendOutcome): void;
}

export interface QueueReport {
  readonly takesWaiting: number;
  /** How long the oldest waiting take has waited. */
  readonly oldestTakeMs: number;
  /** How many requests were answered in the last second. */
  readonly perSecond: number;
}

export interface LeaseTraffic {
  /** Makes an order, which the queue knows until `leave`. */
  join(): TrafficOrder;
  leave(order: TrafficOrder): void;
  /** Tells the queue that the rank of a waiting order has changed. */
  moved(order: TrafficOrder): void;
  /** Returns a permit at once, if one is free and no waiting order goes first. */
  enter(order: TrafficOrder): TrafficPermit | undefined;
  /** Resolves with a permit when it comes. Rejects if `signal` aborts first. */
  wait(order: TrafficOrder, signal: AbortSignal): Promise<TrafficPermit>;
  report(): QueueReport;
}

export interface TrafficOptions {
  readonly clock: { now(): number };
  readonly timers: { after(ms: number, callback: () => void): () => void };
  readonly failoverMs: number;
}

interface Waiting {
  readonly order: TrafficOrder;
  readonly since: number;
  readonly grant: (permit: TrafficPermit) => void;
}

interface Permit extends TrafficPermit {
  readonly order: TrafficOrder;
  readonly sentAt: number;
}

/** The guaranteed rate is raised by this factor, so that writes which have fallen behind catch up. */
const guaranteedSlack = 1.2;
/** For how long the guaranteed rate is used. Orders change by the hundred, and each permit asks for the count. */
const countedMs = 100;

/** How often the queue checks, while requests are under way, whether this process is too busy to notice their answers. */
const probeMs = 50;

interface Queue {
  readonly options: TrafficOptions;
  readonly pace: SendPace;
  readonly orders: Set<TrafficOrder>;
  /** Waiting orders, in the order in which they came. */
  readonly waiting: Set<Waiting>;
  /** Permits in use, in the order in which their requests were sent. */
  readonly underWay: Set<Permit>;
  cancelTimer: (() => void) | undefined;
  /** For how long in all timers of this process were late while requests were under way. */
  stalledMs: number;
  cancelProbe: (() => void) | undefined;
  /** The last result of `guaranteedRate`, and when it was counted. */
  guaranteed: { readonly perSecond: number; readonly at: number };
}

const ranks: Readonly<Record<TrafficKind, number>> = { renew: 0, duty: 1, take: 2, checkpoint: 3 };
/** How long a table must not have refused anything before checkpoints that no lease needs are sent again. */
export const calmMs = 5_000;

export function createLeaseTraffic(options: TrafficOptions): LeaseTraffic {
  const { clock, failoverMs } = options;
  const queue: Queue = {
    options,
    pace: createSendPace(failoverMs / 40, (2 * failoverMs) / 3, clock.now()),
    orders: new Set(),
    waiting: new Set(),
    underWay: new Set(),
    cancelTimer: undefined,
    stalledMs: 0,
    cancelProbe: undefined,
    guaranteed: { perSecond: 0, at: -Infinity },
  };
  return {
    join() {
      const order: TrafficOrder = { kind: 'take', deadline: Infinity, renewalDue: Infinity };
      queue.orders.add(order);
      return order;
    },
    leave(order) {
      queue.orders.delete(order);
      // Nobody would use a permit of this order, neither one that it has already nor one that would still come.
      for (const waiting of queue.waiting) if (waiting.order === order) queue.waiting.delete(waiting);
      for (const permit of queue.underWay) if (permit.order === order) queue.underWay.delete(permit);
      stopProbe(queue);
      serve(queue);
    },
    moved: () => serve(queue),
    enter(order) {
      const now = clock.now();
      dropLost(queue, now);
      if (!mayGo(queue, order, now)) return undefined;
      for (const other of queue.waiting)
        if (goesBefore(other.order, order) && mayGo(queue, other.order, now)) return undefined;
      return issuePermit(queue, order, now);
    },
    wait: (order, signal) => wait(queue, order, signal),
    report: () => standing(queue),
  };
}

function wait(queue: Queue, order: TrafficOrder, signal: AbortSignal): Promise<TrafficPermit> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    const leave = (): void => {
      queue.waiting.delete(waiting);
      reject(signal.reason as Error);
      serve(queue);
    };
    const waiting: Waiting = {
      order,
      since: queue.options.clock.now(),
      grant: (permit) => {
        signal.removeEventListener('abort', leave);
        resolve(permit);
      },
    };
    signal.addEventListener('abort', leave, { once: true });
    queue.waiting.add(waiting);
    serve(queue);
  });
}

/** Grants every permit that may be granted, and sets a timer for the next look. */
function serve(queue: Queue): void {
  const now = queue.options.clock.now();
  dropLost(queue, now);
  for (let next = nextOf(queue, now); next !== undefined; next = nextOf(queue, now)) {
    queue.waiting.delete(next);
    next.grant(issuePermit(queue, next.order, now));
  }
  queue.cancelTimer?.();
  queue.cancelTimer = undefined;
  if (queue.waiting.size === 0) return;
  const at = Math.max(now + 1, Math.min(nextSlot(queue, now), lostAt(queue)));
  if (at < Infinity) queue.cancelTimer = queue.options.timers.after(at - now, () => serve(queue));
}

/** When the pace allows the next request. If the window is full, an answer or its absence makes room instead. */
function nextSlot(queue: Queue, now: number): number {
  const { options, pace, underWay } = queue;
  const first = firstOf(queue);
  if (first === undefined) return Infinity;
  const guaranteed = guaranteedRate(queue, first.order, now);
  if (underWay.size >= roomIn(pace, guaranteed)) return Infinity;
  const at = Math.max(
    nextAt(pace, guaranteed),
    first.order.kind === 'checkpoint' ? pace.throttledAt + calmMs : -Infinity,
  );
  // An order that waits although there is room waits for an answer, which the queue will notice. A look now and then costs
  // nothing.
  return at > now ? at : now + options.failoverMs / 10;
}

function nextOf(queue: Queue, now: number): Waiting | undefined {
  const first = firstOf(queue);
  return first !== undefined && mayGo(queue, first.order, now) ? first : undefined;
}

function firstOf({ waiting }: Queue): Waiting | undefined {
  let best: Waiting | undefined;
  for (const one of waiting) if (best === undefined || goesBefore(one.order, best.order)) best = one;
  return best;
}

/** Whether `one` must go before `other`. Orders of equal rank go in the order in which they came. */
function goesBefore(one: TrafficOrder, other: TrafficOrder): boolean {
  if (one.kind !== other.kind) return ranks[one.kind] < ranks[other.kind];
  return one.deadline < other.deadline;
}

/**
 * Whether the order may have a permit now. While renewals are late, the table carries no further lease, and no write that no
 * lease needs. A renewal so late that its lease is lost says something about its row, not about the table, and holds up nobody.
 */
function mayGo(queue: Queue, order: TrafficOrder, now: number): boolean {
  const { options, orders, pace, underWay } = queue;
  if (!maySend(pace, underWay.size, guaranteedRate(queue, order, now), now)) return false;
  if (isGuaranteed(order)) return true;
  if (order.kind === 'checkpoint' && (now < pace.throttledAt + calmMs || underWay.size >= pace.window / 2))
    return false;
  const lateMs = options.failoverMs / 3;
  for (const { renewalDue } of orders) if (now > renewalDue + lateMs && now <= renewalDue + 2 * lateMs) return false;
  return true;
}

/**
 * The rate at which all held leases can be renewed, or released, in time. Refusals do not lower the pace below this rate: leases
 * that wait for the table to recover are lost as surely as leases that it refuses. Takes, and checkpoints that can wait, have no
 * claim to the rate.
 */
function guaranteedRate(queue: Queue, order: TrafficOrder, now: number): number {
  if (!isGuaranteed(order)) return 0;
  if (now >= queue.guaranteed.at + countedMs) {
    let held = 0;
    for (const { kind, renewalDue } of queue.orders) if (kind === 'duty' || renewalDue < Infinity) held += 1;
    queue.guaranteed = { perSecond: (guaranteedSlack * held * 3_000) / queue.options.failoverMs, at: now };
  }
  return queue.guaranteed.perSecond;
}

function isGuaranteed({ kind }: TrafficOrder): boolean {
  return kind === 'renew' || kind === 'duty';
}

function issuePermit(queue: Queue, order: TrafficOrder, now: number): TrafficPermit {
  noteSent(queue.pace, guaranteedRate(queue, order, now), now);
  const stalledBefore = queue.stalledMs;
  const permit: Permit = {
    order,
    sentAt: now,
    end: (outcome) => {
      const full = queue.underWay.size >= Math.floor(queue.pace.window);
      if (!queue.underWay.delete(permit)) return;
      const answeredAt = queue.options.clock.now();
      const tookMs = answeredAt - now - (queue.stalledMs - stalledBefore);
      noteOutcome(queue.pace, { outcome, sentAt: now, tookMs, full }, answeredAt);
      serve(queue);
      stopProbe(queue);
    },
  };
  queue.underWay.add(permit);
  probe(queue);
  return permit;
}

/** Notes how late timers are. A busy process notices answers late; if the table counted as slow, renewals would be even later. */
function probe(queue: Queue): void {
  if (queue.cancelProbe !== undefined || queue.underWay.size === 0) return;
  const { clock, timers } = queue.options;
  const due = clock.now() + probeMs;
  queue.cancelProbe = timers.after(probeMs, () => {
    const now = clock.now();
    queue.cancelProbe = undefined;
    queue.stalledMs += Math.max(0, now - due);
    dropLost(queue, now);
    probe(queue);
  });
}

/** Stops the check when no request is under way: there is no answer to notice late, and no timer outlives the last request. */
function stopProbe(queue: Queue): void {
  if (queue.underWay.size > 0) return;
  queue.cancelProbe?.();
  queue.cancelProbe = undefined;
}

/** Drops permits that nobody ends, because their keepers died first: they must not take up room for ever. */
function dropLost(queue: Queue, now: number): void {
  for (const permit of queue.underWay) {
    if (now < permit.sentAt + queue.options.failoverMs) return;
    queue.underWay.delete(permit);
  }
}

function lostAt({ underWay, options }: Queue): number {
  const [oldest] = underWay;
  return oldest === undefined ? Infinity : oldest.sentAt + options.failoverMs;
}

function standing({ waiting, pace, options }: Queue): QueueReport {
  const now = options.clock.now();
  let takesWaiting = 0;
  let oldestTakeMs = 0;
  for (const { order, since } of waiting) {
    if (order.kind !== 'take') continue;
    takesWaiting += 1;
    oldestTakeMs = Math.max(oldestTakeMs, now - since);
  }
  return { takesWaiting, oldestTakeMs, perSecond: measuredPerSecond(pace, now) };
}
