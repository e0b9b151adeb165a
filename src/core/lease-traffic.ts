// The queue between all who write to one lease table and the table: bounded, and in order of what a delay would cost.
// A renewal that is late costs a lease, a take that is late costs nothing yet. Nobody's request waits for its turn at the table
// itself: whoever has a turn sends at once, so that deadlines and time limits count from there. One per table and process;
// keepers ask for a turn before each write, and decide what to write when they have it.
import { createSendPace, maySend, measuredPerSecond, noteOutcome, noteSent } from './send-pace.js';
import type { SendOutcome, SendPace } from './send-pace.js';

/** `renew` first, the earliest deadline before the others; then `settle`; then `take`. */
export type TrafficKind = 'renew' | 'settle' | 'take';

/** One writer's place: a cell that the writer keeps up to date and the queue reads whenever it chooses. */
export interface TrafficOrder {
  kind: TrafficKind;
  /** Monotonic milliseconds: when the lease is lost without this write. */
  deadline: number;
  /** When a lease that is held is due to be renewed, whether its keeper waits or not; Infinity where none is. */
  renewalDue: number;
}

/** A turn: leave to send one request, now. */
export interface TrafficTurn {
  /** The request has ended, or will not be sent. Idempotent. */
  end(outcome: SendOutcome): void;
}

export interface TrafficStanding {
  readonly takesWaiting: number;
  /** How long the oldest of them has waited. */
  readonly oldestTakeMs: number;
  /** Requests that were answered in the last second. */
  readonly perSecond: number;
}

export interface LeaseTraffic {
  /** A new order, known to the queue until it leaves. */
  join(): TrafficOrder;
  leave(order: TrafficOrder): void;
  /** A turn at once, if one is free and nobody who waits goes first. */
  enter(order: TrafficOrder): TrafficTurn | undefined;
  /** A turn, when it comes. Rejects when `signal` aborts before. */
  wait(order: TrafficOrder, signal: AbortSignal): Promise<TrafficTurn>;
  standing(): TrafficStanding;
}

export interface TrafficOptions {
  readonly clock: { now(): number };
  readonly timers: { after(ms: number, callback: () => void): () => void };
  readonly failoverMs: number;
}

interface Waiting {
  readonly order: TrafficOrder;
  readonly since: number;
  readonly grant: (turn: TrafficTurn) => void;
}

interface Turn extends TrafficTurn {
  readonly sentAt: number;
}

/** How often it is looked, while requests are under way, whether this process is too busy to hear their answers. */
const probeMs = 50;

interface Queue {
  readonly options: TrafficOptions;
  readonly pace: SendPace;
  readonly orders: Set<TrafficOrder>;
  /** In the order in which they came. */
  readonly waiting: Set<Waiting>;
  /** In the order in which they were sent. */
  readonly underWay: Set<Turn>;
  cancelTimer: (() => void) | undefined;
  /** Time in all for which timers of this process were late while requests were under way. */
  stalledMs: number;
  probing: boolean;
}

const ranks: Readonly<Record<TrafficKind, number>> = { renew: 0, settle: 1, take: 2 };

export function createLeaseTraffic(options: TrafficOptions): LeaseTraffic {
  const { clock, failoverMs } = options;
  const queue: Queue = {
    options,
    pace: createSendPace(failoverMs / 40, clock.now()),
    orders: new Set(),
    waiting: new Set(),
    underWay: new Set(),
    cancelTimer: undefined,
    stalledMs: 0,
    probing: false,
  };
  return {
    join() {
      const order: TrafficOrder = { kind: 'take', deadline: Infinity, renewalDue: Infinity };
      queue.orders.add(order);
      return order;
    },
    leave(order) {
      queue.orders.delete(order);
      serve(queue);
    },
    enter(order) {
      const now = clock.now();
      dropLost(queue, now);
      if (!mayGo(queue, order, now)) return undefined;
      for (const other of queue.waiting)
        if (goesBefore(other.order, order) && mayGo(queue, other.order, now)) return undefined;
      return begin(queue, now);
    },
    wait: (order, signal) => wait(queue, order, signal),
    standing: () => standing(queue),
  };
}

