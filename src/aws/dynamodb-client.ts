// One attempt, bounded in time, of one DynamoDB operation: what lies between the lease table's rules and the SDK.
// Invariant: a call puts at most one request on the wire and settles within `requestTimeoutMs`, whatever client was
// handed in, so that a caller always knows which writes may have happened.
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type {
  $Command,
  DynamoDBClientConfig,
  DynamoDBClientResolvedConfig,
  ServiceInputTypes,
  ServiceOutputTypes,
} from '@aws-sdk/client-dynamodb';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { KinactError } from '../errors.js';
import type { Clock, Timers } from '../ports.js';
import { classifyAwsError } from './aws-errors.js';
import type { AwsCall, AwsFailure } from './aws-errors.js';

/**
 * A DynamoDB client as it is accepted from users: the shape of the SDK's, whichever copy of the package made it.
 *
 * kinact makes one attempt per call whatever `maxAttempts` such a client has (a retry inside would hide a write whose
 * reply was lost), and gives a call up by itself after a third of `failoverMs`. The client should speak keep-alive
 * HTTP/1.1 and have time limits of its own below that. A client that runs no SDK middleware (a stub) must not retry.
 */
export interface DynamoDbClientLike {
  send(command: never, options?: never): Promise<unknown>;
  destroy?(): void;
}

/** Any command of the SDK's DynamoDB client. */
export type DynamoDbCommand<Input extends ServiceInputTypes, Output extends ServiceOutputTypes> = $Command<
  Input,
  Output,
  DynamoDBClientResolvedConfig,
  ServiceInputTypes,
  ServiceOutputTypes
>;

/** How one attempt ended. */
export type Attempt<Output> =
  | {
      readonly type: 'answered';
      readonly output: Output;
      /** The answer's `Date` header; the wall clock where there is none (a stub). Epoch milliseconds. */
      readonly serviceTimeMs: number;
    }
  | { readonly type: 'failed'; readonly failure: AwsFailure; readonly cause: unknown };

export interface DynamoDbCaller {
  /** One attempt; never rejects. */
  attempt<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
    command: DynamoDbCommand<Input, Output>,
    call: Omit<AwsCall, 'service'>,
    signal: AbortSignal,
  ): Promise<Attempt<Output>>;
  /** One attempt; rejects with the classified KinactError. */
  call<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
    command: DynamoDbCommand<Input, Output>,
    call: Omit<AwsCall, 'service'>,
    signal: AbortSignal,
  ): Promise<{ readonly output: Output; readonly serviceTimeMs: number }>;
}

export interface DynamoDbCallerOptions {
  readonly client: DynamoDbClientLike;
  readonly clock: Clock;
  readonly timers: Timers;
  /** How long one call may take before it fails, its outcome unknown. Milliseconds. */
  readonly requestTimeoutMs: number;
}

/**
 * Our own client: one attempt per call, keep-alive HTTP/1.1, no request longer than `requestTimeoutMs`. Region,
 * endpoint and credentials come from the usual AWS environment unless given.
 */
export function createDynamoDbClient(
  options: Pick<DynamoDBClientConfig, 'region' | 'endpoint' | 'credentials'> & { readonly requestTimeoutMs: number },
): DynamoDBClient {
  const { requestTimeoutMs, ...config } = options;
  return new DynamoDBClient({
    ...config,
    maxAttempts: 1,
    requestHandler: new NodeHttpHandler({
      connectionTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      // `requestTimeout` ends with the response's head; this one bounds a body that stalls.
      socketTimeout: requestTimeoutMs,
      throwOnRequestTimeout: true,
    }),
  });
}

/** Wraps a client. It is not closed by the caller: whoever opened it does that. */
export function dynamoDbCaller(options: DynamoDbCallerOptions): DynamoDbCaller {
  const { clock, timers, requestTimeoutMs } = options;
  // The one place where the structural type becomes the SDK's: `send` is all that is used of it.
  const client = options.client as unknown as Pick<DynamoDBClient, 'send'>;

  async function attempt<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
    command: DynamoDbCommand<Input, Output>,
    what: Omit<AwsCall, 'service'>,
    signal: AbortSignal,
  ): Promise<Attempt<Output>> {
    const call: AwsCall = { ...what, service: 'dynamodb' };
    // Nothing was sent yet, so an abort that came first has a known outcome.
    if (signal.aborted)
      return failed(new KinactError('STOPPED', `dynamodb:${call.operation} was not begun: aborted`), call);
    const seen: { dateMs?: number } = {};
    observe(command, seen);
    try {
      const output = await bounded(signal, timers, requestTimeoutMs, (abortSignal) =>
        client.send(command, { abortSignal }),
      );
      return { type: 'answered', output, serviceTimeMs: seen.dateMs ?? clock.wallNow() };
    } catch (thrown) {
      return failed(thrown instanceof OneAttempt ? thrown.failure : thrown, call);
    }
  }

  return {
    attempt,
    async call(command, what, signal) {
      const result = await attempt(command, what, signal);
      if (result.type === 'failed') throw result.failure.error;
      return result;
    },
  };
}

function failed(cause: unknown, call: AwsCall): { type: 'failed'; failure: AwsFailure; cause: unknown } {
  return { type: 'failed', failure: classifyAwsError(cause, call), cause };
}

/** Carries the first failure past the SDK's retry loop. Not as `cause`: the SDK looks into that and would retry. */
class OneAttempt extends Error {
  readonly failure: unknown;
  constructor(failure: unknown) {
    super('one attempt only');
    this.failure = failure;
  }
}

/** Puts two layers on this one command: no second attempt, and a note of the answer's `Date` header. */
function observe<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
  command: DynamoDbCommand<Input, Output>,
  seen: { dateMs?: number },
): void {
  // Between retrying and signing: the signer still sees errors as they are, for it corrects clock skew by them.
  command.middlewareStack.addRelativeTo(
    <Args, Result>(next: (args: Args) => Promise<Result>) =>
      async (args: Args): Promise<Result> => {
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
      const dateMs = dateOf(result.response);
      if (dateMs !== undefined) seen.dateMs = dateMs;
      return result;
    },
    { name: 'kinactServiceTime', step: 'deserialize', priority: 'low', override: true },
  );
}

function dateOf(response: unknown): number | undefined {
  const headers = (response as { readonly headers?: Readonly<Record<string, unknown>> } | undefined)?.headers;
  const date = headers?.['date'] ?? headers?.['Date'];
  const ms = typeof date === 'string' ? Date.parse(date) : Number.NaN;
  return Number.isFinite(ms) ? ms : undefined;
}

/** Runs a request until it settles, `signal` aborts or the time is up; a client deaf to its signal is left behind. */
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
  const end = (name: string, message: string): void => {
    fail(Object.assign(new Error(message), { name }));
    controller.abort();
  };
  const onAbort = (): void => end('AbortError', 'aborted');
  signal.addEventListener('abort', onAbort, { once: true });
  const cancel = timers.after(timeoutMs, () => end('TimeoutError', `no answer within ${timeoutMs} ms`));
  try {
    return await Promise.race([run(controller.signal), ended]);
  } finally {
    cancel();
    signal.removeEventListener('abort', onAbort);
  }
}
