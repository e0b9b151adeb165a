// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.
import type { InitialPosition } from '../../core/position.js';
import type { DynamoDbClientLike, KinesisClientLike } from '../option-values.js';

/** What `kinesisStream` takes. `undefined` stands for the default everywhere. */
export interface KinesisStreamOptions {
  /**
   * The stream, by name. This or `streamArn`, or both if they name one stream. Takes: stream name of 1 to 128 letters,
   * digits, `_`, `-` and `.`.
   *
   * @default undefined
   * @example
   * ```ts
   * streamName: 'orders'
   * ```
   */
  readonly streamName?: string | undefined;
  /**
   * The stream, by ARN, which also names its region. Takes: ARN of a Kinesis stream.
   *
   * @default undefined
   * @example
   * ```ts
   * streamArn: 'arn:aws:kinesis:eu-central-1:123456789012:stream/orders'
   * ```
   */
  readonly streamArn?: string | undefined;
  /**
   * The stream's region. Takes: AWS region.
   *
   * @default the ARN's, else the AWS environment's
   * @example
   * ```ts
   * region: 'eu-central-1'
   * ```
   */
  readonly region?: string | undefined;
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
   * What happens to user records of an aggregate if their hash key lies outside their shard. `emit` delivers them,
   * because only the KPL sends them again. `dropRecord` drops the record, `dropAggregate` its whole aggregate, as the
   * KCL does. Dropped records are counted, settled as filtered, and reported once each time a worker starts on the
   * shard. In on-demand mode nothing is dropped: see docs/streams.md.
   *
   * @default 'emit'
   * @example
   * ```ts
   * outOfRange: 'dropRecord'
   * ```
   */
  readonly outOfRange?: 'emit' | 'dropRecord' | 'dropAggregate' | undefined;
  /**
   * Records per GetRecords call. Takes: integer, 1 to 10000.
   *
   * @default 10_000
   * @example
   * ```ts
   * maxRecords: 1_000
   * ```
   */
  readonly maxRecords?: number | undefined;
  /**
   * How far a shard is read ahead: until one of these limits is reached. The last answer may exceed it. `maxBytes` of
   * the consumer bounds all shards together; see docs/memory.md.
   *
   * @default {}
   * @example
   * ```ts
   * prefetch: { batches: 8, bytes: 32 * 1024 * 1024 }
   * ```
   */
  readonly prefetch?:
    | {
        /**
         * Answers of GetRecords. Takes: integer >= 1.
         *
         * @default 4
         * @example
         * ```ts
         * prefetch: { batches: 8 }
         * ```
         */
        readonly batches?: number | undefined;
        /**
         * Records as the service delivers them, an aggregate as one. Takes: integer >= 1.
         *
         * @default 30_000
         * @example
         * ```ts
         * prefetch: { records: 100_000 }
         * ```
         */
        readonly records?: number | undefined;
        /**
         * Bytes of the records that were read ahead. Takes: integer >= 1.
         *
         * @default 8_388_608
         * @example
         * ```ts
         * prefetch: { bytes: 32 * 1024 * 1024 }
         * ```
         */
        readonly bytes?: number | undefined;
      }
    | undefined;
  /**
   * Time between two reads of a shard that is read to its tip. If more than 400 shards of a process are idle, it is up
   * to five times as long for these, but not above 5 s. Takes: milliseconds, 0 to 2147483647.
   *
   * @default 1_000
   * @example
   * ```ts
   * idleMs: 250
   * ```
   */
  readonly idleMs?: number | undefined;
  /**
   * How records are fetched. `fan-out` is enhanced fan-out: each application has 2 MB/s of every shard to itself, and
   * records come within a tenth of a second. AWS charges for it by shard hour and by gigabyte. It is worth it for
   * latency, or if more than two applications read the stream. `auto` prefers it and polls while it cannot be had,
   * where `fan-out` fails at the start. See docs/streams.md.
   *
   * @default 'polling'
   * @example
   * ```ts
   * retrieval: 'auto'
   * ```
   */
  readonly retrieval?: 'polling' | 'fan-out' | 'auto' | undefined;
  /**
   * The consumer of enhanced fan-out. kinact registers it if it is missing, and never deregisters it. Applications need
   * different names. Takes: consumer name of 1 to 128 letters, digits, `_`, `-` and `.`.
   *
   * @default the lease table's name
   * @example
   * ```ts
   * consumerName: 'invoicing'
   * ```
   */
  readonly consumerName?: string | undefined;
  /**
   * A registered consumer, in place of `consumerName`. kinact then registers none. Takes: ARN of a consumer of a
   * Kinesis stream.
   *
   * @default undefined
   * @example
   * ```ts
   * consumerArn: 'arn:aws:kinesis:eu-central-1:123456789012:stream/orders/consumer/invoicing:1700000000'
   * ```
   */
  readonly consumerArn?: string | undefined;
  /**
   * A Kinesis client of your own for SubscribeToShard only; AWS wants HTTP/2 there. kinact never closes it.
   *
   * @default `client`, else one that kinact makes
   * @example
   * ```ts
   * subscriptionClient: new KinesisClient({ region: 'eu-central-1' })
   * ```
   */
  readonly subscriptionClient?: KinesisClientLike | undefined;
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
  /**
   * Where this source's lease table is. If it does not exist there, but a table of this name exists in the stream's
   * region, the start is refused: a take-over must not begin with an empty table.
   *
   * @default {}
   * @example
   * ```ts
   * leases: { region: 'eu-central-1' }
   * ```
   */
  readonly leases?:
    | {
        /**
         * The region of the lease table. Either this or `client`, or neither. Takes: AWS region.
         *
         * @default the stream's
         * @example
         * ```ts
         * leases: { region: 'eu-central-1' }
         * ```
         */
        readonly region?: string | undefined;
        /**
         * A DynamoDB client of your own for the lease table; kinact never closes it.
         *
         * @default the consumer's `leases.client`
         * @example
         * ```ts
         * leases: { client: new DynamoDBClient({ region: 'eu-central-1' }) }
         * ```
         */
        readonly client?: DynamoDbClientLike | undefined;
      }
    | undefined;
  /**
   * A Kinesis client of your own; kinact never closes it.
   *
   * @default one that kinact makes
   * @example
   * ```ts
   * client: new KinesisClient({ region: 'eu-central-1' })
   * ```
   */
  readonly client?: KinesisClientLike | undefined;
}
