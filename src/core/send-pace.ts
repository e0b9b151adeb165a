// How many requests may be under way to a table, and how fast they may follow one another: found out from its answers, for no
// number fits both an on-demand table and one that carries a hundred writes a second. A table that queues is told by its
// latency, one that refuses by its refusals. Pure: time is passed in. Used by `lease-traffic.ts`.

/** How a request ended. `unused`: it was never sent. */
export type SendOutcome = 'answered' | 'throttled' | 'failed' | 'unused';

export interface SendPace {
  /** Requests that may be under way at once. */
  window: number;
  /** Requests a second; Infinity until the first refusal. */
  perSecond: number;
  /** Monotonic milliseconds: when the next request may be sent. */
  nextAt: number;
  /** Requests sent before this say nothing new: the pace was lowered since. */
  loweredAt: number;
  throttledAt: number;
  /** When the last requests were answered, the last second's at most. */
  answers: number[];
  readonly startedAt: number;
  /** An answer that takes longer means that requests queue at the table. */
  readonly slowMs: number;
}

const firstWindow = 32;
const leastWindow = 2;
/** Below the 50 sockets of the SDK's agent, in which requests would queue unseen and time out. */
const mostWindow = 48;
const leastPerSecond = 10;
const mostPerSecond = 5_000;
const windowBackOff = 0.7;
/** Little, for the answers have told quite exactly what the table carries. */
const paceBackOff = 0.88;
/** Per answer: 5 % a second at the pace there is; more when no refusal has come for a while. */
const growth = 0.05;
const fastGrowth = 0.25;
const fastAfterMs = 4_000;
const measuredMs = 1_000;
const lateMs = 10;
/** One overflow is often told by several refusals. */
const settleMs = 250;

export function createSendPace(slowMs: number, now: number): SendPace {
  return {
    window: firstWindow,
    perSecond: Infinity,
    nextAt: now,
    loweredAt: -Infinity,
    throttledAt: -Infinity,
    answers: [],
    startedAt: now,
    slowMs,
  };
}

/** Whether one more may be sent now, beside those under way. */
export function maySend(pace: SendPace, underWay: number, now: number): boolean {
  return underWay < Math.floor(pace.window) && now >= pace.nextAt;
}

export function noteSent(pace: SendPace, now: number): void {
  if (pace.perSecond === Infinity) return;
  // Timers are late by a millisecond or so, which is caught up with. A pause is not: the table may have forgotten it, too.
  const gapMs = 1_000 / pace.perSecond;
  pace.nextAt = Math.max(pace.nextAt, now - Math.max(gapMs, lateMs)) + gapMs;
}

export interface Sent {
  readonly outcome: SendOutcome;
  readonly sentAt: number;
  /** How long the table took; what this process lost to its own work is not the table's. */
  readonly tookMs: number;
  /** The window was used up when the answer came, so that a wider one would have been used. */
  readonly full: boolean;
}

export function noteOutcome(pace: SendPace, sent: Sent, now: number): void {
  const { outcome, sentAt } = sent;
  switch (outcome) {
    case 'unused':
      return;
    case 'answered':
      return answered(pace, sent, now);
    case 'throttled': {
      const measured = measuredPerSecond(pace, now);
      pace.throttledAt = now;
      if (sentAt < pace.loweredAt + settleMs) return;
      pace.loweredAt = now;
      pace.perSecond = Math.max(leastPerSecond, paceBackOff * Math.min(pace.perSecond, measured));
      pace.nextAt = Math.max(pace.nextAt, now + 1_000 / pace.perSecond);
      return;
    }
    case 'failed':
      if (sent.tookMs > pace.slowMs) narrow(pace, sentAt, now);
      return;
    default:
      outcome satisfies never;
  }
}

function answered(pace: SendPace, { full, sentAt, tookMs }: Sent, now: number): void {
  pace.answers.push(now);
  if (pace.answers.length > 2 * mostPerSecond) forget(pace, now);
  if (tookMs > pace.slowMs) narrow(pace, sentAt, now);
  else if (full) pace.window = Math.min(mostWindow, pace.window + 1 / pace.window);
  if (pace.perSecond === Infinity) return;
  pace.perSecond += now - pace.throttledAt > fastAfterMs ? fastGrowth : growth;
  if (pace.perSecond > mostPerSecond) pace.perSecond = Infinity;
}

function narrow(pace: SendPace, sentAt: number, now: number): void {
  if (sentAt < pace.loweredAt) return;
  pace.loweredAt = now;
  pace.window = Math.max(leastWindow, pace.window * windowBackOff);
}

/** What the table has carried in the last second. */
export function measuredPerSecond(pace: SendPace, now: number): number {
  forget(pace, now);
  const spanMs = Math.min(measuredMs, Math.max(100, now - pace.startedAt));
  return (pace.answers.length * 1_000) / spanMs;
}

function forget(pace: SendPace, now: number): void {
  const first = pace.answers.findIndex((at) => at > now - measuredMs);
  pace.answers.splice(0, first === -1 ? pace.answers.length : first);
}

const throttleName = /Throttl|Throughput|RequestLimit|TooManyRequests|SlowDown/;

/** What a rejected request says of the table: that it refuses more than it carries, or nothing (a network, a time limit). */
export function outcomeOf(error: unknown): 'throttled' | 'failed' {
  for (let at = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth += 1) {
    if (throttleName.test(at.name)) return 'throttled';
  }
  return 'failed';
}
