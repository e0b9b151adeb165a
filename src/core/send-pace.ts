// Decides how many requests may be under way to a table, and how fast they may follow one another. Both limits adapt to the
// answers, because no number fits both an on-demand table and a table that carries a hundred writes a second. Slow answers show
// that requests queue at the table, and refusals show that the table is at its limit. The functions read no clock:
// `lease-traffic.ts`, which calls them, passes the time.

/** How a request ended. `unused`: it was never sent. */
export type SendOutcome = 'answered' | 'throttled' | 'failed' | 'unused';

export interface SendPace {
  /** How many requests may be under way at once. */
  window: number;
  /** How many requests may be sent in a second; Infinity until the first refusal. */
  perSecond: number;
  /** The time slot of the last request, in monotonic milliseconds. The next request follows at the rate that holds for it. */
  slotAt: number;
  /** When the pace was last lowered. Requests sent before this time do not lower it again. */
  loweredAt: number;
  throttledAt: number;
  /** How many requests were answered in the last `rememberedMs`, per slice of `sliceMs`. */
  readonly answers: { readonly slice: number; count: number }[];
  readonly rememberedMs: number;
  readonly startedAt: number;
  /** A slower answer means that requests queue at the table, unless the quickest recent answer took at least half as long. */
  readonly slowMs: number;
  /** The average time for which recent requests occupied their places. */
  placeMs: number;
  /** The quickest answers of this spell (`spellMs`) and of the one before. No pace makes answers quicker than that. */
  readonly quickest: { spell: number; ms: number; beforeMs: number };
}

const firstWindow = 32;
const minWindow = 2;
/** The widest window. The SDK's agent has 50 sockets, and more requests would queue there unseen and time out. */
const maxWindow = 48;
/** The lowest rate. Even a table that has refused everything for long still gets requests. */
const minPerSecond = 10;
const maxPerSecond = 5_000;
const windowBackOff = 0.7;
/** A small step, because the answers show quite exactly what the table can carry. */
const paceBackOff = 0.88;
/** The largest step. Refusals while few requests are sent show little about what the table can carry. */
const minBackOff = 0.5;
/**
 * The lowest rate after the first refusal, if too few requests were sent to measure the table. From here, four steps reach the
 * rate of any small table.
 */
const firstPerSecond = 100;
/** Added to the rate per answer: 5 % a second at the current rate. `fastGrowth` applies after `fastAfterMs` without a refusal. */
const growth = 0.05;
const fastGrowth = 0.25;
const fastAfterMs = 4_000;
const measuredMs = 1_000;
const sliceMs = 100;
const slicesMeasured = measuredMs / sliceMs;
const lateMs = 10;
/** One overflow often causes several refusals. Requests sent within this time after a refusal do not lower the rate again. */
const overflowMs = 250;
/** The weight of one request in the average. */
const placeWeight = 1 / 16;
const spellMs = 15_000;
/** Answers that take this many times as long as the quickest one show a queue. */
const queueing = 2;
/** A multiple of `slowMs`. A table that takes longer never counts as merely far away, and gets no more requests at once. */
const farthest = 4;

/**
 * `rememberedMs`: how far back a busy second counts. Writes come in bunches, one bunch per renewal period, so the last second
 * alone shows next to nothing.
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

/** Whether one more request may be sent now, beside the `underWay` requests. `guaranteedPerSecond`: see `nextAt`. */
export function maySend(pace: SendPace, underWay: number, guaranteedPerSecond: number, now: number): boolean {
  return underWay < roomIn(pace, guaranteedPerSecond) && now >= nextAt(pace, guaranteedPerSecond);
}

/**
 * How many requests may be under way at once. Owed requests need as many places as come due while one is under way. With fewer
 * places, a table that is slow for a while, at any load, would cost every lease.
 */
export function roomIn({ placeMs, slowMs, window }: SendPace, guaranteedPerSecond: number): number {
  const owed = Math.ceil((guaranteedPerSecond * Math.min(placeMs, farthest * slowMs)) / 1_000);
  return Math.max(Math.floor(window), Math.min(maxWindow, owed));
}

