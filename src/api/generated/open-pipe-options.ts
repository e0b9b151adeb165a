// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.
import type { OnFailure } from '../failure-policy.js';
import type { Logger } from '../logger.js';
import type { RuntimeSeams } from './runtime-seams.js';

/** What `openPipe` takes beside a pipe. */
export interface OpenPipeOptions {
  /**
   * The name of the pipe in logs, errors, events and idempotency keys: `source` and `shardId` of its items. Takes: a
   * non-empty string.
   *
   * @default the value of pipe
   * @example
   * ```ts
   * name: 'orders'
   * ```
   */
  readonly name?: string | undefined;
  /**
   * The offset of the first message. After an end, open the pipe again with `firstOpen` of the ending, and offsets and
   * idempotency keys go on as before. Takes: integer >= 0.
   *
   * @default 0
   * @example
   * ```ts
   * firstOffset: 120_000
   * ```
   */
  readonly firstOffset?: number | undefined;
  /**
   * What happens when a call of a node fails. `retry()` repeats it after a growing delay, and holds the node. `park()`
   * sets aside what has failed, and needs a format. `skip` settles and counts it. `crash` ends the pipe. A function
   * `(error, item, attempt) => policy` decides each time, and may return a promise. `stopShard` has no shard here.
   *
   * @default the value of retry()
   * @example
   * ```ts
   * onFailure: 'crash'
   * ```
   */
  readonly onFailure?: OnFailure | undefined;
  /**
   * Called with the offset up to which everything is done, when it has risen. Calls do not overlap: while a promise of
   * it is pending, the next call waits, and then gets the newest offset. A failure is a `warning`. Do not await the end
   * of the pipe in it: the end waits for it, at most `callDeadlineMs`. After `stop()` it is not called any more.
   *
   * @default undefined
   * @example
   * ```ts
   * onSettled: (offset) => console.log(offset)
   * ```
   */
  readonly onSettled?: ((offset: number) => unknown) | undefined;
  /**
   * How long a stop waits for running calls of your code, and a pipe that has crashed for its nodes to drain. It is
   * also `timeoutMs` of the nodes that name none. And it is how long a policy function, and a call past its
   * `timeoutMs`, may take. With 0 no stop waits, and these still have 30 s. Takes: milliseconds, 0 to 2147483647.
   *
   * @default 30_000
   * @example
   * ```ts
   * callDeadlineMs: 10_000
   * ```
   */
  readonly callDeadlineMs?: number | undefined;
  /**
   * Gets every event, at its level: `(fields, message)`; `pino()` and `console` fit. The default prints warnings and
   * errors to stderr: readable lines on a terminal, JSON lines otherwise, at most 10 of one event in a minute. `false`:
   * nothing is logged.
   *
   * @default warnings and errors to stderr
   * @example
   * ```ts
   * logger: pino()
   * ```
   */
  readonly logger?: Logger | false | undefined;
  /**
   * The environment of the actors: clock, timers, randomness, and hooks for tests and tools.
   *
   * @default {}
   * @example
   * ```ts
   * runtime: { clock, timers: clock }
   * ```
   */
  readonly runtime?: RuntimeSeams | undefined;
}
