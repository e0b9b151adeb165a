// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.

/** What `finish` of an open pipe takes. */
export interface DrainOptions {
  /**
   * How long draining may take. After it, the pipe stops at once. Takes: milliseconds, 0 to 2147483647.
   *
   * @default 20_000
   * @example
   * ```ts
   * deadlineMs: 50_000
   * ```
   */
  readonly deadlineMs?: number | undefined;
}
