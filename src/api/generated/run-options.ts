// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.

/** The second argument of `runUntilSignal`. */
export interface RunOptions {
  /**
   * Stop signals.
   *
   * @default ['SIGTERM', 'SIGINT']
   * @example
   * ```ts
   * signals: ['SIGTERM', 'SIGUSR2']
   * ```
   */
  readonly signals?: readonly NodeJS.Signals[] | undefined;
  /**
   * How long draining may take. A shard that is not drained by then is released at its last settled record. Takes:
   * milliseconds, 0 to 2147483647.
   *
   * @default 20_000
   * @example
   * ```ts
   * deadlineMs: 50_000
   * ```
   */
  readonly deadlineMs?: number | undefined;
}
