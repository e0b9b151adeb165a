// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.
import type { DynamoDbClientLike } from '../option-values.js';

/** The lease table, and how this worker takes part in it. */
export interface LeaseOptions {
  /**
   * Name of the lease table. Takes: table name of 3 to 255 letters, digits, `_`, `-` and `.`.
   *
   * @default the value of application
   * @example
   * ```ts
   * leases: { tableName: 'order-leases' }
   * ```
   */
  readonly tableName?: string | undefined;
  /**
   * How long a lease may go without a renewal before others may take it. A lease is renewed three times in this time. A
   * shorter time means quicker take-over, but more writes, and a paused process loses leases sooner. Give every worker
   * of an application the same value. If values differ, as in a deploy that changes them, the larger value of holder
   * and taker applies, and a `warning` says so. Takes: milliseconds, 100 to 600000.
   *
   * @default 10_000
   * @example
   * ```ts
   * leases: { failoverMs: 30_000 }
   * ```
   */
  readonly failoverMs?: number | undefined;
  /**
   * A shard drains when another worker asks for its lease. The lease stays here if the frontier does not move for this
   * long, or draining takes ten times as long (at most 10 minutes). The other worker asks again later. Raise it if
   * calls or batches take longer. Takes: milliseconds, 1 to 600000.
   *
   * @default `failoverMs`, but at least 10,000
   * @example
   * ```ts
   * leases: { handOverMs: 20_000 }
   * ```
   */
  readonly handOverMs?: number | undefined;
  /**
   * This worker takes at most this many leases. While some of these wait for parent shards that no worker reads, it
   * takes the parents as well. Set it to bound the load of one process. If all workers together take too few, some
   * shards stay unread. Takes: integer >= 1.
   *
   * @default no limit
   * @example
   * ```ts
   * leases: { maxLeases: 8 }
   * ```
   */
  readonly maxLeases?: number | undefined;
  /**
   * How a table that kinact creates is billed.
   *
   * @default 'PAY_PER_REQUEST'
   * @example
   * ```ts
   * leases: { billing: { readCapacityUnits: 10, writeCapacityUnits: 10 } }
   * ```
   */
  readonly billing?:
    | 'PAY_PER_REQUEST'
    | {
        /** Required. Read capacity units. Takes: integer >= 1. */
        readonly readCapacityUnits: number;
        /** Required. Write capacity units. Takes: integer >= 1. */
        readonly writeCapacityUnits: number;
      }
    | undefined;
  /**
   * How long `start()` retries temporary errors. Each lease row created restarts this time. Takes: milliseconds, 0 to
   * 2147483647.
   *
   * @default 60_000
   * @example
   * ```ts
   * leases: { startDeadlineMs: 300_000 }
   * ```
   */
  readonly startDeadlineMs?: number | undefined;
  /**
   * Several streams in one table, with the KCL's multi-stream keys. Without it a table serves one source.
   *
   * @default false
   * @example
   * ```ts
   * leases: { multiStream: true }
   * ```
   */
  readonly multiStream?: boolean | undefined;
  /**
   * A DynamoDB client of your own; kinact never closes it.
   *
   * @default one that kinact makes
   * @example
   * ```ts
   * leases: { client: new DynamoDBClient({ region: 'eu-central-1' }) }
   * ```
   */
  readonly client?: DynamoDbClientLike | undefined;
}
