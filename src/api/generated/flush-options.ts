// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.

/** What `flush` of an open pipe takes. */
export interface FlushOptions {
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