/**
 * When the pace allows the next request. `guaranteedPerSecond` is the rate that this request may have even if the table refuses
 * requests, because a delay would cost more than a refusal. It is 0 if the request can wait.
 */
export function nextAt(pace: SendPace, guaranteedPerSecond: number): number {
  return pace.slotAt + 1_000 / Math.max(pace.perSecond, guaranteedPerSecond);
}

export function noteSent(pace: SendPace, guaranteedPerSecond: number, now: number): void {
  if (pace.perSecond === Infinity) return;
  // Timers are late by a millisecond or so, and the pace catches up on that. It does not catch up on a pause: the table may have
  // forgotten the pause, too.
  const gapMs = 1_000 / Math.max(pace.perSecond, guaranteedPerSecond);
  pace.slotAt = Math.max(pace.slotAt + gapMs, now - Math.max(gapMs, lateMs));
}

export interface Sent {
  readonly outcome: SendOutcome;
  readonly sentAt: number;
  /** How long the table took, without the time that this process lost to its own work. */
  readonly tookMs: number;
  /** The window was full when the answer came: a wider window would have been used. */
  readonly isFull: boolean;
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
  }
}

function throttled(pace: SendPace, sentAt: number, now: number): void {
  pace.throttledAt = now;
  if (sentAt < pace.loweredAt + overflowMs) return;
  pace.loweredAt = now;
  const before = pace.perSecond;
  const least = before === Infinity ? firstPerSecond : Math.max(minPerSecond, minBackOff * before);
  pace.perSecond = Math.max(least, paceBackOff * Math.min(before, carriedPerSecond(pace, now)));
  pace.slotAt = Math.max(pace.slotAt, now);
}

function answered(pace: SendPace, { isFull, sentAt, tookMs }: Sent, now: number): void {
  noteAnswer(pace, now);
  noteQuickest(pace.quickest, tookMs, now);
  if (isSlow(pace, tookMs)) narrow(pace, sentAt, now);
  else if (isFull) pace.window = Math.min(maxWindow, pace.window + 1 / pace.window);
  if (pace.perSecond === Infinity) return;
  pace.perSecond += now - pace.throttledAt > fastAfterMs ? fastGrowth : growth;
  if (pace.perSecond > maxPerSecond) pace.perSecond = Infinity;
}

function narrow(pace: SendPace, sentAt: number, now: number): void {
  if (sentAt < pace.loweredAt) return;
  pace.loweredAt = now;
  pace.window = Math.max(minWindow, pace.window * windowBackOff);
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
  const quickestMs = Math.min(quickest.ms, quickest.beforeMs);
  const queuesFrom = quickestMs === Infinity ? slowMs : Math.max(slowMs, queueing * quickestMs);
  return tookMs > Math.min(queuesFrom, farthest * slowMs);
}

function noteAnswer({ answers, rememberedMs }: SendPace, now: number): void {
  const slice = Math.floor(now / sliceMs);
  const last = answers.at(-1);
  if (last?.slice === slice) last.count += 1;
  else answers.push({ slice, count: 1 });
  while (answers[0]!.slice < slice - rememberedMs / sliceMs) answers.shift();
}

/** How many requests per second the table has answered in the last second. */
export function measuredPerSecond(pace: SendPace, now: number): number {
  const spanMs = Math.min(measuredMs, Math.max(sliceMs, now - pace.startedAt));
  const after = Math.floor(now / sliceMs) - slicesMeasured;
  let count = 0;
  for (const one of pace.answers) if (one.slice > after) count += one.count;
  return (count * 1_000) / spanMs;
}

/** The same for the best second that is remembered. */
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

/**
 * Whether a rejected request shows that the table is at its limit (`throttled`) or shows nothing, like a network error or a time limit.
 */
export function outcomeOf(error: unknown): 'throttled' | 'failed' {
  for (let at = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth += 1) {
    if (throttleName.test(at.name)) return 'throttled';
  }
  return 'failed';
}
