// I55: the rate limit of a process. In no second it hands out more items than the limit and its burst, which is one second's worth.
// While reducers wait for the limit, it hands out what the limit allows. The law keeps a bucket of its own, and looks at deliveries.
export interface LimitsOptions {
  /** World time, as the process sees it. */
  readonly now: () => number;
  readonly reducers: number;
  /**
   * Whether a reducer may hand out items some time after it has taken their tokens: it waits, or computes, between two items of one
   * run. Then it may have a burst of its own.
   */
  readonly isLoose: () => boolean;
  readonly violate: (invariant: string, text: string) => void;
}

export interface Limits {
  /** The limit changes. Items that were handed to a reducer before may still follow. */
  changed(perSecond: number | undefined): void;
  handedOut(): void;
  readonly perSecond: () => number | undefined;
  /** How long a reducer may wait for tokens while the process hands nothing out. */
  readonly longestWaitMs: () => number;
  /** When an item was last handed out, or the limit changed. */
  readonly lastAt: () => number;
}

/** After a change, runs that began before it may go on for so long. */
const graceMs = 2_000;
const looseGraceMs = 60_000;
const drift = 0.002;
/** Parts of a second for which a reducer reserves tokens: it may use them later. */
const reservationsPerSecond = 20;
const blurMs = 1_000;

export function createLimits({ now, reducers, isLoose, violate }: LimitsOptions): Limits {
  let perSecond: number | undefined;
  let tokens = 0;
  let updatedAt = 0;
  let looseUntil = -Infinity;
  let lastAt = -Infinity;
  const reserved = (rate: number): number => reducers * Math.max(1, rate / reservationsPerSecond);
  const capacityOf = (rate: number): number =>
    Math.max(1, rate) * (isLoose() ? 1 + reducers : 1) + reserved(rate) + 1e-3;
  const refill = (rate: number): void => {
    tokens = Math.min(capacityOf(rate), tokens + ((now() - updatedAt) * rate * (1 + drift)) / 1_000);
    updatedAt = now();
  };
  return {
    changed: (next) => {
      if (next === perSecond) return;
      if (next !== undefined) {
        if (perSecond !== undefined) refill(perSecond);
        const kept = perSecond === undefined ? Infinity : tokens + reserved(perSecond);
        tokens = Math.min(capacityOf(next), kept + reserved(next));
        updatedAt = now();
      }
      perSecond = next;
      lastAt = now();
      looseUntil = now() + (isLoose() ? looseGraceMs : graceMs);
    },
    handedOut: () => {
      lastAt = now();
      if (perSecond === undefined) return;
      refill(perSecond);
      tokens -= 1;
      if (tokens >= 0) return;
      tokens = 0;
      if (now() < looseUntil) return;
      violate('I55', `more than ${perSecond} items per second were handed out, after a burst of one second`);
    },
    perSecond: () => perSecond,
    longestWaitMs: () => {
      const rate = perSecond ?? Infinity;
      return (1_000 * (1 + reserved(rate))) / rate + blurMs;
    },
    lastAt: () => lastAt,
  };
}
