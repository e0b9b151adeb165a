// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.
import type { FinalPolicy } from '../failure-policy.js';

/** What `retry` takes. */
export interface RetryOptions {
  /**
   * How many attempts there are, the first call included. After the last one, `then` applies. Takes: how often, 0 or
   * more.
   *
   * @default ∞
   * @example
   * ```ts
   * attempts: 10
   * ```
   */
  readonly attempts?: number | undefined;
  /**
   * The shortest delay between two attempts. Takes: milliseconds, 1 to 2147483647.
   *
   * @default 100
   * @example
   * ```ts
   * minMs: 1_000
   * ```
   */
  readonly minMs?: number | undefined;
  /**
   * The longest delay. Each delay is random, between `minMs` and a bound that doubles with every attempt, up to
   * `maxMs`. Takes: milliseconds, 1 to 2147483647.
   *
   * @default 30_000
   * @example
   * ```ts
   * maxMs: 5_000
   * ```
   */
  readonly maxMs?: number | undefined;
  /**
   * What happens after the last attempt. It applies at once to a NonRetryableError, and to failures that no repetition
   * can mend: those of `extract`, of `key` and of decoding.
   *
   * @default 'crash'
   * @example
   * ```ts
   * then: 'skip'
   * ```
   */
  readonly then?: FinalPolicy | undefined;
}
