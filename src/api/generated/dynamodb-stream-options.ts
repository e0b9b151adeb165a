// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.
import type { DynamoDbClientLike, DynamodbStreamsClientLike } from '../option-values.js';

/** What `dynamodbStream` takes. `undefined` stands for the default everywhere. */
export interface DynamodbStreamOptions {
  /**
   * The table whose changes are read, by name. Its newest stream is looked up. This or `streamArn`, or both if they
   * name one table. Takes: name of a table: 3 to 255 letters, digits, `_`, `-` and `.`.
   *
   * @default undefined
   * @example
   * ```ts
   * tableName: 'orders'
   * ```
   */
  readonly tableName?: string | undefined;
  /**
   * The stream, by ARN, which also names its region. A stream that was disabled can be read by ARN for 24 hours. Takes:
   * ARN of a DynamoDB stream.
   *
   * @default undefined
   * @example
   * ```ts
   * streamArn: 'arn:aws:dynamodb:eu-central-1:123456789012:table/orders/stream/2026-01-31T12:00:00.000'
   * ```
   */
  readonly streamArn?: string | undefined;
  /**
   * The table's region. Takes: AWS region.
   *
   * @default the ARN's, else the AWS environment's
   * @example
   * ```ts
   * region: 'eu-central-1'
   * ```
   */
  readonly region?: string | undefined;
  /**
   * Where a shard without a checkpoint starts. `LATEST` means at the time its lease was created, without a gap; changes
   * of up to four seconds before may come.
   *
   * @default 'TRIM_HORIZON'
   * @example
   * ```ts
   * initialPosition: 'LATEST'
   * ```
   */
  readonly initialPosition?: 'TRIM_HORIZON' | 'LATEST' | undefined;
  /**
   * What the numbers of an item become. DynamoDB has 38 digits, JavaScript about 16. `number`: a number that JavaScript
   * cannot hold unchanged fails its record, and `onFailure` decides. By default the consumer then restarts its pipeline
   * a few times, and ends. `bigint`: the same for a number that is no integer. `string`: the text as DynamoDB gives it,
   * for any number.
   *
   * @default 'number'
   * @example
   * ```ts
   * numbers: 'string'
   * ```
   */
  readonly numbers?: 'number' | 'string' | 'bigint' | undefined;
  /**
   * Records per GetRecords call. Takes: integer, 1 to 1000.
   *
   * @default 1_000
   * @example
   * ```ts
   * maxRecords: 100
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
         * Records as the service delivers them. Takes: integer >= 1.
         *
         * @default 4_000
         * @example
         * ```ts
         * prefetch: { records: 10_000 }
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
   * to five times as long for these, but not above 5 s. A shard that is behind is read without a pause. Takes:
   * milliseconds, 0 to 2147483647.
   *
   * @default 1_000
   * @example
   * ```ts
   * idleMs: 250
   * ```
   */
  readonly idleMs?: number | undefined;
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
   * A DynamoDB Streams client of your own; kinact never closes it.
   *
   * @default one that kinact makes
   * @example
   * ```ts
   * client: new DynamoDBStreamsClient({ region: 'eu-central-1' })
   * ```
   */
  readonly client?: DynamodbStreamsClientLike | undefined;
  /**
   * A DynamoDB client of your own, which looks up the stream of `tableName`; kinact never closes it.
   *
   * @default one that kinact makes
   * @example
   * ```ts
   * tableClient: new DynamoDBClient({ region: 'eu-central-1' })
   * ```
   */
  readonly tableClient?: DynamoDbClientLike | undefined;
}
