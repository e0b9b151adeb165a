// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.

/** How the local servers behave. */
export interface LocalServersOptions {
  /**
   * How long a stream or table stays CREATING, UPDATING or DELETING. With 500 the states AWS goes through become
   * visible. Takes: milliseconds, 0 to 2147483647.
   *
   * @default 0
   * @example
   * ```ts
   * createMs: 500
   * ```
   */
  readonly createMs?: number | undefined;
  /**
   * Shards that all streams together may have. Takes: integer >= 1.
   *
   * @default 500
   * @example
   * ```ts
   * shardLimit: 10
   * ```
   */
  readonly shardLimit?: number | undefined;
}
