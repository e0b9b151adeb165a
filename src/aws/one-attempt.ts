// Makes one attempt, bounded in time, of one SDK operation, with any client. Invariant: at most one request is sent. The call ends in time
// even if a body stalls or the client ignores its signal.
import type { Timers } from '../api/ports.js';

/** Carries the first failure past the SDK's retry loop. It is not in `cause`, because the SDK looks there and would retry. */
class OneAttempt extends Error {
  readonly failure: unknown;
  constructor(failure: unknown) {
    super('one attempt only');
    this.failure = failure;
  }
}

/** The part of an SDK command that is used here: the middleware layers that are added for this one call. */
export interface LayeredCommand {
  readonly middlewareStack: {
    add(layer: Layer, options: object): void;
    addRelativeTo(layer: Layer, options: object): void;
  };
}

type Layer = (next: (args: never) => Promise<unknown>) => (args: never) => Promise<unknown>;

/** What an attempt saw of the answer, whether a success or a refusal. */
export interface Observation {
  /** The answer's `Date` header, epoch milliseconds. */
  dateMs?: number;
}

/**
 * Runs `send` once. Never rejects: `failure` has the error that the client threw, an `AbortError` once `signal` aborts, or a
 * `TimeoutError` after `timeoutMs`.
 */
export async function oneAttempt<Output>(
  command: object,
  limits: { readonly signal: AbortSignal; readonly timers: Timers; readonly timeoutMs: number },
  send: (signal: AbortSignal) => Promise<Output>,
): Promise<{ readonly output?: Output; readonly failure?: { readonly cause: unknown }; readonly seen: Observation }> {
  const seen: Observation = {};
  if (limits.signal.aborted) return { failure: { cause: named('AbortError', 'aborted before it was begun') }, seen };
  if (isLayered(command)) observe(command, seen);
  try {
    return { output: await bounded(limits.signal, limits.timers, limits.timeoutMs, send), seen };
  } catch (thrown) {
    return { failure: { cause: thrown instanceof OneAttempt ? thrown.failure : thrown }, seen };
  }
}

function isLayered(command: object): command is LayeredCommand {
  return 'middlewareStack' in command;
}

function observe(command: LayeredCommand, seen: Observation): void {
  // This layer runs between retrying and signing. The signer must see the original errors, because it corrects clock skew with
  // them.
  command.middlewareStack.addRelativeTo(
    (next) => async (args) => {
      try {
        return await next(args);
      } catch (failure) {
        throw new OneAttempt(failure);
      }
    },
    { name: 'kinactOneAttempt', relation: 'after', toMiddleware: 'retryMiddleware', override: true },
  );

  command.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const dateMs = dateOf((result as { readonly response?: unknown }).response);
      if (dateMs !== undefined) seen.dateMs = dateMs;
      return result;
    },
    { name: 'kinactServiceTime', step: 'deserialize', priority: 'low', override: true },
  );
}

/** The three forms of a date in HTTP have 33 characters at most. */
const maxDateCharacters = 64;

function dateOf(response: unknown): number | undefined {
  const headers = (response as { readonly headers?: Readonly<Record<string, unknown>> } | undefined)?.headers;
  const date = headers?.['date'] ?? headers?.['Date'];
  const ms = typeof date === 'string' && date.length <= maxDateCharacters ? Date.parse(date) : Number.NaN;
  return Number.isFinite(ms) ? ms : undefined;
}

async function bounded<Output>(
  signal: AbortSignal,
  timers: Timers,
  timeoutMs: number,
  run: (signal: AbortSignal) => Promise<Output>,
): Promise<Output> {
  const controller = new AbortController();
  let fail: (error: Error) => void = () => undefined;
  const ended = new Promise<never>((_, reject) => {
    fail = reject;
  });
  // A rejection of `ended` must not be reported as unhandled, even if `run` throws before the race begins.
  ended.catch(() => undefined);

  const end = (name: string, message: string): void => {
    fail(named(name, message));
    controller.abort();
  };

  const onAbort = (): void => end('AbortError', 'aborted');
  signal.addEventListener('abort', onAbort, { once: true });
  const cancel = timers.after(timeoutMs, () => end('TimeoutError', `no answer within ${timeoutMs} ms`));
  try {
    return await Promise.race([ended, run(controller.signal)]);
  } finally {
    cancel();
    signal.removeEventListener('abort', onAbort);
  }
}

function named(name: string, message: string): Error {
  return Object.assign(new Error(message), { name });
}
