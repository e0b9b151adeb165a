// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.
import type { OnFailure } from '../../api/failure-policy.js';

/** What `drive` takes beside a reducer. */
export interface DriveOptions {
  /**
   * What happens when your code fails on a record or batch. `retry()` repeats the call after a growing delay, and other
   * keys go on. `park()` sets the failed item aside. `crash` restarts the pipeline and checkpoints nothing. `skip`
   * settles and counts it. `stopShard` gives up its shard for a while. A function `(error, item, attempt) => policy`
   * decides each time, and may return a promise. Failures of `extract`, of `key` and of decoding are not retried: they
   * restart the pipeline, or follow `then` of your `retry`.
   *
   * @default the value of retry()
   * @example
   * ```ts
   * onFailure: (error, { at }) => (at === 'extract' ? 'skip' : 'crash')
   * ```
   */
  readonly onFailure?: OnFailure | undefined;
  /**
   * The default of `batch.intervalMs`, and the time between two heartbeats to reducers that are a `behaviour`. Lower it
   * to checkpoint records of a quiet stream sooner; raise it for fewer and larger flushes. Takes: milliseconds, 1 to
   * 2147483647.
   *
   * @default 1_000
   * @example
   * ```ts
   * flushIntervalMs: 250
   * ```
   */
  readonly flushIntervalMs?: number | undefined;
}
