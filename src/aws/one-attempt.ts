// One attempt, bounded in time, of one SDK operation, whatever client carries it out. Invariant: at most one request
// goes on the wire. The call settles within its time even when a body stalls or the client ignores its signal.
import type { Timers } from '../api/ports.js';

/** Carries the first failure past the SDK's retry loop. Not as `cause`: the SDK looks into that and would retry. */
class OneAttempt extends Error {
  readonly failure: unknown;
  constructor(failure: unknown) {
    super('one attempt only');
    this.failure = failure;
  }
}

/** As much of an SDK command as is used here: the layers that are laid on this one call. */
export interface LayeredCommand {
  readonly middlewareStack: {
    add(layer: Layer, options: object): void;
    addRelativeTo(layer: Layer, options: object): void;
  };
}

type Layer = (next: (args: never) => Promise<unknown>) => (args: never) => Promise<unknown>;

/** What an attempt saw of the answer, be it a success or a refusal. */
export interface Observation {
  /** The answer's `Date` header, epoch milliseconds. */
  dateMs?: number;
}

/**
 * Runs `send` once. Rejects with what the client threw, with `AbortError` once `signal` aborts, or with `TimeoutError`
 * after `timeoutMs`.
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
  // Between retrying and signing: the signer must see errors as they are, because it corrects clock skew by them.
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
const longestDate = 64;

function dateOf(response: unknown): number | undefined {
  const headers = (response as { readonly headers?: Readonly<Record<string, unknown>> } | undefined)?.headers;
  const date = headers?.['date'] ?? headers?.['Date'];
  const ms = typeof date === 'string' && date.length <= longestDate ? Date.parse(date) : Number.NaN;
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
  // The promise that loses the race must not be reported as unhandled, not even when `run` throws before there is a
  // race.
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
