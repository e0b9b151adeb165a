// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.

/** What `feed` and `feedAll` of an open pipe take beside values. */
export interface FeedOptions {
  /**
   * `key` of the item that the message stands for. Takes: a text.
   *
   * @default ''
   * @example
   * ```ts
   * key: 'customer-1'
   * ```
   */
  readonly key?: string | undefined;
  /**
   * After this long the call rejects with PIPE_TIMEOUT. A call that has not begun by then has no effect; any other goes
   * on. Takes: milliseconds, 0 to 2147483647.
   *
   * @default undefined
   * @example
   * ```ts
   * deadlineMs: 5_000
   * ```
   */
  readonly deadlineMs?: number | undefined;
}
