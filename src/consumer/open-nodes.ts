// Runs nodes of a pipe without a consumer: one origin with its pipe, on a runtime of its own. open-pipe.ts checks what the application
// gives.
import {
  createOffsets,
  messageOfFed,
  pipeOrigin,
  type CallAnswer,
  type FedValue,
  type Offsets,
  type OriginMessage,
} from '../../actors/pipe-origin/pipe-origin.js';
import { pipe as pipeActor } from '../../actors/pipe/pipe.js';
import { pipeNode } from '../../actors/pipe-node/pipe-node.js';
import type { Behaviour, Ending, Ref, ReplyTo } from '../../actors/protocol/actor.js';
import type { NodeRequest } from '../../actors/protocol/pipe-messages.js';
import { counters, createRuntime, type Runtime, type RuntimeOptions } from '../../supervision/index.js';
import { askFromOutside, endingOf, sendFromOutside, spawnRoot, stopRoot } from '../../supervision/system.js';
import { isKinactError, KinactError } from '../api/errors.js';
import type { KinactEvent } from '../api/events.js';
import type { OnFailure } from '../api/failure-policy.js';
import type { MessageFormat } from '../api/message-format.js';
import type { AnyNode } from '../api/pipe.js';
import type { Environment } from '../api/source.js';
import { answerDeadlineOf } from '../options/resolved-options.js';
import type { OpenPipeStatus, PipeEnding } from './open-pipe-report.js';
import { originStatusOf, nodesOf, undrainedText } from './open-pipe-status.js';

export type { FedValue } from '../../actors/pipe-origin/pipe-origin.js';

export interface OpenNodesOptions {
  readonly name: string;
  /** The offset of the first message. Default 0. */
  readonly firstOffset?: number;
  readonly onFailure: OnFailure;
  /** How values become bytes, for what is parked. */
  readonly format?: MessageFormat | undefined;
  readonly callDeadlineMs: number;
  readonly onSettled?: ((offset: number) => unknown) | undefined;
  readonly environment: Environment;
  readonly seams?: Pick<RuntimeOptions, 'trace' | 'intercept'>;
  readonly emit: (event: KinactEvent) => void;
}

/** Starts the nodes. Rejects with the reason if an `init` fails. */
export async function openNodes(definitions: readonly AnyNode[], options: OpenNodesOptions): Promise<OpenNodes> {
  const opened = new OpenNodes(definitions, options);
  await opened.started();
  return opened;
}

type InTime = Exclude<CallAnswer, { readonly type: 'ended' }>;

type Running = 'running' | 'draining' | 'stopping' | 'ended';

export class OpenNodes {
  readonly runtime: Runtime;
  readonly ended: Promise<PipeEnding>;
  readonly #options: OpenNodesOptions;
  readonly #offsets: Offsets;
  readonly #root: Ref<OriginMessage>;
  /** Aborts the signal of the items. */
  readonly #signal = new AbortController();
  #state: Running = 'running';
  /** Why the pipe was stopped at once, if not by `stop`: the deadline of `finish` has passed. */
  #undrained: KinactError | undefined;
  #cancelDeadline: (() => void) | undefined;
  /** The calls that outlived their nodes. The endings of nodes that end before the pipe does are lost with it. */
  readonly #orphans: string[] = [];
  /** What calls reject with that had begun when the pipe ended, and what the others reject with, also later ones. */
  #failure: Error | undefined;
  #refusal: Error | undefined;

