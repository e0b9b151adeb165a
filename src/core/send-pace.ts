// Decides how many requests may be under way to a table, and how fast they may follow one another. It learns both from the
// answers, because no number fits both an on-demand table and a table that carries a hundred writes a second. Slow answers show a
// table that queues, and refusals show one that is at its limit. The functions are pure: time is passed in. `lease-traffic.ts`
// uses them.

/** How a request ended. `unused`: it was never sent. */
export type SendOutcome = 'answered' | 'throttled' | 'failed' | 'unused';

export interface SendPace {
  /** How many requests may be under way at once. */
  window: number;
  /** How many requests may be sent in a second; Infinity until the first refusal. */
  perSecond: number;
  /** Monotonic milliseconds: the slot of the last request. The next one follows it at the rate that holds for that one. */
  slotAt: number;
  /** Requests sent before this time say nothing new, because the pace has been lowered since. */
  loweredAt: number;
  throttledAt: number;
  /** How many requests were answered in the last `rememberedMs`, by slices of time. */
  readonly answers: { readonly slice: number; count: number }[];
  readonly rememberedMs: number;
  readonly startedAt: number;
  /** An answer that takes longer means that requests queue at the table, unless the quickest of late took nearly as long. */
  readonly slowMs: number;
  /** How long a request occupies its place, on average of late. */
  placeMs: number;
  /** The quickest answers of this spell of time and of the one before: what no pace makes quicker. */
  readonly quickest: { spell: number; ms: number; beforeMs: number };
}

const firstWindow = 32;
const leastWindow = 2;
/** The widest window: below the 50 sockets of the SDK's agent, where more requests would queue unseen and time out. */
const mostWindow = 48;
/** The lowest rate, so that a table that has refused everything for long is still asked. */
const leastPerSecond = 10;
const mostPerSecond = 5_000;
const windowBackOff = 0.7;
/** Little, because the answers have shown quite exactly what the table carries. */
const paceBackOff = 0.88;
/** Refusals that come while little is sent say little of what the table carries: no step is larger than this. */
const leastBackOff = 0.5;
/**
 * The lowest rate after the first refusal, where too little was sent to know better: four steps from any small table's.
 */
const firstPerSecond = 100;
/** Per answer: 5 % a second at the pace there is; more when no refusal has come for a while. */
const growth = 0.05;
const fastGrowth = 0.25;
const fastAfterMs = 4_000;
const measuredMs = 1_000;
const sliceMs = 100;
const slicesMeasured = measuredMs / sliceMs;
const lateMs = 10;
/** Several refusals often come from one overflow. */
const overflowMs = 250;
/** What one request adds to the average. */
const placeWeight = 1 / 16;
const spellMs = 15_000;
/** Answers that take this much longer than the quickest one show a queue. */
const queueing = 2;
/** Times `slowMs`: a table that takes longer never counts as merely far away, and gets no more at once. */
const farthest = 4;

/**
 * `rememberedMs`: how far back a busy second counts. Writes come in bunches, one bunch per renewal period, so that the last
 * second alone says next to nothing.
 */
export function createSendPace(slowMs: number, rememberedMs: number, now: number): SendPace {
  return {
    window: firstWindow,
    perSecond: Infinity,
    slotAt: -Infinity,
    loweredAt: -Infinity,
    throttledAt: -Infinity,
    answers: [],
    rememberedMs: Math.max(measuredMs, rememberedMs),
    startedAt: now,
    slowMs,
    placeMs: 0,
    quickest: { spell: 0, ms: Infinity, beforeMs: Infinity },
  };
}

/** Whether one more may be sent now, beside those under way. `owedPerSecond`: see `nextAt`. */
export function maySend(pace: SendPace, underWay: number, owedPerSecond: number, now: number): boolean {
  return underWay < roomIn(pace, owedPerSecond) && now >= nextAt(pace, owedPerSecond);
}

/**
 * How many may be under way at once. What is owed needs as many places as requests come due while one is occupied. With
 * fewer, a table that is slow for a while, whatever is sent to it, would cost every lease.
 */
export function roomIn({ placeMs, slowMs, window }: SendPace, owedPerSecond: number): number {
  const owed = Math.ceil((owedPerSecond * Math.min(placeMs, farthest * slowMs)) / 1_000);
  return Math.max(Math.floor(window), Math.min(mostWindow, owed));
}

/**
 * When the pace allows the next request. `owedPerSecond` is the rate that this request may have whatever the table has
 * refused, because a delay would cost more than a refusal. It is 0 where the request can wait.
 */
