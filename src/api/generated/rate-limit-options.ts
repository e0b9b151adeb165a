// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.

/**
 * How many items this process hands to your code, over all reducers, retries included. `consumer.setLimit` changes it
 * while the consumer runs.
 */
export interface RateLimitOptions {
  /**
   * Required. Items per second; may be below 1. At most the items of one second come at once, or one item. Reducers
   * share it fairly. Other processes have limits of their own. Takes: items per second, 0.001 to 1000000.
   *
   * @example
   * ```ts
   * limit: { perSecond: 200 }
   * ```
   */
  readonly perSecond: number;
}
