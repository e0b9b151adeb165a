// Runs the `run` effects of one actor, each under an AbortSignal. The host (`incarnation.ts`) turns results into messages, and
// drops results that come after its actor has stopped. A stop waits for user effects.
import { isThenable } from '../src/core/callback.js';
import { invalidBehaviour } from './behaviour-check.js';

/** The description of a `run` effect, for `status()` and `Intercept.startEffect`. */
export interface EffectInfo {
  /** The name that the actor gave it. */
  readonly name: string;
  /** `user`: a call of application code, which a stop waits for. */
  readonly kind: 'io' | 'user';
  /** Aborts when the result is no longer wanted. */
  readonly signal: AbortSignal;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
}

/** A `run` effect as `effect-interpreter.ts` passes it, with its types erased. */
export interface Work {
  readonly name: string;
  readonly kind: 'io' | 'user';
  readonly start: (signal: AbortSignal) => unknown;
  readonly done: (result: never) => unknown;
  readonly failed: (error: unknown) => unknown;
}

export interface EffectHost {
  now(): number;
  /** Calls `start`, unless an intercept replaces it. */
  start(info: EffectInfo, start: () => unknown): unknown;
  /** Called once per effect, after it has left `running`. `toMessage` may throw. */
  settled(info: EffectInfo, toMessage: () => unknown): void;
}

export interface ActorEffects {
  /** Throws INVALID_BEHAVIOUR when an effect of this name is running. */
  start(work: Work): void;
  /**
   * Only aborts the signal. The effect stays until it has ended, and its result still arrives. Returns false if no running effect has the
   * name.
   */
  abort(name: string, reason: Error): boolean;
  abortAll(reason: Error): void;
  readonly running: ReadonlyMap<string, EffectInfo>;
  /** Names of the user effects that have not ended. */
  user(): string[];
  readonly userCount: number;
}

/** Checks the signal first: an intercept may start the effect late, and a listener may just have stopped the actor. */
function startUnlessAborted(work: Work, signal: AbortSignal): unknown {
  signal.throwIfAborted();
  return work.start(signal);
}

export function createActorEffects(host: EffectHost): ActorEffects {
  const running = new Map<string, EffectInfo & { readonly controller: AbortController }>();
  let userCount = 0;

  const startWork = (work: Work): void => {
    if (running.has(work.name)) {
      throw invalidBehaviour(`effect '${work.name}' was started while one of that name is running`);
    }

    const controller = new AbortController();
    const { name, kind } = work;
    const entry = { name, kind, signal: controller.signal, startedAt: host.now(), controller };
    running.set(name, entry);
    if (kind === 'user') userCount += 1;

    const removeEntry = (): void => {
      running.delete(name);
      if (kind === 'user') userCount -= 1;
    };
    const succeed = (result: unknown): void => {
      removeEntry();
      host.settled(entry, () => work.done(result as never));
    };
    const fail = (error: unknown): void => {
      removeEntry();
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
    start: startWork,
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
