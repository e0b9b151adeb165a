// Sends requests to Kinesis, by our own client or the user's. Each call is one attempt, bounded in time, and every failure is
// classified. This file also has the names of a stream in requests. Called by the polling source's parts, the producer and the
// stream's administration.
import {
  KinesisClient,
  type ServiceInputTypes,
  type ServiceOutputTypes,
  type KinesisClientResolvedConfig,
  type $Command,
  type KinesisClientConfig,
} from '@aws-sdk/client-kinesis';
import { KinactError } from '../../api/errors.js';
import type { Clock, Timers } from '../../api/ports.js';
import { classifyAwsError, type AwsFailure } from '../aws-errors.js';
import { installFastGetRecords } from './get-records-answer.js';
import type { RequestHandler } from './fan-out/http2-handler.js';
import { httpHandler } from '../http-handler.js';
import { oneAttempt } from '../one-attempt.js';
import { presentMembers } from '../present-members.js';

/**
 * A Kinesis client that users may pass in: it has the shape of the SDK's, whichever copy of the package made it. It should use
 * keep-alive HTTP/1.1 (`NodeHttpHandler`). kinact makes one attempt per call, whatever the client's `maxAttempts`, and gives up a
 * call after the request timeout.
 */
export interface KinesisClientLike {
  send(command: never, options?: never): Promise<unknown>;
  readonly config?: { readonly region?: unknown };
}

/** Any command of the SDK's Kinesis client. */
export type KinesisCommand<Input extends ServiceInputTypes, Output extends ServiceOutputTypes> = $Command<
  Input,
  Output,
  KinesisClientResolvedConfig,
  ServiceInputTypes,
  ServiceOutputTypes
>;

/** How one attempt ended. `serviceTimeMs` is the answer's `Date` header, or the wall clock if there is none. */
export type KinesisAttempt<Output> =
  | { readonly type: 'answered'; readonly output: Output; readonly serviceTimeMs: number }
  | { readonly type: 'failed'; readonly failure: AwsFailure; readonly serviceTimeMs: number };

export interface KinesisCaller {
  /** One attempt of at most `timeoutMs` (default: the request timeout); never rejects. */
  attempt<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
    command: KinesisCommand<Input, Output>,
    call: { readonly operation: string; readonly shardId?: string; readonly timeoutMs?: number },
    signal: AbortSignal,
  ): Promise<KinesisAttempt<Output>>;
  /** One attempt; rejects with the classified KinactError. */
  call<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
    command: KinesisCommand<Input, Output>,
    call: { readonly operation: string },
    signal: AbortSignal,
  ): Promise<{ readonly output: Output; readonly serviceTimeMs: number }>;
}

/**
 * Our own client: keep-alive HTTP/1.1, one attempt per call, the fast path for GetRecords. `requestHandler`: another one, for a
 * client that subscribes.
 */
export function createKinesisClient(
  options: Pick<KinesisClientConfig, 'region'> & {
    readonly requestTimeoutMs: number;
    readonly requestHandler?: RequestHandler;
  },
): KinesisClient {
  const { requestTimeoutMs, requestHandler, ...config } = options;
  const client = new KinesisClient({
    ...config,
    maxAttempts: 1,
    requestHandler: requestHandler ?? httpHandler(requestTimeoutMs),
  });
  // This layer would filter every answer, record by record, for a logger that writes nothing.
  client.middlewareStack.remove('loggerMiddleware');
  installFastGetRecords(client);
  return client;
}

/** Wraps a client. It does not close the client: the code that opened it does. */
export function kinesisCaller(options: {
  readonly client: KinesisClientLike;
  /** The stream's name or ARN as configured, for messages. */
  readonly stream: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly requestTimeoutMs: number;
}): KinesisCaller {
  const { stream, clock, timers, requestTimeoutMs } = options;
  // The only cast from the structural type to the SDK's; only `send` is used.
  const client = options.client as unknown as Pick<KinesisClient, 'send'>;

  const attempt: KinesisCaller['attempt'] = async (command, { timeoutMs = requestTimeoutMs, ...call }, signal) => {
    const limits = { signal, timers, timeoutMs };
    const { output, failure, seen } = await oneAttempt(command, limits, (abortSignal) =>
      client.send(command, { abortSignal }),
    );
    const serviceTimeMs = seen.dateMs ?? clock.wallNow();
    if (output !== undefined && output !== null) {
      // GetRecords returns records by the thousand; get-records-answer.ts checks them as carefully.
      const answer = call.operation === 'GetRecords' ? output : (presentMembers(output) as typeof output);
      return { type: 'answered', output: answer, serviceTimeMs };
    }
    const cause = failure?.cause ?? new SyntaxError('the client resolved without an answer');
    return { type: 'failed', failure: classifyAwsError(cause, { ...call, service: 'kinesis', stream }), serviceTimeMs };
  };
  return {
    attempt,
    async call(command, call, signal) {
      const result = await attempt(command, call, signal);
      if (result.type === 'failed') throw result.failure.error;
      return result;
    },
  };
}

/** The members by which a request names the stream: both if the ARN is known, because local servers know only the name. */
export interface StreamNames {
  readonly StreamName: string;
  readonly StreamARN?: string;
}

/**
 * Name, ARN and region from the user's options. Throws INVALID_OPTION unless exactly one of `streamName` and `streamArn` is
 * given.
 */
export function streamNames(options: {
  readonly streamName?: string | undefined;
  readonly streamArn?: string | undefined;
}): {
  readonly configured: string;
  readonly names: StreamNames;
  readonly arnRegion?: string;
} {
  const { streamName, streamArn } = options;
  if (streamArn === undefined) {
    if (streamName === undefined || streamName === '') {
      throw new KinactError('INVALID_OPTION', 'kinesisStream: expected streamName or streamArn, got neither', {
        data: { option: 'streamName' },
      });
    }
    return { configured: streamName, names: { StreamName: streamName } };
  }

  const parts = /^arn:[^:]+:kinesis:([^:]+):\d*:stream\/([a-zA-Z0-9_.-]+)$/.exec(streamArn);
  if (parts === null || streamName !== undefined) {
    const message =
      parts === null
        ? `streamArn: expected arn:aws:kinesis:<region>:<account>:stream/<name>, got '${streamArn}'`
        : 'kinesisStream: expected streamName or streamArn, got both';
    throw new KinactError('INVALID_OPTION', message, { data: { option: 'streamArn' } });
  }
  return { configured: streamArn, names: { StreamName: parts[2]!, StreamARN: streamArn }, arnRegion: parts[1]! };
}

/**
 * Rejects with WRONG_REGION if the client's region is known and is not the ARN's. If the client's region provider fails or does
 * not answer, the request will ask it too, and report why.
 */
export async function checkRegion(
  client: KinesisClientLike,
  { arnRegion, stream }: { readonly arnRegion: string | undefined; readonly stream: string },
  limits: { readonly signal: AbortSignal; readonly timers: Timers; readonly timeoutMs: number },
): Promise<void> {
  if (arnRegion === undefined) return;

  const configured = client.config?.region;
  const ask = async (): Promise<unknown> => (configured as () => unknown)();
  const region = typeof configured === 'function' ? (await oneAttempt({}, limits, ask)).output : configured;

  if (typeof region !== 'string' || region === arnRegion) return;
  const message = `Stream '${stream}' is in ${arnRegion}, but the client is configured for ${region}. Set region to ${arnRegion}.`;
  throw new KinactError('WRONG_REGION', message, { data: { stream } });
}
