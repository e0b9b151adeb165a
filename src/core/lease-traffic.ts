// The queue of all writes of this process to one lease table. It limits the writes under way, and orders the rest by the cost of a delay: a
// late renewal costs a lease, a late take costs nothing yet. Requests wait here, not at the table. Keepers and the coordinator ask for a
// *permit*, the permission to send one write, before each of them. A keeper decides what to write when it has the permit, and sends at
// once. So deadlines and time limits count from the permit. There is one such queue per table and process.
import {
  createSendPace,
  maySend,
  measuredPerSecond,
  nextAt,
  noteOutcome,
  noteSent,
  roomIn,
  type SendOutcome,
  type SendPace,
} from './send-pace.js';

/**
 * The kinds of writes, in order of rank:
 * - `renew`: a renewal that is due; the earliest deadline goes first;
 * - `duty`: any other write that a held lease needs (a hand-over, a release, the end of a shard, the answer to a wish), and every
 *   write of the coordinator;
 * - `take`: the first take of a lease, and wishes;
 * - `checkpoint`: a renewal that the lease does not need yet. It is sent only if the table has refused nothing for `calmMs` and
 *   less than half of the window is in use.
 */
export type TrafficKind = 'renew' | 'duty' | 'take' | 'checkpoint';

/** How urgent the next write of one writer is. The writer keeps this up to date, and the queue reads it whenever it grants a permit. */
export interface QueueEntry {
  kind: TrafficKind;
  /** Monotonic milliseconds: when the lease is lost without this write. */
  deadline: number;
  /** When the held lease is due to be renewed, whether its keeper waits for a permit or not; Infinity if no lease is held. */
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
  /** Creates an entry, which the queue counts until `leave`. */
  join(): QueueEntry;
  leave(entry: QueueEntry): void;
  /** Tells the queue that the rank of a waiting entry has changed. */
  moved(entry: QueueEntry): void;
  /** Returns a permit if one is free now and no waiting entry goes first. */
  enter(entry: QueueEntry): TrafficPermit | undefined;
  /** Resolves with the permit when the queue grants it. Rejects if `signal` aborts first. */
  wait(entry: QueueEntry, signal: AbortSignal): Promise<TrafficPermit>;
  report(): QueueReport;
}

export interface TrafficOptions {
  readonly clock: { now(): number };
  readonly timers: { after(ms: number, callback: () => void): () => void };
  readonly failoverMs: number;
}

interface WaitingEntry {
  readonly entry: QueueEntry;
  readonly since: number;
  readonly grant: (permit: TrafficPermit) => void;
}

interface Permit extends TrafficPermit {
  readonly entry: QueueEntry;
  readonly sentAt: number;
}

/** Raises the guaranteed rate, so that writes that have fallen behind can catch up. */
const guaranteedSlack = 1.2;
/** How long a computed rate is reused. Every permit needs the rate, and computing it means counting hundreds of entries. */
const countedMs = 100;

/** How often the queue checks, while requests are under way, whether this process is too busy to notice their answers. */
const probeMs = 50;

interface Queue {
  readonly options: TrafficOptions;
  readonly pace: SendPace;
  readonly entries: Set<QueueEntry>;
  /** Waiting entries, in the order in which they came. */
  readonly waiting: Set<WaitingEntry>;
  /** Permits in use, in the order in which their requests were sent. */
  readonly underWay: Set<Permit>;
  cancelTimer: (() => void) | undefined;
  /** The total time by which timers of this process were late while requests were under way. */
  stalledMs: number;
  cancelProbe: (() => void) | undefined;
  /** The last result of `guaranteedPerSecond`, and when it was counted. */
  guaranteed: { readonly perSecond: number; readonly at: number };
}

const ranks: Readonly<Record<TrafficKind, number>> = { renew: 0, duty: 1, take: 2, checkpoint: 3 };
/** After the last refusal of the table, checkpoints that no lease needs wait for this long. */
export const calmMs = 5_000;

