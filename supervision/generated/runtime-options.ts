// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.
import type { Clock, Random, Timers } from '../../src/api/ports.js';
import type { Intercept, TraceEntry } from '../intercept.js';
import type { NactReference } from '../nact.js';
import type { RuntimeEvent } from '../runtime-event.js';

/** What `createRuntime` takes. `Event` is what the application’s actors emit. */
export interface RuntimeOptions<Event = RuntimeEvent> {
  /**
   * The time of day, and the elapsed time.
   *
   * @default the host's
   * @example
   * ```ts
   * clock: new ManualClock()
   * ```
   */
  readonly clock?: Clock | undefined;
  /**
   * One-shot timers.
   *
   * @default the host's
   * @example
   * ```ts
   * timers: new ManualClock()
   * ```
   */
  readonly timers?: Timers | undefined;
  /**
   * Source of randomness.
   *
   * @default the host's
   * @example
   * ```ts
   * random: { next: () => 0.5 }
   * ```
   */
  readonly random?: Random | undefined;
  /**
   * Gets every event that actors emit, and those of the runtime. What it throws or rejects with is counted.
   *
   * @default undefined
   * @example
   * ```ts
   * emit: (event) => console.log(event)
   * ```
   */
  readonly emit?: ((event: Event | RuntimeEvent) => void) | undefined;
  /**
   * An actor or system of the application’s nact to live under.
   *
   * @default a nact system of its own
   * @example
   * ```ts
   * parent: start()
   * ```
   */
  readonly parent?: NactReference | undefined;
  /**
   * How often to check whether the application has stopped `parent`; nact gives no notice of that. Takes: milliseconds,
   * 1 to 2147483647.
   *
   * @default 250
   * @example
   * ```ts
   * probeMs: 1_000
   * ```
   */
  readonly probeMs?: number | undefined;
  /**
   * Gets every step. What it throws or rejects with is counted, and reported once, by the event `warning`.
   *
   * @default undefined
   * @example
   * ```ts
   * trace: ({ to, what }) => console.log(to, what)
   * ```
   */
  readonly trace?: ((entry: TraceEntry) => void) | undefined;
  /**
   * Runs between actors and their messages and effects, for tracing, fault injection or throttling.
   *
   * @default undefined
   * @example
   * ```ts
   * intercept: { receive: (delivery, receive) => receive() }
   * ```
   */
  readonly intercept?: Intercept | undefined;
}
