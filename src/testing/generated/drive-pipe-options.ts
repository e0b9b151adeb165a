// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.
import type { OnFailure } from '../../api/failure-policy.js';

/** What `drivePipe` takes beside a pipe. */
export interface DrivePipeOptions {
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
   * How long to wait for running calls of your code when the pipeline restarts, a shard ends, or a lease is given up
   * after failures. A stop has its own deadline: `stop({ deadlineMs })`. It is also how long a policy function, a sink
   * of `park()`, a hook, and a call whose `timeoutMs` is over may take. With 0 no end of the pipeline or of a lease
   * waits, so a call that hangs may run beside its repetition. A policy function, a sink, a hook and a call past its
   * `timeoutMs` still have 30 s. Takes: milliseconds, 0 to 2147483647.
   *
   * @default 30_000
   * @example
   * ```ts
   * callDeadlineMs: 10_000
   * ```
   */
  readonly callDeadlineMs?: number | undefined;
}