function wait(queue: Queue, order: TrafficOrder, signal: AbortSignal): Promise<TrafficTurn> {
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
      grant: (turn) => {
        signal.removeEventListener('abort', leave);
        resolve(turn);
      },
    };
    signal.addEventListener('abort', leave, { once: true });
    queue.waiting.add(waiting);
    serve(queue);
  });
}

/** Grants what may be granted, and sees to it that somebody looks again. */
function serve(queue: Queue): void {
  const now = queue.options.clock.now();
  dropLost(queue, now);
  for (let next = nextOf(queue, now); next !== undefined; next = nextOf(queue, now)) {
    queue.waiting.delete(next);
    next.grant(begin(queue, now));
  }
  queue.cancelTimer?.();
  queue.cancelTimer = undefined;
  if (queue.waiting.size === 0) return;
  const at = Math.max(now + 1, Math.min(nextSlot(queue), lostAt(queue)));
  if (at < Infinity) queue.cancelTimer = queue.options.timers.after(at - now, () => serve(queue));
}

/** When the pace allows the next request, unless the window is full: then an answer, or its absence, makes room. */
function nextSlot({ pace, underWay, options }: Queue): number {
  if (underWay.size >= Math.floor(pace.window)) return Infinity;
  // Whoever waits although there is room waits for a renewal, whose answer is heard; a look now and then costs nothing.
  return pace.nextAt > options.clock.now() ? pace.nextAt : options.clock.now() + options.failoverMs / 10;
}

function nextOf(queue: Queue, now: number): Waiting | undefined {
  if (!maySend(queue.pace, queue.underWay.size, now)) return undefined;
  let best: Waiting | undefined;
  for (const waiting of queue.waiting) {
    if (best === undefined || goesBefore(waiting.order, best.order)) best = waiting;
  }
  return best !== undefined && mayGo(queue, best.order, now) ? best : undefined;
}

/** Equal ones go in the order in which they came. */
function goesBefore(one: TrafficOrder, other: TrafficOrder): boolean {
  if (one.kind !== other.kind) return ranks[one.kind] < ranks[other.kind];
  return one.deadline < other.deadline;
}

/** A table on which renewals are late carries no further lease. */
function mayGo({ pace, underWay, orders, options }: Queue, order: TrafficOrder, now: number): boolean {
  if (!maySend(pace, underWay.size, now)) return false;
  if (order.kind !== 'take') return true;
  for (const { renewalDue } of orders) if (now - renewalDue > options.failoverMs / 3) return false;
  return true;
}

function begin(queue: Queue, now: number): TrafficTurn {
  noteSent(queue.pace, now);
  const stalledBefore = queue.stalledMs;
  const turn: Turn = {
    sentAt: now,
    end: (outcome) => {
      const full = queue.underWay.size >= Math.floor(queue.pace.window);
      if (!queue.underWay.delete(turn)) return;
      const answeredAt = queue.options.clock.now();
      const tookMs = answeredAt - now - (queue.stalledMs - stalledBefore);
      noteOutcome(queue.pace, { outcome, sentAt: now, tookMs, full }, answeredAt);
      serve(queue);
    },
  };
  queue.underWay.add(turn);
  probe(queue);
  return turn;
}

/** A worker that is busy hears late: a table that is taken for slow then would get its renewals even later. */
function probe(queue: Queue): void {
  if (queue.probing || queue.underWay.size === 0) return;
  queue.probing = true;
  const { clock, timers } = queue.options;
  const due = clock.now() + probeMs;
  timers.after(probeMs, () => {
    queue.probing = false;
    queue.stalledMs += Math.max(0, clock.now() - due);
    probe(queue);
  });
}

/** A turn that nobody ends (its keeper died before it heard of it) must not narrow the way for ever. */
function dropLost(queue: Queue, now: number): void {
  for (const turn of queue.underWay) {
    if (now < turn.sentAt + queue.options.failoverMs) return;
    queue.underWay.delete(turn);
  }
}

function lostAt({ underWay, options }: Queue): number {
  const [oldest] = underWay;
  return oldest === undefined ? Infinity : oldest.sentAt + options.failoverMs;
}

function standing({ waiting, pace, options }: Queue): TrafficStanding {
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
