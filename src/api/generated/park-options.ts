// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.

/** What `park` takes beside its sink. */
export interface ParkOptions {
  /**
   * What happens if the sink fails, or has not answered within `callDeadlineMs`. `retry`: the sink is called again
   * after a growing delay, of 0.1 s to 30 s, until it succeeds; your code is not called again. If the sink throws a
   * NonRetryableError, `crash` applies instead.
   *
   * @default 'retry'
   * @example
   * ```ts
   * then: 'crash'
   * ```
   */
  readonly then?: 'retry' | 'crash' | 'skip' | 'stopShard' | undefined;
}