export function createLeaseTraffic(options: TrafficOptions): LeaseTraffic {
  const { clock, failoverMs } = options;
  const queue: Queue = {
    options,
    pace: createSendPace(failoverMs / 40, (2 * failoverMs) / 3, clock.now()),
    entries: new Set(),
    waiting: new Set(),
    underWay: new Set(),
    cancelTimer: undefined,
    stalledMs: 0,
    cancelProbe: undefined,
    guaranteed: { perSecond: 0, at: -Infinity },
  };

  return {
    join() {
      const entry: QueueEntry = { kind: 'take', deadline: Infinity, renewalDue: Infinity };
      queue.entries.add(entry);
      return entry;
    },
    leave(entry) {
      queue.entries.delete(entry);
      // A writer that has left uses no permit, neither the one that it has nor the one that it waits for.
      for (const waiting of queue.waiting) if (waiting.entry === entry) queue.waiting.delete(waiting);
      for (const permit of queue.underWay) if (permit.entry === entry) queue.underWay.delete(permit);
      stopProbe(queue);
      serve(queue);
    },
    moved: () => serve(queue),
    enter(entry) {
      const now = clock.now();
      dropLost(queue, now);
      if (!mayGo(queue, entry, now)) return undefined;
      for (const other of queue.waiting)
        if (goesBefore(other.entry, entry) && mayGo(queue, other.entry, now)) return undefined;
      return issuePermit(queue, entry, now);
    },
    wait: (entry, signal) => wait(queue, entry, signal),
    report: () => reportOf(queue),
  };
}

function wait(queue: Queue, entry: QueueEntry, signal: AbortSignal): Promise<TrafficPermit> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    const onAbort = (): void => {
      queue.waiting.delete(waiting);
      reject(signal.reason as Error);
      serve(queue);
    };
    const waiting: WaitingEntry = {
      entry,
      since: queue.options.clock.now(),
      grant: (permit) => {
        signal.removeEventListener('abort', onAbort);
        resolve(permit);
      },
    };

    signal.addEventListener('abort', onAbort, { once: true });
    queue.waiting.add(waiting);
    serve(queue);
  });
}

/** Grants every permit that may be granted now, and sets a timer for the next check. */
function serve(queue: Queue): void {
  const now = queue.options.clock.now();
  dropLost(queue, now);
  for (let next = nextOf(queue, now); next !== undefined; next = nextOf(queue, now)) {
    queue.waiting.delete(next);
    next.grant(issuePermit(queue, next.entry, now));
  }

  queue.cancelTimer?.();
  queue.cancelTimer = undefined;
  const first = firstOf(queue);
  if (first === undefined) return;

  const at = Math.max(now + 1, Math.min(nextSlot(queue, first, now), lostAt(queue)));
  if (at < Infinity) queue.cancelTimer = queue.options.timers.after(at - now, () => serve(queue));
}

/** When the pace allows the request of this writer. If the window is full, this is Infinity: an answer or a lost permit makes room. */
function nextSlot(queue: Queue, { entry }: WaitingEntry, now: number): number {
  const { options, pace, underWay } = queue;
  const guaranteed = guaranteedPerSecond(queue, entry, now);
  if (underWay.size >= roomIn(pace, guaranteed)) return Infinity;

  const at = Math.max(nextAt(pace, guaranteed), entry.kind === 'checkpoint' ? pace.throttledAt + calmMs : -Infinity);
  // If the pace allows a request now, the writer waits for answers to other writes, and each answer calls `serve`. This check is
  // only a cheap fallback.
  return at > now ? at : now + options.failoverMs / 10;
}

function nextOf(queue: Queue, now: number): WaitingEntry | undefined {
  const first = firstOf(queue);
  return first !== undefined && mayGo(queue, first.entry, now) ? first : undefined;
}

function firstOf({ waiting }: Queue): WaitingEntry | undefined {
  let best: WaitingEntry | undefined;
  for (const one of waiting) if (best === undefined || goesBefore(one.entry, best.entry)) best = one;
  return best;
}

