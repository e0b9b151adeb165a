// `openPipe`: a pipe without a consumer, which the application feeds. It checks what is given; open-nodes.ts runs the nodes.
import { environmentOf } from './host-environment.js';
import { createEmitter, type Emitter, type Listener } from './emitter.js';
import { isInside, noted } from './inside-node.js';
import { checkSinksOf } from './sink-checks.js';
import { openNodes, type FedValue, type OpenNodes } from './open-nodes.js';
import type { OpenPipe, OpenPipeEventName } from './open-pipe-contract.js';
import type { OpenPipeStatus, PipeEnding } from './open-pipe-report.js';
import { KinactError } from '../api/errors.js';
import type { KinactEvent } from '../api/events.js';
import { guardLogger } from '../api/logger.js';
import type { DrainOptions, FeedOptions, FlushOptions, OpenPipeOptions } from '../api/options.js';
import type { Pipe } from '../api/pipe.js';
import { refuse } from '../api/refusal.js';
import { consumerTable } from '../options/consumer-option-table.js';
import { drainTable, feedTable, flushTable, openPipeTable } from '../options/open-pipe-option-tables.js';
import { withoutRefused } from '../options/open-pipe-policy.js';
import { oneOf, resolveTable } from '../options/option-table.js';
import { refuseUnwritable } from '../options/policy-sinks.js';
import { answerDeadlineOf } from '../options/resolved-options.js';
import type { Runtime, RuntimeOptions } from '../../supervision/index.js';

export type { OpenPipe, OpenPipeEventName } from './open-pipe-contract.js';
export type { OpenPipeStatus, PipeEnding } from './open-pipe-report.js';

const eventName = oneOf<OpenPipeEventName>(
  'itemRetrying',
  'itemRecovered',
  'itemParked',
  'parkingFailed',
  'recordSkipped',
  'warning',
  'orphaned',
  'actorCrashed',
);

/**
 * Runs a pipe without a consumer: the application feeds it. Resolves when every node has started.
 *
 * @throws KinactError INVALID_OPTION (path, expected, got), PARKING_FAILED if a sink of `onFailure` can keep nothing. Rejects with what an
 * `init` has thrown, when its node has failed to start.
 * @see {@link OpenPipeOptions} for the options, {@link OpenPipe} for what it can do.
 *
 * @example
 * ```ts
 * const texts = pipe<string>().aggregate({ count: 500 }).to((batch) => save(batch));
 * const opened = await openPipe(texts, { onSettled: (offset) => console.log(`done up to ${offset}`) });
 * for (const text of ['a', 'b', 'c']) await opened.feed(text);
 * const { error, open } = await opened.finish();
 * ```
 */
export async function openPipe<In>(pipe: Pipe<In>, options: OpenPipeOptions = {}): Promise<OpenPipe<In>> {
  const { name, firstOffset, onFailure, onSettled, callDeadlineMs, logger, runtime } = resolveTable(
    openPipeTable,
    options,
    '',
  );
  const checked = resolveTable({ pipe: consumerTable.pipe }, { pipe }, '').pipe;
  if (checked === undefined) return refuse('pipe', 'a pipe made by pipe()', pipe);
  refuseUnwritable(onFailure, checked);
  const { clock, timers, random, ...seams } = runtime;
  const failures = { logger: 0 };
  const emitter = createEmitter(guardLogger(logger, { application: name }, () => (failures.logger += 1)));
  const environment = environmentOf({ clock, timers, random });
  const answerDeadlineMs = answerDeadlineOf(callDeadlineMs);
  // Before a node starts, as in a consumer. Nothing stops it but its deadline.
  await checkSinksOf(
    { onFailure, answerDeadlineMs, doubtOf: () => undefined },
    { timers: environment.timers, signal: new AbortController().signal, emitter },
  );
  const identity = {};
  const nodes = await openNodes(noted(checked.nodes, identity), {
    ...{ name, firstOffset, onFailure: withoutRefused(onFailure), onSettled, callDeadlineMs, environment },
    format: checked.format,
    seams: seams as Pick<RuntimeOptions, 'trace' | 'intercept'>,
    emit: (event: KinactEvent) => emitter.emit(event),
  });
  return new FedPipe<In>(nodes, { emitter, identity, failures });
}

interface FedPipeParts {
  readonly emitter: Emitter;
  /** What the calls of its nodes are noted under. */
  readonly identity: object;
  /** How often the application's logger has thrown. */
  readonly failures: { readonly logger: number };
}

class FedPipe<in In> implements OpenPipe<In> {
  readonly runtime: Runtime;
  readonly ended: Promise<PipeEnding>;
  readonly #nodes: OpenNodes;
  readonly #parts: FedPipeParts;

  constructor(nodes: OpenNodes, parts: FedPipeParts) {
    this.#nodes = nodes;
    this.#parts = parts;
    this.runtime = nodes.runtime;
    this.ended = nodes.ended;
  }

  get settled(): number {
    return this.#nodes.settled;
  }

  async feed(value: In, options: FeedOptions = {}): Promise<number> {
    const { key, deadlineMs } = resolveTable(feedTable, options, '');
    this.#refuseInside('feed');
    return this.#nodes.feed([fedValue(value, key)], deadlineMs);
  }

  async feedAll(values: Iterable<In>, options: FeedOptions = {}): Promise<number> {
    const { key, deadlineMs } = resolveTable(feedTable, options, '');
    this.#refuseInside('feedAll');
    const isIterable = typeof (values as Partial<Iterable<In>> | undefined)?.[Symbol.iterator] === 'function';
    if (!isIterable || typeof values === 'string') return refuse('values', 'an iterable of values', values);
    return this.#nodes.feed(
      Array.from(values, (value) => fedValue(value, key)),
      deadlineMs,
    );
  }

  async flush(options: FlushOptions = {}): Promise<void> {
    const { deadlineMs } = resolveTable(flushTable, options, '');
    this.#refuseInside('flush');
    return this.#nodes.flush(deadlineMs);
  }

  async finish(options: DrainOptions = {}): Promise<PipeEnding> {
    const { deadlineMs } = resolveTable(drainTable, options, '');
    this.#refuseInside('finish');
    return this.#nodes.finish(deadlineMs);
  }

  notifyUpstreamFailure(options: DrainOptions = {}): Promise<PipeEnding> {
    return this.finish(options);
  }

  stop(): Promise<PipeEnding> {
    return this.#nodes.stop();
  }

  status(): OpenPipeStatus {
    const status = this.#nodes.status();
    const thrown = { loggerFailures: this.#parts.failures.logger, listenerFailures: this.#parts.emitter.failures() };
    const counted = Object.entries(thrown).filter(([, times]) => times > 0);
    return { ...status, counters: { ...status.counters, ...Object.fromEntries(counted) } };
  }

  on<Name extends OpenPipeEventName>(event: Name, listener: Listener<Name>): () => void {
    return this.#parts.emitter.on(eventName.parse(event, 'event') as Name, listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.finish();
  }

  #refuseInside(call: string): void {
    if (!isInside(this.#parts.identity)) return;
    throw new KinactError(
      'REFUSED',
      `${call} was called in a callback of a node of the same pipe: it would wait for that callback. Call it when the callback is over, or send the value on as an output.`,
    );
  }
}

function fedValue(value: unknown, key: string): FedValue {
  return { value, key };
}
