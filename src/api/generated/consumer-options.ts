// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.
import type { OnFailure } from '../failure-policy.js';
import type { Logger } from '../logger.js';
import type { Meter } from '../metrics.js';
import type { CheckpointNotice, EndedShard, NactParent, StartedShard } from '../option-values.js';
import type { Pipe } from '../pipe.js';
import type { UserRecord } from '../records.js';
import type { ExtractFunction, ReducerDefinition } from '../reducer.js';
import type { AnySource } from '../source.js';
import type { LeaseOptions } from './lease-options.js';
import type { RateLimitOptions } from './rate-limit-options.js';
import type { RuntimeSeams } from './runtime-seams.js';

/**
 * What `createConsumer` takes. `undefined` stands for the default everywhere. `Value` is what `extract` makes and the
 * reducer gets.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- Value is the application’s own; kinact never looks inside.
export interface ConsumerOptions<Value = any> {
  /**
   * Required. The name that all workers of one application share. As in the KCL, it also names the lease table. If
   * `leases.tableName` or the `application` of each source names the tables, any 1 to 255 characters are allowed.
   * Takes: 1 to 255 characters.
   *
   * @example
   * ```ts
   * application: 'order-totals'
   * ```
   */
  readonly application: string;
  /**
   * Required. The stream to consume, or several; see `kinesisStream`.
   *
   * @example
   * ```ts
   * source: kinesisStream({ streamName: 'orders' })
   * ```
   */
  readonly source: AnySource | readonly AnySource[];
  /**
   * Required. What happens to the items, made by `defineReducer`. Or give `pipe`, or both.
   *
   * @example
   * ```ts
   * reducer: defineReducer({ init: () => 0, reduce: (count) => count + 1 })
   * ```
   */
  readonly reducer: ReducerDefinition<Value>;
  /**
   * A chain of nodes in place of a reducer, or behind each one. `park` needs a format. Alone not with `limit`.
   *
   * @default undefined
   * @example
   * ```ts
   * pipe: pipe().to((bytes) => console.log(bytes.length))
   * ```
   */
  readonly pipe?: Pipe<Value> | undefined;
  /**
   * Makes none, one or many items of a record, synchronously: `(record, ctx) => Iterable<{ key, value }>`. If it
   * throws, `onFailure` applies.
   *
   * @default one item: its key, its bytes
   * @example
   * ```ts
   * extract: ({ data }) => [{ key: 'all', value: data.length }]
   * ```
   */
  readonly extract?: ExtractFunction<Value> | undefined;
  /**
   * The key of a record if `extract` is not given.
   *
   * @default the partition key; the sequence number where there is none
   * @example
   * ```ts
   * key: ({ partitionKey, sequenceNumber }) => partitionKey?.slice(0, 8) ?? sequenceNumber
   * ```
   */
  readonly key?: ((record: UserRecord) => string) | undefined;
  /**
   * How many reducers run; the hash of an item’s key picks one. Raise it if your calls spend most of their time waiting
   * for other services. Takes: integer >= 1.
   *
   * @default available parallelism
   * @example
   * ```ts
   * reducers: 16
   * ```
   */
  readonly reducers?: number | undefined;
  /**
   * How many stages extract and route items between shards and reducers. One is enough for most applications: all
   * stages share one thread. Takes: integer >= 1.
   *
   * @default 1
   * @example
   * ```ts
   * stages: 2
   * ```
   */
  readonly stages?: number | undefined;
  /**
   * How records reach the stages. `round-robin` spreads a shard’s records over them, so a key’s order is lost.
   *
   * @default 'by-shard'
   * @example
   * ```ts
   * spread: 'round-robin'
   * ```
   */
  readonly spread?: 'by-shard' | 'round-robin' | undefined;
  /**
   * How many records of one shard may be in flight: admitted, but not settled yet. Raise it if your reducer
   * acknowledges late, as with large batches. Lower it to replay fewer records after a crash. Takes: integer >= 1.
   *
   * @default 1_024
   * @example
   * ```ts
   * maxPending: 4_096
   * ```
   */
  readonly maxPending?: number | undefined;
  /**
   * How many bytes of one shard may be in flight. A larger record is admitted alone. Raise it together with
   * `maxPending` if your records are large. Takes: integer >= 1.
   *
   * @default 33_554_432
   * @example
   * ```ts
   * maxPendingBytes: 64 * 1024 * 1024
   * ```
   */
  readonly maxPendingBytes?: number | undefined;
  /**
   * How many bytes of records this process may hold, fetched ahead and in flight, for all shards and sources together.
   * At most one answer per shard may come on top (see docs/memory.md). Half is shared evenly, half goes to the shards
   * that need it. Fit it to the memory of the process. Takes: integer >= 1.
   *
   * @default 268_435_456
   * @example
   * ```ts
   * maxBytes: 512 * 1024 * 1024
   * ```
   */
  readonly maxBytes?: number | undefined;
  /**
   * How many polling calls this process may have under way, over all sources. Each source has an equal share, at least
   * one call: if every call of a source hangs, it takes no more than that, and the other sources are read. Takes:
   * integer >= 1.
   *
   * @default 200
   * @example
   * ```ts
   * maxPollingCalls: 50
   * ```
   */
  readonly maxPollingCalls?: number | undefined;
  /**
   * The time between two checkpoints of a shard. 0: every lease renewal carries a checkpoint, which costs no extra
   * write. If it is shorter than the time between renewals (`failoverMs` / 3), checkpoints are extra writes while the
   * frontier moves; see docs/checkpoints.md. If it is as long or longer, the renewals in between carry no checkpoint.
   * Takes: 0, or milliseconds, 200 to 2147483647.
   *
   * @default 0
   * @example
   * ```ts
   * checkpointIntervalMs: 1_000
   * ```
   */
  readonly checkpointIntervalMs?: number | undefined;
  /**
   * A checkpoint is written once it covers this many more records than the last one, regardless of
   * `checkpointIntervalMs`. Each of these is an extra write. 0: off. Set it to bound how many settled records are
   * replayed after a crash. Takes: integer >= 0.
   *
   * @default 0
   * @example
   * ```ts
   * checkpointRecords: 10_000
   * ```
   */
  readonly checkpointRecords?: number | undefined;
  /**
   * The default of `batch.intervalMs`, and the time between two heartbeats to reducers that are a `behaviour`. Lower it
   * to checkpoint records of a quiet stream sooner; raise it for fewer and larger flushes. Takes: milliseconds, 1 to
   * 2147483647.
   *
   * @default 1_000
   * @example
   * ```ts
   * flushIntervalMs: 250
   * ```
   */
  readonly flushIntervalMs?: number | undefined;
  /**
   * How long one record may block a shard, or the end of a shard may wait for a call. After that the pipeline restarts,
   * and the error names the actor that has the record. Keep it well above the longest call that you expect. Takes:
   * milliseconds, 1 to 2147483647.
   *
   * @default 600_000
   * @example
   * ```ts
   * watchdogMs: 120_000
   * ```
   */
  readonly watchdogMs?: number | undefined;
  /**
   * What happens when the service delivers a record twice. `skip`: the record is left out and counted. `crash`: the
   * pipeline restarts, as under `onFailure`.
   *
   * @default 'skip'
   * @example
   * ```ts
   * onDuplicate: 'crash'
   * ```
   */
  readonly onDuplicate?: 'skip' | 'crash' | undefined;
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
   * Called with `{ source, shardId, sequenceNumber, subSequenceNumber }` after a checkpoint has become durable. If it
   * throws, the error is counted and reported.
   *
   * @default undefined
   * @example
   * ```ts
   * onCheckpoint: ({ shardId, sequenceNumber }) => console.log(shardId, sequenceNumber)
   * ```
   */
  readonly onCheckpoint?: ((at: CheckpointNotice) => unknown) | undefined;
  /**
   * Called with `{ source, shardId, fence, hashKeyRange, signal }` before this process reads a shard, after every
   * restart and hand-over again. Nothing of the shard is read until it has succeeded: a promise is awaited, and a call
   * that fails is repeated after a growing delay. See docs/hooks.md.
   *
   * @default undefined
   * @example
   * ```ts
   * onShardStarted: ({ shardId }) => console.log(shardId)
   * ```
   */
  readonly onShardStarted?: ((shard: StartedShard) => unknown) | undefined;
  /**
   * Called with `{ source, shardId, fence, children, signal }` when the last item of a shard that has ended is settled.
   * Its end becomes durable, and its children start, only when it has succeeded; a call that fails is repeated. It may
   * be called again in another process. See docs/hooks.md.
   *
   * @default undefined
   * @example
   * ```ts
   * onShardEnded: ({ shardId, children }) => console.log(shardId, children)
   * ```
   */
  readonly onShardEnded?: ((shard: EndedShard) => unknown) | undefined;
  /**
   * How often the pipeline may restart before the consumer ends, after crashes that your code has not caused (see
   * docs/errors.md for those). Restarts of the lease coordinators also restart the pipeline, but count separately.
   *
   * @default {}
   * @example
   * ```ts
   * restart: { intensity: 5, periodMs: 60_000 }
   * ```
   */
  readonly restart?:
    | {
        /**
         * At most this many restarts within `periodMs`; the next one ends the consumer. Takes: integer >= 0.
         *
         * @default 2
         * @example
         * ```ts
         * restart: { intensity: 5 }
         * ```
         */
        readonly intensity?: number | undefined;
        /**
         * The sliding period in which restarts are counted. Takes: milliseconds, 1 to 2147483647.
         *
         * @default 10_000
         * @example
         * ```ts
         * restart: { periodMs: 60_000 }
         * ```
         */
        readonly periodMs?: number | undefined;
      }
    | undefined;
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
  /**
   * The name of this process in the lease table. It must be unique per process. Takes: name of 1 to 256 characters.
   *
   * @default host, process id and a UUID
   * @example
   * ```ts
   * workerId: process.env['POD_NAME']
   * ```
   */
  readonly workerId?: string | undefined;
  /**
   * The lease table, and how this worker takes part in it.
   *
   * @default {}
   * @example
   * ```ts
   * leases: { failoverMs: 30_000, maxLeases: 8 }
   * ```
   */
  readonly leases?: LeaseOptions | undefined;
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
   * Receives the instruments that docs/metrics.md lists: counters of incidents as they rise, the others and gauges
   * every 10 s and at the end. Gauges of shards first come 10 s after the start.
   *
   * @default silent
   * @example
   * ```ts
   * meter: { count: (name, by) => console.log(name, by), gauge: (name, value) => console.log(name, value) }
   * ```
   */
  readonly meter?: Meter | undefined;
  /**
   * How many items this process hands to your code, over all reducers, retries included. `consumer.setLimit` changes it
   * while the consumer runs.
   *
   * @default undefined
   * @example
   * ```ts
   * limit: { perSecond: 200 }
   * ```
   */
  readonly limit?: RateLimitOptions | undefined;
  /**
   * How many items from one stage may wait at one reducer until it folds them. Any value works, and there is seldom a
   * reason to change it. A smaller value means smaller batches. Takes: integer >= 1.
   *
   * @default 1_024
   * @example
   * ```ts
   * credit: 256
   * ```
   */
  readonly credit?: number | undefined;
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
  /**
   * The nact actor or system under which the tree of actors is spawned.
   *
   * @default a system of its own
   * @example
   * ```ts
   * parent: start()
   * ```
   */
  readonly parent?: NactParent | undefined;
}
