// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.

/**
 * How the in-memory DynamoDB tables and their change streams behave: where they deviate on purpose, to be like the
 * local servers, and their limits.
 */
export interface ScriptedTablesOptions {
  /**
   * Wall clock in epoch milliseconds.
   *
   * @default the host's, moved by `advance`
   * @example
   * ```ts
   * tables: { now: () => Date.UTC(2026, 0, 1) }
   * ```
   */
  readonly now?: (() => number) | undefined;
  /**
   * Whether DescribeStream honours `ShardFilter`. AWS does; DynamoDB Local lists all shards, whatever the filter says.
   *
   * @default true
   * @example
   * ```ts
   * tables: { childFilter: false }
   * ```
   */
  readonly childFilter?: boolean | undefined;
  /**
   * Whether the end of a shard comes together with its last records, or in one empty answer later.
   *
   * @default 'withRecords'
   * @example
   * ```ts
   * tables: { endOfShard: 'emptyAnswer' }
   * ```
   */
  readonly endOfShard?: 'withRecords' | 'emptyAnswer' | undefined;
  /**
   * To what the time of a record is rounded down: a second as on AWS, or a minute as by DynamoDB Local.
   *
   * @default 'second'
   * @example
   * ```ts
   * tables: { eventTimes: 'minute' }
   * ```
   */
  readonly eventTimes?: 'second' | 'minute' | undefined;
  /**
   * Where sequence numbers rise: over all tables as in DynamoDB Local, or in each stream by itself as in moto. In the
   * second case all streams have the same shard ids, too.
   *
   * @default 'server'
   * @example
   * ```ts
   * tables: { numbering: 'stream' }
   * ```
   */
  readonly numbering?: 'server' | 'stream' | undefined;
  /**
   * Shards per DescribeStream page when the caller names no number. Takes: integer, 1 to 100.
   *
   * @default 100
   * @example
   * ```ts
   * tables: { pageSize: 2 }
   * ```
   */
  readonly pageSize?: number | undefined;
  /**
   * Bytes of records per GetRecords answer at most; one record always fits. DynamoDB Local has no such limit. Takes:
   * integer >= 1.
   *
   * @default 1_048_576
   * @example
   * ```ts
   * tables: { maxAnswerBytes: 1_000 }
   * ```
   */
  readonly maxAnswerBytes?: number | undefined;
  /**
   * Region in ARNs. Takes: a non-empty string.
   *
   * @default 'us-east-1'
   * @example
   * ```ts
   * tables: { region: 'ddblocal' }
   * ```
   */
  readonly region?: string | undefined;
  /**
   * Account in ARNs. Takes: 12 digits.
   *
   * @default '123456789012'
   * @example
   * ```ts
   * tables: { accountId: '000000000000' }
   * ```
   */
  readonly accountId?: string | undefined;
}
