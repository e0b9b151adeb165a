// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.
import type { Clock } from '../../api/ports.js';
import type { InitialPosition } from '../../core/position.js';

/** What `fakeStream` takes. */
export interface FakeStreamOptions {
  /**
   * Name of the stream. Takes: a non-empty string.
   *
   * @default 'fake'
   * @example
   * ```ts
   * name: 'orders'
   * ```
   */
  readonly name?: string | undefined;
  /**
   * Shards at the beginning. Takes: integer >= 1.
   *
   * @default 1
   * @example
   * ```ts
   * shards: 4
   * ```
   */
  readonly shards?: number | undefined;
  /**
   * As the service's `RecordDistributionStrategy`: under `'AUTO'` the open shards take turns, and records may come
   * without a partition key.
   *
   * @default 'USER_PARTITION_KEY'
   * @example
   * ```ts
   * distribution: 'AUTO'
   * ```
   */
  readonly distribution?: 'AUTO' | 'USER_PARTITION_KEY' | undefined;
  /**
   * Where arrival times and the service's `Date` come from.
   *
   * @default 2026-01-01T00:00:00Z, standing still
   * @example
   * ```ts
   * clock: new ManualClock()
   * ```
   */
  readonly clock?: Pick<Clock, 'wallNow'> | undefined;
  /**
   * Raw records per answer at most. Takes: integer >= 1.
   *
   * @default 1_000
   * @example
   * ```ts
   * maxRecords: 10
   * ```
   */
  readonly maxRecords?: number | undefined;
  /**
   * Where a shard without a checkpoint starts. `LATEST` means at the time its lease was created, without a gap; a few
   * seconds of earlier records may come.
   *
   * @default 'TRIM_HORIZON'
   * @example
   * ```ts
   * initialPosition: new Date('2026-01-31T12:00:00Z')
   * ```
   */
  readonly initialPosition?: InitialPosition | undefined;
  /**
   * Passed unchanged to `extract` and every item of this source.
   *
   * @default undefined
   * @example
   * ```ts
   * opaque: { tenant: 'acme' }
   * ```
   */
  readonly opaque?: unknown | undefined;
  /**
   * This source's lease table. Takes: table name of 3 to 255 letters, digits, `_`, `-` and `.`.
   *
   * @default the consumer's
   * @example
   * ```ts
   * application: 'refund-totals'
   * ```
   */
  readonly application?: string | undefined;
}