/** Whether `one` must go before `other`. Within a kind the earlier deadline goes first, and equal entries keep their order of arrival. */
function goesBefore(one: QueueEntry, other: QueueEntry): boolean {
  if (one.kind !== other.kind) return ranks[one.kind] < ranks[other.kind];
  return one.deadline < other.deadline;
}

/**
 * Whether the writer may have a permit now. While a renewal is late, the queue sends no takes, and no checkpoints that no lease
 * needs. A renewal so late that its lease is lost blocks nothing: it shows a problem of its row, not of the table.
 */
function mayGo(queue: Queue, entry: QueueEntry, now: number): boolean {
  const { options, entries, pace, underWay } = queue;
  if (!maySend(pace, underWay.size, guaranteedPerSecond(queue, entry, now), now)) return false;
  if (isGuaranteed(entry)) return true;
  if (entry.kind === 'checkpoint' && (now < pace.throttledAt + calmMs || underWay.size >= pace.window / 2))
    return false;

  const lateMs = options.failoverMs / 3;
  for (const { renewalDue } of entries) if (now > renewalDue + lateMs && now <= renewalDue + 2 * lateMs) return false;
  return true;
}

/**
 * The rate at which all held leases can be renewed, or released, in time. Refusals do not lower the pace below this rate. A lease
 * is lost if the table refuses its renewal, and just as surely if the renewal waits for the table to recover. Takes, and
 * checkpoints that can wait, have no guaranteed rate.
 */
function guaranteedPerSecond(queue: Queue, entry: QueueEntry, now: number): number {
  if (!isGuaranteed(entry)) return 0;
  if (now >= queue.guaranteed.at + countedMs) {
    let held = 0;
    for (const { kind, renewalDue } of queue.entries) if (kind === 'duty' || renewalDue < Infinity) held += 1;
    queue.guaranteed = { perSecond: (guaranteedSlack * held * 3_000) / queue.options.failoverMs, at: now };
  }
  return queue.guaranteed.perSecond;
}

function isGuaranteed({ kind }: QueueEntry): boolean {
  return kind === 'renew' || kind === 'duty';
}

function issuePermit(queue: Queue, entry: QueueEntry, now: number): TrafficPermit {
  noteSent(queue.pace, guaranteedPerSecond(queue, entry, now), now);
  const stalledBefore = queue.stalledMs;

  const permit: Permit = {
    entry,
    sentAt: now,
    end: (outcome) => {
      const isFull = queue.underWay.size >= Math.floor(queue.pace.window);
      if (!queue.underWay.delete(permit)) return;
      const answeredAt = queue.options.clock.now();
      const tookMs = answeredAt - now - (queue.stalledMs - stalledBefore);
      noteOutcome(queue.pace, { outcome, sentAt: now, tookMs, isFull }, answeredAt);
      serve(queue);
      stopProbe(queue);
    },
  };

  queue.underWay.add(permit);
  probe(queue);
  return permit;
}

/**
 * Measures how late timers are. A busy process notices answers late. If the table counted as slow because of that, renewals would
 * be even later.
 */
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

/** Stops the probe if no request is under way. No timer may outlive the last request. */
function stopProbe(queue: Queue): void {
  if (queue.underWay.size > 0) return;
  queue.cancelProbe?.();
  queue.cancelProbe = undefined;
}

/** Drops the permits of keepers that died before they ended them. Otherwise these permits would take up room forever. */
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

function reportOf({ waiting, pace, options }: Queue): QueueReport {
  const now = options.clock.now();
  let takesWaiting = 0;
  let oldestTakeMs = 0;

  for (const { entry, since } of waiting) {
    if (entry.kind !== 'take') continue;
    takesWaiting += 1;
    oldestTakeMs = Math.max(oldestTakeMs, now - since);
  }

  return { takesWaiting, oldestTakeMs, perSecond: measuredPerSecond(pace, now) };
}
