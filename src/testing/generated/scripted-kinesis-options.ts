// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.

/** How the in-memory Kinesis behaves: where it deviates on purpose, to be like the local servers, and its limits. */
export interface ScriptedKinesisOptions {
  /**
   * Wall clock in epoch milliseconds.
   *
   * @default the host's, moved by `advance`
   * @example
   * ```ts
   * kinesis: { now: () => Date.UTC(2026, 0, 1) }
   * ```
   */
  readonly now?: (() => number) | undefined;
  /**
   * Whether the last answer of a shard names its children. AWS does, kinesalite never does.
   *
   * @default true
   * @example
   * ```ts
   * kinesis: { childShards: false }
   * ```
   */
  readonly childShards?: boolean | undefined;
  /**
   * Whether the end of a shard comes together with its last records, or in one empty answer later.
   *
   * @default 'withRecords'
   * @example
   * ```ts
   * kinesis: { endOfShard: 'emptyAnswer' }
   * ```
   */
  readonly endOfShard?: 'withRecords' | 'emptyAnswer' | undefined;
  /**
   * How GetShardIterator answers for a sequence number that no record has: with one of two errors, or with an iterator
   * at the next record that exists.
   *
   * @default 'invalidArgument'
   * @example
   * ```ts
   * kinesis: { missingRecord: 'nextRecord' }
   * ```
   */
  readonly missingRecord?: 'invalidArgument' | 'resourceNotFound' | 'nextRecord' | undefined;
  /**
   * Refuses the sixth read of a shard within a second, and reads beyond 2 MB a second, as AWS does.
   *
   * @default false
   * @example
   * ```ts
   * kinesis: { enforceReadLimits: true }
   * ```
   */
  readonly enforceReadLimits?: boolean | undefined;
  /**
   * Shards per ListShards page when the caller names no number. Takes: integer >= 1.
   *
   * @default 1_000
   * @example
   * ```ts
   * kinesis: { pageSize: 2 }
   * ```
   */
  readonly pageSize?: number | undefined;
  /**
   * How long a stream stays UPDATING after its shards have changed. Meanwhile the API refuses further changes. Takes:
   * milliseconds, 0 to 2147483647.
   *
   * @default 0
   * @example
   * ```ts
   * kinesis: { updateMs: 2_000 }
   * ```
   */
  readonly updateMs?: number | undefined;
  /**
   * How long a consumer of enhanced fan-out stays CREATING, and DELETING. On AWS it takes seconds. Takes: milliseconds,
   * 0 to 2147483647.
   *
   * @default 0
   * @example
   * ```ts
   * kinesis: { consumerMs: 2_000 }
   * ```
   */
  readonly consumerMs?: number | undefined;
  /**
   * Consumers per stream. AWS allows 20, and 50 with On-demand Advantage. Takes: integer >= 1.
   *
   * @default 20
   * @example
   * ```ts
   * kinesis: { consumerLimit: 50 }
   * ```
   */
  readonly consumerLimit?: number | undefined;
  /**
   * A subscription sends an event at least this often, without records if there are none. Takes: milliseconds, 1 to
   * 2147483647.
   *
   * @default 5_000
   * @example
   * ```ts
   * kinesis: { heartbeatMs: 100 }
   * ```
   */
  readonly heartbeatMs?: number | undefined;
  /**
   * How long a subscription lasts. Takes: milliseconds, 1 to 2147483647.
   *
   * @default 300_000
   * @example
   * ```ts
   * kinesis: { subscriptionMs: 1_000 }
   * ```
   */
  readonly subscriptionMs?: number | undefined;
  /**
   * After this long, a second subscription takes over from the first. Before, the call fails with
   * ResourceInUseException. Takes: milliseconds, 0 to 2147483647.
   *
   * @default 5_000
   * @example
   * ```ts
   * kinesis: { takeOverAfterMs: 500 }
   * ```
   */
  readonly takeOverAfterMs?: number | undefined;
  /**
   * Region in ARNs. Takes: a non-empty string.
   *
   * @default 'us-east-1'
   * @example
   * ```ts
   * kinesis: { region: 'eu-central-1' }
   * ```
   */
  readonly region?: string | undefined;
  /**
   * Account in ARNs. Takes: 12 digits.
   *
   * @default '123456789012'
   * @example
   * ```ts
   * kinesis: { accountId: '210987654321' }
   * ```
   */
  readonly accountId?: string | undefined;
}
