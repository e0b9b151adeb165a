// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.

/** What `stop` takes. */
export interface StopOptions {
  /**
   * How long its children and its user effects may take in all. Those that still run then are named in `orphans`.
   * Takes: milliseconds, 0 or more.
   *
   * @default 5_000
   * @example
   * ```ts
   * deadlineMs: 60_000
   * ```
   */
  readonly deadlineMs?: number | undefined;
}
