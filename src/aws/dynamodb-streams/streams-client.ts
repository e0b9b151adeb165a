// Sends requests to DynamoDB Streams, by our own client or the user's. Each call is one attempt, bounded in time, and every failure is
// classified. The SDK is loaded with the first call.
import { KinactError } from '../../api/errors.js';
import type { Clock, Timers } from '../../api/ports.js';
import type { DynamodbStreamsClientLike } from '../../api/options.js';
import { classifyAwsError, type AwsFailure } from '../aws-errors.js';
import { httpHandler } from '../http-handler.js';
import { installFastGetRecords } from '../kinesis/get-records-answer.js';
import { oneAttempt } from '../one-attempt.js';
import { presentMembers } from '../present-members.js';
import { parseAnswer } from './changes-answer.js';
import { loadStreamsSdk, type StreamsClient, type StreamsSdk } from './streams-sdk.js';

/** How one attempt ended. `serviceTimeMs` is the answer's `Date` header, or the wall clock if there is none. */
export type StreamsAttempt<Output> =
  | { readonly type: 'answered'; readonly output: Partial<Output>; readonly serviceTimeMs: number }
  | { readonly type: 'failed'; readonly failure: AwsFailure };

export interface StreamsCall {
  readonly operation: 'DescribeStream' | 'GetShardIterator' | 'GetRecords';
  readonly shardId?: string;
}

export interface StreamsCaller {
  /** One attempt; never rejects. */
  attempt<Output>(
    call: StreamsCall,
    command: (sdk: StreamsSdk) => object,
    signal: AbortSignal,
  ): Promise<StreamsAttempt<Output>>;
  /** The client that is used. Rejects with PEER_MISSING if the package is not installed. */
  client(): Promise<Pick<StreamsClient, 'send' | 'config'>>;
  /** Closes the client, unless it is the user's. */
  close(): void;
}

export interface StreamsCallerOptions {
  /** The stream's ARN or the table's name as configured, for messages. */
  readonly stream: string;
  readonly region?: string | undefined;
  readonly client?: DynamodbStreamsClientLike | undefined;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly requestTimeoutMs: number;
  readonly load?: typeof loadStreamsSdk;
}

interface Opened {
  readonly sdk: StreamsSdk;
  readonly client: Pick<StreamsClient, 'send' | 'config'>;
}

export function streamsCaller(options: StreamsCallerOptions): StreamsCaller {
  const { stream, clock, timers, requestTimeoutMs, load = loadStreamsSdk } = options;
  // The only cast from the structural type to the SDK's; only `send` and `config` are used.
  const given = options.client as unknown as StreamsClient | undefined;
  let own: StreamsClient | undefined;
  let opening: Promise<Opened> | undefined;
  let isClosed = false;

  const open = async (): Promise<Opened> => {
    const sdk = await load();
    if (isClosed) throw new KinactError('STOPPED', 'The source was closed.');
    if (given === undefined) own = createStreamsClient(sdk, options);
    return { sdk, client: given ?? (own as StreamsClient) };
  };
  const opened = (): Promise<Opened> => {
    // A package that is missing now may be there at the next try.
    opening ??= open().catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
    return opening;
  };

  return {
    async attempt<Output>(
      call: StreamsCall,
      command: (sdk: StreamsSdk) => object,
      signal: AbortSignal,
    ): Promise<StreamsAttempt<Output>> {
      const failed = (cause: unknown): StreamsAttempt<Output> => ({
        type: 'failed',
        failure: classifyAwsError(cause, { ...call, service: 'dynamodb', stream }),
      });
      try {
        const { sdk, client } = await opened();
        const request = command(sdk);
        const { output, failure, seen } = await oneAttempt(
          request,
          { signal, timers, timeoutMs: requestTimeoutMs },
          (abortSignal) => client.send(request, { abortSignal }),
        );
        if (failure !== undefined) return failed(failure.cause);
        if (typeof output !== 'object' || output === null) {
          return failed(new SyntaxError('the client resolved without an answer'));
        }
        // changes-answer.ts checks the answers of GetRecords itself.
        const answer = call.operation === 'GetRecords' ? output : presentMembers(output);
        return { type: 'answered', output: answer as Partial<Output>, serviceTimeMs: seen.dateMs ?? clock.wallNow() };
      } catch (thrown) {
        return failed(thrown);
      }
    },
    client: async () => (await opened()).client,
    close() {
      isClosed = true;
      own?.destroy();
    },
  };
}

/** Our own client: keep-alive HTTP/1.1, one attempt per call, answers of GetRecords from their bytes. */
function createStreamsClient(
  { DynamoDBStreamsClient }: StreamsSdk,
  { region, requestTimeoutMs }: Pick<StreamsCallerOptions, 'region' | 'requestTimeoutMs'>,
): StreamsClient {
  const client = new DynamoDBStreamsClient({
    ...(region === undefined ? {} : { region }),
    maxAttempts: 1,
    requestHandler: httpHandler(requestTimeoutMs),
  });
  // This layer would filter every answer, record by record, for a logger that writes nothing.
  client.middlewareStack.remove('loggerMiddleware');
  installFastGetRecords(client, (parts, length) => parseAnswer(Buffer.concat(parts, length)));
  return client;
}
