// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.
import type { Clock, Random, Timers } from '../ports.js';

/** The environment of the actors: clock, timers, randomness, and hooks for tests and tools. */
export interface RuntimeSeams {
  /**
   * The time of day, and the elapsed time.
   *
   * @default the host's
   * @example
   * ```ts
   * runtime: { clock: new ManualClock() }
   * ```
   */
  readonly clock?: Clock | undefined;
  /**
   * One-shot timers.
   *
   * @default the host's
   * @example
   * ```ts
   * runtime: { timers: new ManualClock() }
   * ```
   */
  readonly timers?: Timers | undefined;
  /**
   * Source of randomness.
   *
   * @default the host's
   * @example
   * ```ts
   * runtime: { random: { next: () => 0.5 } }
   * ```
   */
  readonly random?: Random | undefined;
  /**
   * Gets one entry per step of the actors: a `TraceEntry` of `kinact/supervision`. The same run gives the same entries.
   *
   * @default undefined
   * @example
   * ```ts
   * runtime: { trace: (entry: TraceEntry) => console.log(entry.to, entry.what) }
   * ```
   */
  readonly trace?: ((entry: never) => void) | undefined;
  /**
   * Runs between actors and their messages and effects: an `Intercept` of `kinact/supervision`.
   *
   * @default undefined
   * @example
   * ```ts
   * runtime: { intercept: { receive: (delivery, receive) => receive() } satisfies Intercept }
   * ```
   */
  readonly intercept?: object | undefined;
}
