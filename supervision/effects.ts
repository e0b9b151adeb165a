// The `run` effects of one actor: started under an AbortSignal, results returned through the host as messages. The host
// drops results that come after its actor stopped; a stop waits for user effects. Created by `incarnation.ts`.
import { isThenable } from '../src/core/callback.js';
import { invalidBehaviour } from './behaviour-check.js';

/** What is known of a `run` effect: shown by `status()`, given to `Intercept.startEffect`. */
export interface EffectInfo {
  readonly name: string;
  /** `user`: a call of application code, which a stop waits for. */
  readonly kind: 'io' | 'user';
  /** Aborts when the result is wanted no more. */
  readonly signal: AbortSignal;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
}

/** A `run` effect as the interpreter hands it over, with its types forgotten. */
export interface Work {
  readonly name: string;
  readonly kind: 'io' | 'user';
  readonly start: (signal: AbortSignal) => unknown;
  readonly done: (result: never) => unknown;
  readonly failed: (error: unknown) => unknown;
}

export interface EffectHost {
  now(): number;
  /** Calls `start`, or replaces it. */
  start(info: EffectInfo, start: () => unknown): unknown;
  /** Once per effect, after it has left the running ones. `toMessage` may throw. */
  settled(info: EffectInfo, toMessage: () => unknown): void;
}

export interface ActorEffects {
  /** Throws INVALID_BEHAVIOUR when an effect of this name is running. */
  start(work: Work): void;
  /**
   * Only aborts the signal: the effect stays until it has settled, and its result still comes. False when no effect has the
   * name.
   */
  abort(name: string, reason: Error): boolean;
  abortAll(reason: Error): void;
  readonly running: ReadonlyMap<string, EffectInfo>;
  /** Names of the user effects that have not settled. */
  user(): string[];
  readonly userCount: number;
}

/** An intercept may start it late, and a listener may have stopped its actor meanwhile. */
function startUnlessAborted(work: Work, signal: AbortSignal): unknown {
  signal.throwIfAborted();
  return work.start(signal);
}

export function createActorEffects(host: EffectHost): ActorEffects {
  const running = new Map<string, EffectInfo & { readonly controller: AbortController }>();
  let userCount = 0;

  const begin = (work: Work): void => {
    if (running.has(work.name)) {
      throw invalidBehaviour(`effect '${work.name}' was started while one of that name is running`);
    }
    const controller = new AbortController();
    const { name, kind } = work;
    const entry = { name, kind, signal: controller.signal, startedAt: host.now(), controller };
    running.set(name, entry);
    if (kind === 'user') userCount += 1;

    const over = (): void => {
      running.delete(name);
      if (kind === 'user') userCount -= 1;
    };
    const succeed = (result: unknown): void => {
      over();
      host.settled(entry, () => work.done(result as never));
    };
    const fail = (error: unknown): void => {
      over();
      host.settled(entry, () => work.failed(error));
    };
    let result: unknown;
    let waits: boolean;
    try {
      result = host.start(entry, () => startUnlessAborted(work, controller.signal));
      waits = isThenable(result);
    } catch (error) {
      fail(error);
      return;
    }
    if (waits) void Promise.resolve(result).then(succeed, fail);
    else succeed(result);
  };

  return {
    start: begin,
    abort(name, reason) {
      const entry = running.get(name);
      entry?.controller.abort(reason);
      return entry !== undefined;
    },
    abortAll(reason) {
      for (const entry of [...running.values()]) entry.controller.abort(reason);
    },
    running,
    user: () => [...running.values()].filter((entry) => entry.kind === 'user').map((entry) => entry.name),
    get userCount() {
      return userCount;
    },
  };
}