export function nextAt(pace: SendPace, owedPerSecond: number): number {
  return pace.slotAt + 1_000 / Math.max(pace.perSecond, owedPerSecond);
}

export function noteSent(pace: SendPace, owedPerSecond: number, now: number): void {
  if (pace.perSecond === Infinity) return;
  // Timers are late by a millisecond or so, and that is caught up. A pause is not: the table may have forgotten it,
  // too.
  const gapMs = 1_000 / Math.max(pace.perSecond, owedPerSecond);
  pace.slotAt = Math.max(pace.slotAt + gapMs, now - Math.max(gapMs, lateMs));
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
  if (outcome === 'unused') return;
  pace.placeMs += (Math.max(0, sent.tookMs) - pace.placeMs) * placeWeight;
  switch (outcome) {
    case 'answered':
      return answered(pace, sent, now);
    case 'throttled':
      return throttled(pace, sentAt, now);
    case 'failed':
      if (isSlow(pace, sent.tookMs)) narrow(pace, sentAt, now);
      return;
    default:
      outcome satisfies never;
  }
}

function throttled(pace: SendPace, sentAt: number, now: number): void {
  pace.throttledAt = now;
  if (sentAt < pace.loweredAt + overflowMs) return;
  pace.loweredAt = now;
  const before = pace.perSecond;
  const least = before === Infinity ? firstPerSecond : Math.max(leastPerSecond, leastBackOff * before);
  pace.perSecond = Math.max(least, paceBackOff * Math.min(before, carriedPerSecond(pace, now)));
  pace.slotAt = Math.max(pace.slotAt, now);
}

function answered(pace: SendPace, { full, sentAt, tookMs }: Sent, now: number): void {
  noteAnswer(pace, now);
  noteQuickest(pace.quickest, tookMs, now);
  if (isSlow(pace, tookMs)) narrow(pace, sentAt, now);
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

function noteQuickest(quickest: SendPace['quickest'], tookMs: number, now: number): void {
  const spell = Math.floor(now / spellMs);
  if (spell !== quickest.spell) {
    quickest.beforeMs = spell === quickest.spell + 1 ? quickest.ms : Infinity;
    quickest.ms = Infinity;
    quickest.spell = spell;
  }
  quickest.ms = Math.min(quickest.ms, Math.max(0, tookMs));
}

function isSlow({ quickest, slowMs }: SendPace, tookMs: number): boolean {
  const leastMs = Math.min(quickest.ms, quickest.beforeMs);
  const queuesFrom = leastMs === Infinity ? slowMs : Math.max(slowMs, queueing * leastMs);
  return tookMs > Math.min(queuesFrom, farthest * slowMs);
}

function noteAnswer({ answers, rememberedMs }: SendPace, now: number): void {
  const slice = Math.floor(now / sliceMs);
  const last = answers.at(-1);
  if (last?.slice === slice) last.count += 1;
  else answers.push({ slice, count: 1 });
  while (answers[0]!.slice < slice - rememberedMs / sliceMs) answers.shift();
}

/** What the table has carried in the last second. */
export function measuredPerSecond(pace: SendPace, now: number): number {
  const spanMs = Math.min(measuredMs, Math.max(sliceMs, now - pace.startedAt));
  const after = Math.floor(now / sliceMs) - slicesMeasured;
  let count = 0;
  for (const one of pace.answers) if (one.slice > after) count += one.count;
  return (count * 1_000) / spanMs;
}

/** What the table has carried in the best second that is remembered. */
function carriedPerSecond(pace: SendPace, now: number): number {
  const { answers, rememberedMs } = pace;
  const oldest = Math.floor(now / sliceMs) - rememberedMs / sliceMs;
  const known = answers.filter(({ slice }) => slice >= oldest);
  let best = 0;
  let sum = 0;
  let first = 0;
  for (const { count, slice } of known) {
    sum += count;
    for (; known[first]!.slice <= slice - slicesMeasured; first += 1) sum -= known[first]!.count;
    best = Math.max(best, sum);
  }
  return Math.max(measuredPerSecond(pace, now), (best * 1_000) / measuredMs);
}

const throttleName = /Throttl|Throughput|RequestLimit|TooManyRequests|SlowDown/;

/** What a rejected request says of the table: that it refuses more than it carries, or nothing (a network, a time limit). */
export function outcomeOf(error: unknown): 'throttled' | 'failed' {
  for (let at = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth += 1) {
    if (throttleName.test(at.name)) return 'throttled';
  }
  return 'failed';
}
