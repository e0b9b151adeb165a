// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.

/** What `fileSink` takes. */
export interface FileSinkOptions {
  /**
   * Required. The folder that gets the files. It is created if it is missing, with its parents. Put it on a disk that
   * outlives the process. Takes: a path.
   *
   * @example
   * ```ts
   * path: '/var/lib/orders/parked'
   * ```
   */
  readonly path: string;
  /**
   * How many bytes the folder may hold, in all its files, those of other processes too. An item that would pass this
   * bound is not parked: the call rejects with PARKING_FAILED. Takes: integer >= 1.
   *
   * @default 1_073_741_824
   * @example
   * ```ts
   * maxBytes: 10 * 1024 ** 3
   * ```
   */
  readonly maxBytes?: number | undefined;
  /**
   * A new file begins before a file would pass this size. No file is ever deleted. An item that is larger gets a file
   * for itself. Takes: integer >= 1.
   *
   * @default 67_108_864
   * @example
   * ```ts
   * maxFileBytes: 256 * 1024 ** 2
   * ```
   */
  readonly maxFileBytes?: number | undefined;
}
