// Makes one attempt, bounded in time, of one DynamoDB operation. Invariant: a call sends at most one request and ends within
// `requestTimeoutMs`, whatever client is used. So the caller always knows which writes may have happened.
import {
  DynamoDBClient,
  type $Command,
  type DynamoDBClientConfig,
  type DynamoDBClientResolvedConfig,
  type ServiceInputTypes,
  type ServiceOutputTypes,
} from '@aws-sdk/client-dynamodb';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { KinactError } from '../../api/errors.js';
import type { Clock, Timers } from '../../api/ports.js';
import { classifyAwsError, type AwsCall, type AwsFailure } from '../aws-errors.js';
import { oneAttempt } from '../one-attempt.js';

/**
 * A DynamoDB client that users may pass in: it has the shape of the SDK's, whichever copy of the package made it. kinact makes
 * one attempt per call, whatever the client's `maxAttempts`, because an internal retry would hide a write whose reply was lost.
 * kinact gives up a call after a third of `failoverMs`. The client should use keep-alive HTTP/1.1, with time limits below that. A
 * client that runs no SDK middleware (a stub) must not retry.
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
      /** The answer's `Date` header; the wall clock if there is none (a stub). Epoch milliseconds. */
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
  /** How long one call may take before it fails with an unknown outcome. Milliseconds. */
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
      // `requestTimeout` ends with the response's head; `socketTimeout` bounds a body that stalls.
      socketTimeout: requestTimeoutMs,
      throwOnRequestTimeout: true,
    }),
  });
}

/** Wraps a client. It does not close the client: the code that opened it does. */
export function dynamoDbCaller(options: DynamoDbCallerOptions): DynamoDbCaller {
  const { clock, timers, requestTimeoutMs } = options;
  // The only cast from the structural type to the SDK's; only `send` is used.
  const client = options.client as unknown as Pick<DynamoDBClient, 'send'>;

  async function attempt<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
    command: DynamoDbCommand<Input, Output>,
    call: Omit<AwsCall, 'service'>,
    signal: AbortSignal,
  ): Promise<Attempt<Output>> {
    const awsCall: AwsCall = { ...call, service: 'dynamodb' };
    // Nothing was sent yet, so the outcome of an earlier abort is known.
    if (signal.aborted)
      return failed(new KinactError('STOPPED', `dynamodb:${call.operation} was not begun: aborted`), awsCall);
    const limits = { signal, timers, timeoutMs: requestTimeoutMs };
    const { output, failure, seen } = await oneAttempt(command, limits, (abortSignal) =>
      client.send(command, { abortSignal }),
    );
    if (failure !== undefined) return failed(failure.cause, awsCall);
    return { type: 'answered', output: withoutNulls(output), serviceTimeMs: seen.dateMs ?? clock.wallNow() };
  }

  return {
    attempt,
    async call(command, call, signal) {
      const result = await attempt(command, call, signal);
      if (result.type === 'failed') throw result.failure.error;
      return result;
    },
  };
}

/** The answer without null members, which some clients return and others leave out. lease-row.ts handles the rows. */
function withoutNulls<Output>(output: Output | undefined): Output {
  const present = Object.entries(output ?? {}).filter(([, member]) => member !== null && member !== undefined);
  return Object.fromEntries(present) as Output;
}

/** The item in an answer of GetItem; undefined if there is none. Throws if the item has no attributes. */
export function itemIn<Item extends object>(
  output: { readonly Item?: Item | undefined },
  table: string,
): Item | undefined {
  if (output.Item === undefined || Object.keys(output.Item).length > 0) return output.Item;
  throw badAnswer('GetItem', 'an item without attributes', table);
}

/** The error for an answer that the service's model does not allow. The next answer may be right, so it is retryable. */
export function badAnswer(operation: string, flaw: string, table: string): KinactError {
  return new KinactError('AWS_ERROR', `dynamodb:${operation} was answered with ${flaw}`, {
    retryable: true,
    data: { operation: `dynamodb:${operation}`, table },
  });
}

function failed(cause: unknown, call: AwsCall): { type: 'failed'; failure: AwsFailure; cause: unknown } {
  return { type: 'failed', failure: classifyAwsError(cause, call), cause };
}
