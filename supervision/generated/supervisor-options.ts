// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.
import type { Effect } from '../actor.js';
import type { ChildSpec, Siblings } from '../child-spec.js';

/** What a supervisor takes. `Event` is what its `restarting` emits. */
export interface SupervisorOptions<Event = unknown> {
  /**
   * The actor's kind, in its path. Takes: a non-empty string.
   *
   * @default 'supervisor'
   * @example
   * ```ts
   * kind: 'orders'
   * ```
   */
  readonly kind?: string | undefined;
  /**
   * Which children restart with one that crashed: no other, those that were started after it, or all.
   *
   * @default 'one-for-one'
   * @example
   * ```ts
   * strategy: 'rest-for-one'
   * ```
   */
  readonly strategy?: 'one-for-one' | 'rest-for-one' | 'one-for-all' | undefined;
  /**
   * At most this many restarts within `periodMs`; the next one makes the supervisor fail with RESTART_INTENSITY. Takes:
   * a number of restarts, 0 or more.
   *
   * @default 1
   * @example
   * ```ts
   * intensity: 5
   * ```
   */
  readonly intensity?: number | undefined;
  /**
   * The length of the sliding period. Takes: milliseconds, more than 0.
   *
   * @default 5_000
   * @example
   * ```ts
   * periodMs: 60_000
   * ```
   */
  readonly periodMs?: number | undefined;
  /**
   * Whether the supervisor ends when significant children have ended on their own and will not restart: one of them, or
   * all.
   *
   * @default 'never'
   * @example
   * ```ts
   * autoShutdown: 'any-significant'
   * ```
   */
  readonly autoShutdown?: 'never' | 'any-significant' | 'all-significant' | undefined;
  /**
   * Required. Started in this order, stopped in the reverse one.
   *
   * @example
   * ```ts
   * children: [{ id: 'counter', start: () => counter }]
   * ```
   */
  readonly children: readonly ChildSpec[];
  /**
   * See `Behaviour.stopChildren`: one after the other, as in OTP, or all at once.
   *
   * @default 'one-by-one'
   * @example
   * ```ts
   * stopChildren: 'together'
   * ```
   */
  readonly stopChildren?: 'one-by-one' | 'together' | undefined;
  /**
   * Further children, asked for after the first start, and after every restart under rest-for-one and one-for-all. One
   * that does not start is left out.
   *
   * @default undefined
   * @example
   * ```ts
   * dynamic: () => [{ id: 'late', start: () => counter }]
   * ```
   */
  readonly dynamic?: ((siblings: Siblings) => readonly ChildSpec[]) | undefined;
  /**
   * How long to wait before a restart starts the children again, once they have stopped. Until then, the supervisor
   * handles no other request. `count` counts the restarts of its life.
   *
   * @default undefined
   * @example
   * ```ts
   * restartDelayMs: (count) => Math.min(30_000, 500 * 2 ** (count - 1))
   * ```
   */
  readonly restartDelayMs?: ((count: number, error: Error) => number) | undefined;
  /**
   * Effects when a restart begins, such as an event. `count` counts the restarts of this supervisor's life.
   *
   * @default undefined
   * @example
   * ```ts
   * restarting: (count, error) => [effect.emit({ count, error })]
   * ```
   */
  readonly restarting?: ((count: number, error: Error) => readonly Effect<never, Event>[]) | undefined;
}
