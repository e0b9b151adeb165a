// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.

/** How long `ask` waits. */
export interface AskOptions {
  /**
   * The question fails with ASK_TIMEOUT after this time. Takes: milliseconds, 0 or more.
   *
   * @default undefined
   * @example
   * ```ts
   * deadlineMs: 1_000
   * ```
   */
  readonly deadlineMs?: number | undefined;
  /**
   * Withdraws the question, and rejects with its reason.
   *
   * @default undefined
   * @example
   * ```ts
   * signal: AbortSignal.timeout(1_000)
   * ```
   */
  readonly signal?: AbortSignal | undefined;
}