  constructor(definitions: readonly AnyNode[], options: OpenNodesOptions) {
    const { name, firstOffset = 0, onFailure, callDeadlineMs, environment, seams = {}, emit } = options;
    const { clock, random } = environment;
    const { onSettled, format } = options;
    this.#options = options;
    this.#offsets = createOffsets(firstOffset);
    this.runtime = createRuntime<KinactEvent>({
      ...(seams as Pick<RuntimeOptions<KinactEvent>, 'trace' | 'intercept'>),
      ...environment,
      emit: (event) => {
        const { name: what, data } = event as KinactEvent;
        if (what === 'orphaned') for (const effect of data.effects) this.#orphans.push(`${data.actor}: ${effect}`);
        // An exit that was asked for is no crash: the ending says it.
        if (what !== 'actorCrashed' || !isExit(data.error)) emit(event as KinactEvent);
      },
    });
    const behaviour = pipeOrigin({
      ...{ name, clock, callDeadlineMs, offsets: this.#offsets, signal: this.#signal.signal },
      ...(onSettled === undefined ? {} : { onSettled }),
      makePipe: (stage) =>
        pipeActor({
          ...{ index: 0, application: name, credit: Infinity, progress: { settled: 0 }, stages: [stage] },
          ...{ onFailure, callDeadlineMs, answerDeadlineMs: answerDeadlineOf(callDeadlineMs), clock, random },
          ...{ definitions, format, holdsCredit: true, isFed: true, messageOf: messageOfFed },
          makeNode: (node) => pipeNode(node) as unknown as Behaviour<never, NodeRequest>,
        }) as unknown as Behaviour<never, never>,
    });
    this.#root = spawnRoot(this.runtime, behaviour, name, { shutdownMs: callDeadlineMs });
    this.ended = endingOf(this.#root).then((ending) => this.#end(ending));
  }

  /** Resolves when every `init` has returned. */
  async started(): Promise<void> {
    await this.#ask((replyTo: ReplyTo<void>) => ({ type: 'open', replyTo }));
  }

  /** The offset up to which everything is done. */
  get settled(): number {
    return this.#offsets.firstOpen - 1;
  }

  /** Resolves with the offset of the last value when the first node has processed all of them. */
  async feed(values: readonly FedValue[], deadlineMs?: number): Promise<number> {
    const answer = await this.#call((replyTo) => ({ type: 'feed', values, deadlineMs, replyTo }));
    if (answer.type === 'done') return answer.offset;
    const { begun, offset } = answer;
    const which = values.length === 1 ? `message ${offset}` : `the last of them message ${offset}`;
    throw overdue(
      begun
        ? `the first node has not processed what was fed within ${deadlineMs} ms, ${which}; it may still be processed`
        : `what was to be fed has not had its turn within ${deadlineMs} ms, and was not fed`,
      begun,
      begun ? { offset } : {},
    );
  }

  /** Resolves when all nodes have flushed. */
  async flush(deadlineMs?: number): Promise<void> {
    const answer = await this.#call((replyTo) => ({ type: 'flush', deadlineMs, replyTo }));
    if (answer.type === 'done') return;
    const text = `the pipe has not flushed within ${deadlineMs} ms`;
    throw overdue(`${text}; ${answer.begun ? 'the flush goes on' : 'the flush has not begun'}`, answer.begun);
  }

  /** Drains, hop by hop, and ends. At the deadline it stops at once. */
  finish(deadlineMs: number): Promise<PipeEnding> {
    if (this.#state !== 'running') return this.ended;
    this.#state = 'draining';
    this.#cancelDeadline = this.#options.environment.timers.after(deadlineMs, () => {
      if (this.#state !== 'draining') return;
      this.#undrained = overdue(undrainedText(this.status(), deadlineMs), true);
      void this.stop();
    });
    sendFromOutside(this.#root, { type: 'notifyUpstreamFailure' } satisfies OriginMessage);
    return this.ended;
  }

  stop(): Promise<PipeEnding> {
    if (this.#state !== 'ended') {
      this.#state = 'stopping';
      void stopRoot(this.#root, { deadlineMs: this.#options.callDeadlineMs });
    }
    return this.ended;
  }

  status(): OpenPipeStatus {
    const { next, firstOpen, open } = this.#offsets;
    return {
      state: this.#state,
      newest: next - 1,
      settled: firstOpen - 1,
      open,
      waiting: originStatusOf(this.#root)?.waiting ?? 0,
      nodes: nodesOf(this.#root),
      counters: counters(this.runtime),
    };
  }

  /** What a call rejects with, while the pipe ends or after it has. Undefined: it may be made. */
  refusal(): Error | undefined {
    if (this.#refusal !== undefined || this.#state === 'running') return this.#refusal;
    const why = this.#state === 'draining' ? 'finish was called' : 'it was stopped';
    return new KinactError('STOPPED', `The pipe '${this.#options.name}' is ending: ${why}.`);
  }

  async #call(message: (replyTo: ReplyTo<CallAnswer>) => OriginMessage): Promise<InTime> {
    const refusal = this.refusal();
    if (refusal !== undefined) throw refusal;
    const answer = await this.#ask(message);
    if (answer.type !== 'ended') return answer;
    await this.ended;
    throw (answer.begun ? this.#failure : this.#refusal) as Error;
  }

  async #ask<Answer>(message: (replyTo: ReplyTo<Answer>) => OriginMessage): Promise<Answer> {
    try {
      return (await askFromOutside(this.#root, message as (replyTo: never) => unknown, {})) as Answer;
    } catch {
      // The origin has ended without an answer.
      await this.ended;
      throw this.#failure as Error;
    }
  }

  #end({ error }: Ending): PipeEnding {
    const { name } = this.#options;
    const { ending, firstOpen, open } = this.#offsets;
    this.#cancelDeadline?.();
    const isDraining = this.#state === 'draining';
    this.#state = 'ended';
    const known = { firstOpen, open, orphans: [...this.#orphans] };
    const reason = this.#reasonOf(ending?.error ?? error, ending !== undefined, isDraining);
    const failure = ending?.error ?? error ?? this.#undrained;
    const words = reason === 'stop' ? 'it was stopped' : 'it has drained after finish';
    this.#failure = failure ?? new KinactError('STOPPED', `The pipe '${name}' has ended: ${words}.`);
    this.#refusal = failure !== undefined && failure === this.#undrained ? withoutTurn(failure) : this.#failure;
    this.#signal.abort(this.#failure);
    return Object.freeze({ reason, ...(failure === undefined ? {} : { error: failure }), ...known });
  }

  #reasonOf(error: Error | undefined, byItself: boolean, isDraining: boolean): PipeEnding['reason'] {
    if (error !== undefined) return isExit(error) ? 'exit' : 'crash';
    if (this.#undrained !== undefined || (byItself && isDraining)) return 'upstreamFailure';
    return 'stop';
  }
}

function isExit(error: unknown): boolean {
  return isKinactError(error) && error.code === 'PIPE_EXITED';
}

/** The pipe has not drained in time, and this call had not begun. */
function withoutTurn(cause: Error): KinactError {
  const text = `the call had no turn, and nothing of it was fed: ${cause.message}`;
  return new KinactError('PIPE_TIMEOUT', text, { cause, data: { outcomeUnknown: false } });
}

function overdue(text: string, outcomeUnknown: boolean, data: { readonly offset?: number } = {}): KinactError {
  return new KinactError('PIPE_TIMEOUT', text, { retryable: !outcomeUnknown, data: { ...data, outcomeUnknown } });
}
