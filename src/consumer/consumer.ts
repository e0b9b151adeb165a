// `createConsumer`: starts the tree of actors, provides events and status, and ends the tree in order: leases first. A consumer ends by
// itself after a failed start, after its last source (`#sourceFailed`), or as `escalation.ts` decides.
import { randomUUID } from 'node:crypto';
import type { Effect, Ending, Ref } from '../../actors/protocol/actor.js';
import {
  createRuntime,
  effect,
  spawn,
  watch,
  type NactReference,
  type Runtime,
  type RuntimeOptions,
  type SupervisorMessage,
} from '../../supervision/index.js';
import { sendFromOutside } from '../../supervision/system.js';
import { environmentOf, hostEnvironment } from './host-environment.js';
import { consumerTree } from './tree.js';
import { whenCoordinatorsStarted } from './coordinator-start.js';
import { createClosing } from './closing.js';
import { coordinatorError, createEscalation, escalationDeadlineMs, type Escalation } from './escalation.js';
import { liveOfConsumer, readyOfConsumer, statusOfConsumer } from './inspection.js';
import { createRateLimit, setRate, type RateLimit } from '../core/rate-limit.js';
import type { IntakePart } from '../core/intake.js';
import { failureOfAll, warnOfClose } from './open-sources.js';
import { createPausing, type Pausing } from './pausing.js';
import { checkSinksOf } from './sink-checks.js';
import { releaseEverything } from './consumer-stop.js';
import { noMetering, startMetering } from './metering.js';
import { actors, openWiring, type Actors, type Wiring } from './wiring.js';
import { createEmitter, type Emitter, type Listener } from './emitter.js';
import type { Consumer, CreateConsumer } from './consumer-contract.js';
import type { RemovalReport, StopReport } from './stop-report.js';
import { createSourceChanges, type SourceChanges } from './source-changes.js';
import { undrainedText } from './waiting-text.js';
import { visible } from '../core/visible.js';
import { KinactError } from '../api/errors.js';
import type { ConsumerEventName, KinactEvent } from '../api/events.js';
import { guardLogger, silentLogger } from '../api/logger.js';
import { guardMeter } from '../api/metrics.js';
import { resolveTable } from '../options/option-table.js';
import { stopTable } from '../options/stop-option-tables.js';
import { checkLimit, resolveOptions, type ResolvedOptions } from '../options/resolved-options.js';
import type { ConsumerOptions, StopOptions } from '../api/options.js';
import type { AnySource, Environment } from '../api/source.js';
import type { ConsumerStatus, Health } from '../api/status.js';

export type { Consumer } from './consumer-contract.js';
export type { RemovalReport, StopReport } from './stop-report.js';

/**
 * Makes a consumer. Nothing is opened before `start()`.
 *
 * @throws KinactError INVALID_OPTION (path, expected, got), here and not later.
 * @see {@link ConsumerOptions} for the options, {@link Consumer} for what it can do.
 *
 * @example
 * ```ts
 * const consumer = createConsumer({
 *   application: 'order-totals', // the name of the lease table, as in the KCL
 *   source: kinesisStream({ streamName: 'orders' }),
 *   reducer: totals,
 * });
 * await runUntilSignal(consumer);
 * ```
 *
 * @example Failures: if `reduce` throws, the item is skipped and reported. A `flush` is tried again, and other failures crash the pipeline.
 * ```ts
 * const source = kinesisStream({ streamName: 'orders' });
 * const onFailure: OnFailure = (error, { at }) => (at === 'reduce' ? 'skip' : retry());
 * const consumer = createConsumer({ application: 'order-totals', source, reducer: totals, onFailure });
 * consumer.on('recordSkipped', ({ shardId, sequenceNumber, error }) => console.error(shardId, sequenceNumber, error));
 * ```
 */
export const createConsumer: CreateConsumer = (options: object) => {
  return consumerOf(options as ConsumerOptions, actors) as Consumer<never>;
};

/** The same as `createConsumer`, with the given behaviours. */
export function consumerOf(options: ConsumerOptions, behaviours: Actors): Consumer {
  return new TreeConsumer(resolveOptions(options), behaviours);
}

