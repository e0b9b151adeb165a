// What `createConsumer` takes. The table that validates it, and has the defaults, is src/options/consumer-table.ts.
import type { Logger } from '../logger.js';
import type { Meter } from '../metrics.js';
import type { CheckpointNotice, NactParent } from '../option-values.js';
import type { UserRecord } from '../ports.js';
import type { Extract, OnFailure, ReducerDefinition } from '../reducer.js';
import type { SourceSpec } from '../source.js';
import type { LeaseOptions } from './lease-options.js';
import type { RuntimeSeams } from './runtime-seams.js';

/* oxlint-disable typescript/no-explicit-any -- State and Value are the application's own; kinact never looks inside. */
/**
 * What `createConsumer` takes. `undefined` stands for the default everywhere. `Value` is what `extract` makes and the
 * reducer gets.
 */
export interface ConsumerOptions<Value = any> {
  /**
   * The name that workers of one application share. It is the lease table's name in DynamoDB, unless `leases.tableName`
   * gives another: 3 to 255 letters, digits, `_`, `-` and `.`.
   */
  readonly application: string;
  /** The stream to consume, or several. */
  readonly source: SourceSpec | readonly SourceSpec[];
  /** What happens to the items, made by `defineReducer`. */
  readonly reducer: ReducerDefinition<Value>;
  /** Makes the items of a record, synchronously. Default: one, with its key and its bytes. */
  readonly extract?: Extract<Value> | undefined;
  /** The key of a record, where `extract` is not given. Default: the partition key, or the sequence number of a record without one. */
  readonly key?: ((record: UserRecord) => string) | undefined;
  /** How many reducers; an item's key picks one. Default: the available parallelism. */
  readonly reducers?: number | undefined;
  /** How many stages. Default 1. */
  readonly stages?: number | undefined;
  /** Default `'by-shard'`; `'round-robin'` scatters a shard's records over the stages, and the order of a key is not kept. */
  readonly spread?: 'by-shard' | 'round-robin' | undefined;
  /** Records of one shard in flight. Default 1,024. */
  readonly maxPending?: number | undefined;
  /** Bytes of one shard in flight. Default 32 MiB. */
  readonly maxPendingBytes?: number | undefined;
  /** Bytes of records that the process holds at once, of all shards. Default 256 MiB. */
  readonly maxBytes?: number | undefined;
  /**
   * Milliseconds between checkpoints of a shard, 200 at least. Default 0: one with every lease renewal. Less than a
   * third of `leases.failoverMs` costs extra writes.
   */
  readonly checkpointIntervalMs?: number | undefined;
  /**
   * This many settled records that no checkpoint covers yet cause a checkpoint, which is a write. Default 0: no number
   * does.
   */
  readonly checkpointRecords?: number | undefined;
  /** Milliseconds between heartbeats to every reducer, and the default of `batch.intervalMs`. Default 1,000. */
  readonly flushIntervalMs?: number | undefined;
  /** Milliseconds a shard may stand still because of one record. Default 600,000. */
  readonly watchdogMs?: number | undefined;
  /** What a record delivered twice by the service does. Default `'skip'`. */
  readonly onDuplicate?: 'skip' | 'exit' | undefined;
  /** What a failed record or batch costs. Default `'crash'`. */
  readonly onFailure?: OnFailure | undefined;
  /** Called after a checkpoint has become durable. What it throws is counted and reported. */
  readonly onCheckpoint?: ((at: CheckpointNotice) => unknown) | undefined;
  /**
   * How often the pipeline may restart before the consumer ends, and, counted apart, the lease coordinators. Default 2
   * within 10,000 ms.
   */
  readonly restart?: { readonly intensity?: number | undefined; readonly periodMs?: number | undefined } | undefined;
  /** Milliseconds a restart waits for user effects under way. Default 30,000. */
  readonly stopDeadlineMs?: number | undefined;
  /** Unique per process. Default: host, process id and a UUID. */
  readonly workerId?: string | undefined;
  readonly leases?: LeaseOptions | undefined;
  /** Default: silent. `pino()` and `console` fit. */
  readonly logger?: Logger | undefined;
  /** Default: silent. */
  readonly meter?: Meter | undefined;
  /** Items a stage may have under way to one reducer that have not been folded yet. Default 1,024. */
  readonly credit?: number | undefined;
  /** Time, chance and the seams of tests and tools. */
  readonly runtime?: RuntimeSeams | undefined;
  /** An actor or system of nact's under which the tree is spawned. Default: a system of its own. */
  readonly parent?: NactParent | undefined;
}

/* oxlint-enable typescript/no-explicit-any */
