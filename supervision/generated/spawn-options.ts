// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.

/** How an actor is started. */
export interface SpawnOptions {
  /**
   * How long it may wait for its user effects and children when it ends by itself. 0: not at all. Takes: milliseconds,
   * 0 or more.
   *
   * @default 5_000
   * @example
   * ```ts
   * shutdownMs: 60_000
   * ```
   */
  readonly shutdownMs?: number | undefined;
}