class TreeConsumer implements Consumer {
  readonly runtime: Runtime;
  readonly #closing = createClosing();
  readonly #options: ResolvedOptions;
  readonly #actors: Actors;
  readonly #environment: Environment;
  readonly #emitter: Emitter;
  readonly #escalation: Escalation;
  readonly #pausing: Pausing;
  readonly #limit: RateLimit;
  /** Ends the checks of the sinks when the consumer stops. */
  readonly #checks = new AbortController();
  #state: ConsumerStatus['state'] = 'new';
  #wiring: Wiring | undefined;
  #root: Ref<never> | undefined;
  #pipeline: Ref<SupervisorMessage> | undefined;
  #coordinators: Ref<SupervisorMessage> | undefined;
  #changes: SourceChanges | undefined;
  #metering = noMetering;
  #starting: Promise<void> | undefined;
  #stopping: Promise<StopReport> | undefined;
  #ending: Promise<void> | undefined;
  #endReason: Error | undefined;
  #restarts = 0;
  #restartDelayMs = 0;
  readonly #orphans: string[] = [];
  /** How often the application's logger and meter have thrown. A throw is counted and has no other effect. */
  readonly #callbackThrows = { logger: 0, meter: 0 };

  constructor(options: ResolvedOptions, behaviours: Actors) {
    this.#options = options;
    this.#actors = behaviours;
    const { clock, timers, random, ...seams } = options.runtime;
    this.#environment = environmentOf({ clock, timers, random });
    this.#emitter = createEmitter(
      guardLogger(options.logger, { application: options.application }, () => this.#countThrow('logger')),
    );
    this.#pausing = createPausing({
      now: () => this.#environment.clock.now(),
      emitter: this.#emitter,
      hasStopped: () => this.#hasStopped(),
      sources: () => [...(this.#wiring?.sources.byName.keys() ?? options.sources.map(({ spec }) => spec.name))],
    });
    this.#limit = createRateLimit(options.limit?.perSecond, this.#environment.clock.now());
    this.runtime = createRuntime({
      ...(seams as Pick<RuntimeOptions, 'trace' | 'intercept'>),
      ...this.#environment,
      emit: (event) => this.#handleEvent(event),
      ...(options.parent === undefined ? {} : { parent: options.parent as NactReference }),
    });
    this.#escalation = createEscalation({
      ...{ ...options, ...this.#environment, settled: () => this.#wiring?.progress.settled ?? 0 },
      maxDelayMs: options.callDeadlineMs + options.leases.failoverMs / 2,
      end: (error) => void this.#end(error, escalationDeadlineMs),
    });
  }

  get closed(): Promise<void> {
    return this.#closing.take();
  }

  #handleEvent(event: KinactEvent): void {
    if (event.name === 'orphaned')
      for (const effect of event.data.effects) this.#orphans.push(`${event.data.actor} ${effect}`);
    this.#emitter.emit(event);
    if (event.name === 'sourceFailed') this.#endIfAllFailed(event.data.error);
  }

  #countThrow(callback: 'logger' | 'meter'): void {
    this.#callbackThrows[callback] += 1;
  }

  start(): Promise<void> {
    if (this.#state !== 'new' && this.#starting === undefined) {
      return Promise.reject(new KinactError('STOPPED', 'The consumer was stopped before it was started.'));
    }
    this.#starting ??= this.#start();
    return this.#starting;
  }

  async #start(): Promise<void> {
    this.#state = 'starting';
    try {
      const { timers } = this.#environment;
      const checking = checkSinksOf(this.#options, { timers, signal: this.#checks.signal, emitter: this.#emitter });
      checking?.catch(() => undefined);
      // In virtual time only what is there already gets time, so a real disk must not hold the start up.
      if (checking !== undefined && timers === hostEnvironment.timers) await checking;
      if (this.#hasStopped()) throw this.#startFailure();
      const meter = guardMeter(this.#options.meter, () => this.#countThrow('meter'));
      this.#wiring = openWiring({
        actors: this.#actors,
        options: this.#options,
        meter,
        environment: this.#environment,
        processNonce: randomUUID(),
        intake: this.#pausing.intake,
        limit: this.#limit,
      });
      this.#changes = this.#changesOf(this.#wiring);
      this.#root = spawn(this.runtime, this.#tree(this.#wiring), '', { shutdownMs: Infinity });
      const measured = { ...this.#wiring, emitter: this.#emitter, status: () => this.status() };
      this.#metering = startMetering(meter, measured, this.#environment.timers);
      void watch(this.#root).then((ending) => this.#escalation.rootEnded(ending));
      await Promise.all([checking, whenCoordinatorsStarted(this.#root, this.#wiring, this.#environment)]);
    } catch (error) {
      const failure = this.#startFailure(error as Error);
      await this.#end(failure, escalationDeadlineMs);
      throw failure;
    }
    if (this.#state !== 'starting') throw this.#startFailure();
    this.#state = 'running';
  }

  #changesOf(wiring: Wiring): SourceChanges {
    return createSourceChanges({
      wiring,
      environment: this.#environment,
      actors: this.#actors,
      options: this.#options,
      pausing: this.#pausing,
      coordinators: () => this.#coordinators,
      stopping: () => this.#stopping,
      emit: (event) => this.#handleEvent(event),
      endIfAllFailed: () => this.#endIfAllFailed(),
    });
  }

  /** The error of a failed start. If the consumer ended by itself or was stopped, `error` shows only that an actor has ended. */
  #startFailure(error?: Error): Error {
    const stopped = new KinactError('STOPPED', 'The consumer was stopped while it was starting.');
    return this.#endReason ?? (this.#state === 'starting' && error !== undefined ? error : stopped);
  }

  #tree(wiring: Wiring): ReturnType<typeof consumerTree> {
    const { restart, callDeadlineMs } = this.#options;
    return consumerTree({
      ...wiring.parts,
      restart,
      callDeadlineMs,
      coordinators: () => [...wiring.coordinators.values()],
      coordinatorsStarted: (coordinators) => (this.#coordinators = coordinators),
      pipelineStarted: (pipeline) => {
        this.#pipeline = pipeline;
        void watch(pipeline).then((ending) => this.#pipelineEnded(ending));
      },
      pipelineRestarting: (error) => this.#pipelineRestarting(error),
      pipelineDelayMs: () => this.#restartDelayMs,
      coordinatorsRestarting: (error) => this.#countRestart(coordinatorError(error)),
    });
  }

  #pipelineEnded(ending: Ending): void {
    // Keepers that are releasing leases wait for the calls of this pipeline to end.
    for (const coordinator of this.#wiring?.coordinators.values() ?? [])
      sendFromOutside(coordinator, { type: 'callsEnded' });
    this.#escalation.pipelineEnded(ending);
  }

  #pipelineRestarting(error: Error): readonly Effect<never>[] {
    const { end, delayMs } = this.#escalation.noteFailureAndDecide(error);
    this.#restartDelayMs = delayMs;
    const effects = this.#countRestart(error);
    if (end !== undefined) return [effect.fail(end)];
    for (const coordinator of this.#wiring?.coordinators.values() ?? [])
      sendFromOutside(coordinator, { type: 'pipelineDelayed', forMs: delayMs });
    return effects;
  }

  /** Every crash restarts the pipeline, whichever actor crashed, and raises the number of its incarnation. */
  #countRestart(error: Error): readonly Effect<never>[] {
    this.#restarts += 1;
    const data = { incarnation: this.#restarts + 1, error };
    return [effect.emit({ name: 'pipelineRestarted', data })];
  }

  stop(options: StopOptions = {}): Promise<StopReport> {
    try {
      const { deadlineMs } = resolveTable(stopTable, options, '');
      this.#stopping ??= this.#stop(deadlineMs);
    } catch (refused) {
      return Promise.reject(refused as Error);
    }
    return this.#stopping;
  }

  async #stop(deadlineMs: number): Promise<StopReport> {
    if (this.#state === 'closed') return { leases: [], drained: true, waiting: [] };
    const report = await this.#release(deadlineMs);
    if (!report.drained) this.#emitter.emit({ name: 'warning', data: { message: visible(undrainedText(report)) } });
    this.#close(undefined);
    return report;
  }

  async #release(deadlineMs: number): Promise<StopReport> {
    this.#state = 'stopping';
    this.#checks.abort();
    const report = await releaseEverything(
      {
        environment: this.#environment,
        runtime: this.runtime,
        actors: this.#actors,
        wiring: () => this.#wiring,
        root: () => this.#root,
        pipeline: () => this.#pipeline,
        callDeadlineMs: this.#options.callDeadlineMs,
        emit: (event) => this.#handleEvent(event),
      },
      deadlineMs,
    );
    await this.#changes?.whenQuiet();
    this.#metering.end();
    this.#wiring?.close(warnOfClose((event) => this.#handleEvent(event)));
    return report;
  }

  /** Ends the consumer when its last source has failed, with time for the pipeline to drain. `last`: the failure just reported. */
  #endIfAllFailed(last?: Error): void {
    const failure = this.#wiring === undefined ? undefined : failureOfAll(this.#wiring.sources);
    if (failure !== undefined) void this.#end(last ?? failure, this.#options.callDeadlineMs);
  }

  /** Ends the consumer without a `stop`. Releases the leases, so other workers need not wait until they expire. */
  #end(error: Error, deadlineMs: number): Promise<void> {
    // A failed start waits for an end that is already under way. So nothing runs any longer when `start` rejects.
    this.#ending ??= this.#endNow(error, deadlineMs);
    return this.#ending;
  }

  async #endNow(error: Error, deadlineMs: number): Promise<void> {
    if (this.#state === 'stopping' || this.#state === 'closed') return;
    const rejectsStart = this.#state !== 'running';
    this.#endReason = error;
    this.#stopping ??= this.#release(deadlineMs);
    await this.#stopping;
    this.#close(error);
    if (rejectsStart || this.#options.logger !== silentLogger || this.#emitter.hears('closed')) return;
    this.#closing.warnUnlessTaken(this.#options.application, error);
  }

  #close(error: Error | undefined): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#emitter.emit({ name: 'closed', data: error === undefined ? {} : { error } });
    this.#closing.settle(error);
  }

  async addSource(source: AnySource): Promise<void> {
    await (await this.#changesWhenStarted()).add(source);
  }

  async removeSource(name: string, options: StopOptions = {}): Promise<RemovalReport> {
    const { deadlineMs } = resolveTable(stopTable, options, '');
    return (await this.#changesWhenStarted()).remove(name, deadlineMs);
  }

  async #changesWhenStarted(): Promise<SourceChanges> {
    if (this.#state === 'starting') await this.#starting;
    if (this.#changes !== undefined && !this.#hasStopped()) return this.#changes;
    if (this.#state === 'new') throw new KinactError('REFUSED', 'Sources are added and removed after start().');
    throw new KinactError('STOPPED', 'The consumer was stopped.');
  }

  pause(part?: IntakePart): void {
    this.#pausing.pause(part);
  }

  resume(part?: IntakePart): void {
    this.#pausing.resume(part);
  }

  setLimit(perSecond: number | undefined): void {
    setRate(this.#limit, checkLimit(this.#options, perSecond), this.#environment.clock.now());
  }

  #hasStopped(): boolean {
    return this.#state === 'stopping' || this.#state === 'closed';
  }

  status(): ConsumerStatus {
    return statusOfConsumer({
      state: this.#state,
      perSecond: this.#limit.bucket?.perSecond,
      pausing: this.#pausing,
      restarts: this.#restarts,
      orphans: this.#orphans,
      failures: { ...this.#callbackThrows, listener: this.#emitter.failures() },
      runtime: this.runtime,
      options: this.#options,
      budget: this.#wiring?.budget,
      calls: this.#wiring?.sources.calls,
      coordinators: this.#wiring?.coordinators,
    });
  }

  ready(): Health {
    return readyOfConsumer(this.status());
  }

  live(): Health {
    return liveOfConsumer(this.#state, this.#endReason);
  }

  on<Name extends ConsumerEventName>(event: Name, listener: Listener<Name>): () => void {
    return this.#emitter.on(event, listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
