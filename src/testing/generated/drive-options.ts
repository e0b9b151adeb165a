// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.
import type { OnFailure } from '../../api/reducer.js';

/** What `drive` takes beside a reducer. */
export interface DriveOptions {
  /**
   * What a failed record or batch costs: `crash` restarts the pipeline and checkpoints nothing; `skip` settles and
   * counts it; `stopShard` gives up its shard for a while; or a function `(error, item) => policy`.
   *
   * @default 'crash'
   * @example
   * ```ts
   * onFailure: (error, { at }) => (at === 'extract' ? 'skip' : 'crash')
   * ```
   */
  readonly onFailure?: OnFailure | undefined;
  /**
   * Cadence of the heartbeat and of partial flushes to *all* reducers; the default of `batch.intervalMs`. Takes:
   * milliseconds, 1 to 2147483647.
   *
   * @default 1_000
   * @example
   * ```ts
   * flushIntervalMs: 250
   * ```
   */
  readonly flushIntervalMs?: number | undefined;
}
