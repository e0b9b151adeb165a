// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.
import type { Logger } from '../logger.js';
import type { Meter } from '../metrics.js';
import type { CheckpointNotice, NactParent } from '../option-values.js';
import type { UserRecord } from '../ports.js';
import type { Extract, OnFailure, ReducerDefinition } from '../reducer.js';
import type { SourceSpec } from '../source.js';
import type { LeaseOptions } from './lease-options.js';
import type { RuntimeSeams } from './runtime-seams.js';

/**
 * What `createConsumer` takes. `undefined` stands for the default everywhere. `Value` is what `extract` makes and the
 * reducer gets.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- Value is the application’s own; kinact never looks inside.
export interface ConsumerOptions<Value = any> {
  /**
   * Required. The name that the workers of one application share: also the lease table’s, as in the KCL. Where
   * `leases.tableName`, or an `application` of each source, names the tables instead, any 1 to 255 characters will do.
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
  readonly source: SourceSpec | readonly SourceSpec[];
  /**
   * Required. What happens to the items, made by `defineReducer`.
   *
   * @example
   * ```ts
   * reducer: defineReducer({ init: () => 0, reduce: (count) => count + 1 })
   * ```
   */
  readonly reducer: ReducerDefinition<Value>;
  /**
   * Makes the items of a record, `(record, ctx) => Iterable<{ key, value }>`, synchronously: none, one or many. What it
   * throws goes to `onFailure`.
   *
   * @default one item: its key, its bytes
   * @example
   * ```ts
   * extract: ({ data }) => [{ key: 'all', value: data.length }]
   * ```
   */
  readonly extract?: Extract<Value> | undefined;
  /**
   * The key of a record, where `extract` is not given.
   *
   * @default the partition key; the sequence number where there is none
   * @example
   * ```ts
   * key: ({ partitionKey, sequenceNumber }) => partitionKey?.slice(0, 8) ?? sequenceNumber
   * ```
   */
  readonly key?: ((record: UserRecord) => string) | undefined;
  /**
   * How many reducers; the hash of an item’s key picks one. Takes: integer >= 1.
   *
   * @default available parallelism
   * @example
   * ```ts
   * reducers: 16
   * ```
   */
  readonly reducers?: number | undefined;
  /**
   * How many stages share the work between shards and reducers. Takes: integer >= 1.
   *
   * @default 1
   * @example
   * ```ts
   * stages: 2
   * ```
   */
  readonly stages?: number | undefined;
  /**
   * How records reach the stages. `round-robin` scatters a shard’s records over them: the order of a key is not kept.
   *
   * @default 'by-shard'
   * @example
   * ```ts
   * spread: 'round-robin'
   * ```
   */
  readonly spread?: 'by-shard' | 'round-robin' | undefined;
  /**
   * Records of one shard in flight: admitted, and not settled yet. Takes: integer >= 1.
   *
   * @default 1_024
   * @example
   * ```ts
   * maxPending: 4_096
   * ```
   */
  readonly maxPending?: number | undefined;
  /**
   * Bytes of one shard in flight. A record larger than that is admitted alone. Takes: integer >= 1.
   *
   * @default 33_554_432
   * @example
   * ```ts
   * maxPendingBytes: 64 * 1024 * 1024
   * ```
   */
  readonly maxPendingBytes?: number | undefined;
  /**
   * Bytes of records that this process holds at once, fetched ahead and in flight, of all shards and sources together.
   * Half is shared out evenly, half goes to the shards that need it; see docs/memory.md. Takes: integer >= 1.
   *
   * @default 268_435_456
   * @example
   * ```ts
   * maxBytes: 512 * 1024 * 1024
   * ```
   */
  readonly maxBytes?: number | undefined;
  /**
   * Time between two checkpoints of a shard. 0: one with every lease renewal, which costs no extra write. Less than the
   * time between two renewals (`failoverMs` / 3): as often as that, each a write of its own while the shard moves; see
   * docs/checkpoints.md. As much or more: renewals in between go without. Takes: 0, or milliseconds, 200 to 2147483647.
   *
   * @default 0
   * @example
   * ```ts
   * checkpointIntervalMs: 1_000
   * ```
   */
  readonly checkpointIntervalMs?: number | undefined;
  /**
   * A checkpoint is written when the last one leaves this many settled records uncovered, whatever
   * `checkpointIntervalMs` says; each is a write of its own. 0: off. Takes: integer >= 0.
   *
   * @default 0
   * @example
   * ```ts
   * checkpointRecords: 10_000
   * ```
   */
  readonly checkpointRecords?: number | undefined;
  /**
   * Cadence of the heartbeat and of partial flushes to *all* reducers; the default of `batch.intervalMs`. Takes:
   * milliseconds, 1 to 2147483647.
   *
   * @default 1_000
   * @example
   * ```ts
   * flushIntervalMs: 250
   * ```
   */
  readonly flushIntervalMs?: number | undefined;
  /**
   * How long a shard may stand still because of one record, or its end wait for a call. Then the pipeline is restarted,
   * and the error names the holder. Takes: milliseconds, 1 to 2147483647.
   *
   * @default 600_000
   * @example
   * ```ts
   * watchdogMs: 120_000
   * ```
   */
  readonly watchdogMs?: number | undefined;
  /**
   * What happens when the service delivers a record twice: it is left out and counted, or the pipeline restarts.
   *
   * @default 'skip'
   * @example
   * ```ts
   * onDuplicate: 'exit'
   * ```
   */
  readonly onDuplicate?: 'skip' | 'exit' | undefined;
  /**
   * What a failed record or batch costs: `crash` restarts the pipeline and checkpoints nothing; `skip` settles and
   * counts it; `stopShard` gives up its shard for a while; or a function `(error, item) => policy`.
   *
   * @default 'crash'
   * @example
   * ```ts
   * onFailure: (error, { at }) => (at === 'extract' ? 'skip' : 'crash')
   * ```
   */
  readonly onFailure?: OnFailure | undefined;
  /**
   * Called with `{ source, shardId, sequenceNumber, subSequenceNumber }` after the checkpoint has become durable. What
   * it throws is counted and reported.
   *
   * @default undefined
   * @example
   * ```ts
   * onCheckpoint: ({ shardId, sequenceNumber }) => console.log(shardId, sequenceNumber)
   * ```
   */
  readonly onCheckpoint?: ((at: CheckpointNotice) => unknown) | undefined;
  /**
   * How often the pipeline may restart; and, counted apart, the lease coordinators, which take it along.
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
         * Restarts allowed within `periodMs`; one more ends the consumer. Takes: integer >= 0.
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
   * How long a restart waits for user effects under way. Takes: milliseconds, 0 to 2147483647.
   *
   * @default 30_000
   * @example
   * ```ts
   * stopDeadlineMs: 10_000
   * ```
   */
  readonly stopDeadlineMs?: number | undefined;
  /**
   * Names this process in the lease table. Must be unique per process. Takes: name of 1 to 256 characters.
   *
   * @default host, process id and a UUID
   * @example
   * ```ts
   * workerId: process.env['POD_NAME']
   * ```
   */
  readonly workerId?: string | undefined;
  /**
   * The lease table and how this worker takes part.
   *
   * @default {}
   * @example
   * ```ts
   * leases: { failoverMs: 30_000, maxLeases: 8 }
   * ```
   */
  readonly leases?: LeaseOptions | undefined;
  /**
   * Takes `(fields, message)`; `pino()` and `console` fit.
   *
   * @default silent
   * @example
   * ```ts
   * logger: pino()
   * ```
   */
  readonly logger?: Logger | undefined;
  /**
   * Receives the instruments that docs/operating.md lists: counters as they happen; gauges, `RecordsProcessed` and
   * `Incidents` every 10 s and at the end.
   *
   * @default silent
   * @example
   * ```ts
   * meter: { count: (name, by) => console.log(name, by), gauge: (name, value) => console.log(name, value) }
   * ```
   */
  readonly meter?: Meter | undefined;
  /**
   * Items a stage may have under way to one reducer that have not been folded yet. Any value works; a smaller one means
   * smaller batches. Takes: integer >= 1.
   *
   * @default 1_024
   * @example
   * ```ts
   * credit: 256
   * ```
   */
  readonly credit?: number | undefined;
  /**
   * What the tree runs on: time, chance, and the seams that tests and tools hook into.
   *
   * @default {}
   * @example
   * ```ts
   * runtime: { clock, timers: clock }
   * ```
   */
  readonly runtime?: RuntimeSeams | undefined;
  /**
   * An actor or system of nact under which the tree is spawned.
   *
   * @default a system of its own
   * @example
   * ```ts
   * parent: start()
   * ```
   */
  readonly parent?: NactParent | undefined;
}
