// What an application can do with a consumer. consumer.ts implements it, and exports these types to everyone else.
import type { Runtime } from '../../supervision/index.js';
import type { RemovalReport, StopReport } from './stop-report.js';
import type { CreateOptions, CreatePipeOptions, Sources, ValueIn } from '../api/create-options.js';
import type { Extracted } from '../api/reducer.js';
import type { AnySource, EachSource, SourceSpec } from '../api/source.js';
import type { IntakePart } from '../core/intake.js';
import type { Listener } from './emitter.js';
import type { ConsumerEventName } from '../api/events.js';
import type { StopOptions } from '../api/options.js';
import type { ConsumerStatus, Health } from '../api/status.js';

/** A consumer, started or not. `createConsumer` makes it. `Source` is the kind of its sources, or a union of several. */
export interface Consumer<Source = AnySource> extends AsyncDisposable {
  /**
   * Creates the lease table if it is missing, finds the shards, and begins to take leases. The promise resolves when this is done for
   * every source that can be read. With several sources, one that can be read is enough: `ready()` then reports which sources are
   * missing and why, and kinact retries them in the background. A second call returns the same promise, even after `stop`: a consumer
   * that was stopped does not start again, so make a new one.
   *
   * @throws KinactError if no source can be read. The promise rejects at once for errors that waiting cannot repair (STREAM_NOT_FOUND,
   * STREAM_CHANGED, ACCESS_DENIED, WRONG_REGION, CREDENTIALS_MISSING, INVALID_OPTION, TABLE_NOT_KCL, KCL3_TABLE). It rejects with
   * START_TIMEOUT after `leases.startDeadlineMs` (its cause is the last error). It rejects with STOPPED if
   * `stop` was called before the start had succeeded, or before `start` was called at all.
   */
  start(): Promise<void>;
  /**
   * Stops taking leases, drains every shard, and releases each lease with its last checkpoint, in one write. A shard that is not
   * drained within `deadlineMs` (default 20,000) is released at its last settled record. A second call returns the same promise.
   * The promise always resolves, except for an invalid deadline:
   *
   * @throws KinactError INVALID_OPTION; the consumer continues to run.
   *
   * @example
   * ```ts
   * const { drained, leases } = await consumer.stop({ deadlineMs: 30_000 });
   * if (!drained) console.warn('comes again elsewhere:', leases);
   * ```
   */
  stop(options?: StopOptions): Promise<StopReport>;
  /**
   * Reads one more source from now on. It is of the kinds of sources that the consumer was made with, and has the same reducers. The
   * promise resolves when the leases of the source may be taken, as in `start`. If it rejects, the source is not part of the consumer.
   *
   * @throws KinactError INVALID_OPTION if the source has the name of another one, or if its lease table does not fit. Other codes are
   * those of `start`: STREAM_NOT_FOUND, START_TIMEOUT after `leases.startDeadlineMs`, STOPPED if the consumer was stopped or the source
   * removed meanwhile. REFUSED before `start()`.
   *
   * @example
   * ```ts
   * await consumer.addSource(kinesisStream({ streamName: 'refunds', application: 'refund-totals' }));
   * ```
   */
  addSource(source: Source): Promise<void>;
  /**
   * Ends the reading of one source: its shards drain, and each of its leases is released with its last checkpoint. A shard that is not
   * drained within `deadlineMs` (default 20,000) is released at its last settled record. When the promise resolves, none of its records
   * goes to your code any more, and the source may be added again. Other workers go on reading it. A second call meanwhile returns the
   * same promise. A consumer without a source runs on.
   *
   * @throws KinactError INVALID_OPTION if there is no such source, or for an invalid deadline. STOPPED if the consumer was stopped.
   * REFUSED before `start()`.
   *
   * @example
   * ```ts
   * const { drained } = await consumer.removeSource('refunds', { deadlineMs: 10_000 });
   * ```
   */
  removeSource(name: string, options?: StopOptions): Promise<RemovalReport>;
  /**
   * Pauses the whole process, one source of it, or one shard: nothing more is read of it, and no more records of it go to your code. What
   * is in flight is finished and checkpointed, and reducers are asked to flush. The leases stay here and are renewed. One may still be
   * handed over to another worker, which is not paused. A read that is under way may still bring records, which wait here.
   *
   * The pause lasts until `resume` is called with the same argument, also over restarts of the pipeline and for shards that are taken
   * later. It may begin before `start`. A second call, and a call after `stop` or after the end, have no effect. While it lasts, `ready()`
   * is false and says why. Records that expire from the stream meanwhile are lost.
   *
   * @throws KinactError INVALID_OPTION if there is no source of this name.
   *
   * @example
   * ```ts
   * consumer.pause();
   * setTimeout(() => consumer.resume(), 60_000);
   * consumer.pause({ source: 'orders' });
   * consumer.pause({ source: 'orders', shardId: 'shardId-000000000000' });
   * ```
   */
  pause(part?: IntakePart): void;
  /**
   * Ends the pause of the process, of a source, or of a shard: what no other pause holds is read on where it was. Without such a pause, or
   * after `stop`, it has no effect.
   *
   * @throws KinactError INVALID_OPTION if there is no source of this name.
   */
  resume(part?: IntakePart): void;
  /**
   * Changes the rate limit: how many items this process hands to your code per second, over all reducers, retries included.
   * `undefined` removes it. It takes effect at once, and may be called at any time. See the option `limit`.
   *
   * @throws KinactError INVALID_OPTION unless `perSecond` is 0.001 to 1,000,000 or undefined; and with a pipe, which has no limit so far.
   */
  setLimit(perSecond: number | undefined): void;
  /** A snapshot of the tree, the shards and the actors that have their oldest open records. Each call visits all actors. */
  status(): ConsumerStatus;
  /**
   * Whether this process takes part in the work; `reasons` lists what is missing. The consumer must have started, and must read every
   * source. Every lease table must have a running coordinator that has scanned the table within 30 s. No call may have failed for 30 s
   * without a success. No reducer may be in an outage, from the event `outageStarted` until a call of yours succeeds. No item or flush may
   * wait that has failed ten times, or for a minute. No records may be near their expiry (`retentionAtRisk`). None of the conditions of
   * the events `leaseUnread`, `noProgress`, `leaseContradiction`, `malformedLease`, `checkpointBeyondTip` and `leaseTableBusy` may hold,
   * and the application must not have paused the consumer. Other events of the level `error` do not count: `leaseHole`,
   * `pipelineRestarted`, `orphaned`, `actorCrashed`.
   */
  ready(): Health;
  /** True until the consumer ends by itself, and also after `stop`. If it is false, restart the process. */
  live(): Health;
  /**
   * Listens to an event, and returns a function that unsubscribes. If a listener throws or rejects, the error is counted and
   * logged, nothing more.
   *
   * @throws KinactError INVALID_OPTION for an event that does not exist.
   *
   * @example
   * ```ts
   * const off = consumer.on('checkpoint', ({ shardId, sequenceNumber }) => console.log(shardId, sequenceNumber));
   * ```
   */
  on<Name extends ConsumerEventName>(event: Name, listener: Listener<Name>): () => void;
  /** The runtime of the consumer's actors: for `status`, `actorsOf`, `attachIntercept` and `spawn` of `kinact/supervision`. */
  readonly runtime: Runtime;
  /**
   * Settles when the consumer has ended: resolves after `stop`, rejects with the reason if it ended by itself. If nobody takes the
   * promise or listens to `closed`, and `logger` is `false`, a warning of the process (KINACT_CLOSED) gives the reason.
   */
  readonly closed: Promise<void>;
}

/** The type of `createConsumer`. The first signature is for a pipe alone, the second for a reducer, with or without a pipe behind it. */
export interface CreateConsumer {
  <
    const Source extends Sources = SourceSpec,
    Made extends Iterable<Extracted<Value>> = Iterable<Extracted<never>>,
    Value = ValueIn<Made, Source>,
  >(
    options: CreatePipeOptions<Made, Value, Source>,
  ): Consumer<EachSource<Source>>;
  <
    const Source extends Sources = SourceSpec,
    Made extends Iterable<Extracted<Value>> = Iterable<Extracted<never>>,
    Value = ValueIn<Made, Source>,
    Emits = never,
  >(
    options: CreateOptions<Made, Value, Source, Emits>,
  ): Consumer<EachSource<Source>>;
}
