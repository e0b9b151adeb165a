// A real HTTP/1.1 server on loopback that speaks the JSON protocols of Kinesis and DynamoDB and answers what a test tells
// it to. Untold, Kinesis calls go to a small in-memory model and DynamoDB calls to an upstream server, if one is given.
// It shows what no local server does: throttling, partial failures, lost replies, trimmed data, connections that hang.
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { localClientConfig, type LocalClientConfig } from './local-servers.js';
import {
  AwsAnswerError,
  errorAnswer,
  jsonAnswer,
  reset,
  write,
  type CarryOut,
  type ScriptedAnswer,
  type WireAnswer,
} from './scripted-answer.js';
import { ScriptedKinesis, type ScriptedKinesisOptions } from './scripted-kinesis.js';

export interface ScriptedServerOptions {
  /** How the in-memory Kinesis behaves. */
  readonly kinesis?: ScriptedKinesisOptions;
  /**
   * Calls that no script answers go on to a server of one's own, such as `startLocalServers().dynamodb`; faults can be laid
   * over them. `services` default to DynamoDB alone.
   */
  readonly proxy?: { readonly upstream: string; readonly services?: readonly ('dynamodb' | 'kinesis')[] };
  /** After this long a `hang` ends with a reset, so that a forgotten one cannot hold a test run. Default 60,000. */
  readonly hangLimitMs?: number;
  /** Deadline of the clients in `clientConfig`. Default 5,000. */
  readonly requestTimeoutMs?: number;
}

/** One call the server has received. */
export interface LoggedCall {
  readonly service: 'kinesis' | 'dynamodb' | 'streams' | 'unknown';
  readonly operation: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- whatever the client sent
  readonly input: Record<string, any>;
  /** Monotonic milliseconds (performance.now) at which its body had arrived. */
  readonly at: number;
  /** The connection it came on, counted from 1. */
  readonly connection: number;
  /** `default`, or the type of the scripted answer. */
  readonly answeredBy: 'default' | ScriptedAnswer['type'];
}

/** A running order: `remaining` counts down, `cancel()` ends it early. */
export interface Script {
  readonly remaining: number;
  cancel(): void;
}

export interface ScriptedServer {
  /** The endpoint for Kinesis and DynamoDB alike, `http://127.0.0.1:…`. */
  readonly url: string;
  /** The in-memory Kinesis: put, split, merge, trim, expire iterators, move its clock. */
  readonly kinesis: ScriptedKinesis;
  readonly clientConfig: LocalClientConfig;
  /** Every call, in order of arrival. */
  readonly log: readonly LoggedCall[];
  /** Connections that are open now. */
  readonly connections: number;
  /**
   * The next `times` calls of `operation` (that `when` accepts) get this answer. Orders for one operation are used up in the
   * order they were given. `Infinity` is a number, too.
   */
  respond(
    operation: string,
    times: number,
    answer: ScriptedAnswer,
    when?: (input: LoggedCall['input']) => boolean,
  ): Script;
  /** Calls of one operation. */
  calls(operation: string): readonly LoggedCall[];
  count(operation: string): number;
  /** Resolves once `operation` has been called `count` times in all. */
  called(operation: string, count: number): Promise<void>;
  /** The `Date` header of every answer: epoch milliseconds, `none` to leave it out, undefined for the model's clock. */
  setDate(date: number | 'none' | undefined): void;
  /** Closes the server and resets every connection. Idempotent. */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

interface Order {
  readonly operation: string;
  readonly answer: ScriptedAnswer;
  readonly when: (input: LoggedCall['input']) => boolean;
  remaining: number;
}

const services: Record<string, LoggedCall['service']> = {
  Kinesis_20131202: 'kinesis',
  DynamoDB_20120810: 'dynamodb',
  DynamoDBStreams_20120810: 'streams',
};

/** Starts a scripted server on a free port of 127.0.0.1. */
export async function scriptedServer(options: ScriptedServerOptions = {}): Promise<ScriptedServer> {
  const kinesis = new ScriptedKinesis(options.kinesis);
  const log: LoggedCall[] = [];
  const orders: Order[] = [];
  const waiters = new Set<() => void>();
  const stopping = new AbortController();
  const connectionNumbers = new WeakMap<object, number>();
  let connectionsSeen = 0;
  let connections = 0;
  let date: number | 'none' | undefined;

  const answer = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await collect(incoming);
    const [target, operation = ''] = String(incoming.headers['x-amz-target'] ?? '').split('.');
    const service = services[target ?? ''] ?? 'unknown';
    const input = parse(body);
    const order = orders.find((one) => one.remaining > 0 && one.operation === operation && one.when(input));
    if (order !== undefined) order.remaining -= 1;
    const answeredBy = order?.answer.type ?? 'default';
    const connection = connectionNumbers.get(incoming.socket) ?? 0;
    log.push({ service, operation, input, at: performance.now(), connection, answeredBy });
    for (const wake of waiters) wake();
    response.sendDate = false;
    if (date !== 'none') response.setHeader('date', new Date(date ?? kinesis.now()).toUTCString());
    response.setHeader('x-amzn-requestid', `scripted-${log.length}`);
    const proxied =
      options.proxy !== undefined && (options.proxy.services ?? ['dynamodb']).includes(service as 'dynamodb');
    const carryOut = (given = input): Promise<WireAnswer> =>
      proxied ? forward(options.proxy!.upstream, incoming, body) : onModel(kinesis, service, operation, given);
    if (order === undefined) return write(response, await carryOut());
    return perform(order.answer, {
      input,
      carryOut,
      response,
      signal: stopping.signal,
      hangLimitMs: options.hangLimitMs ?? 60_000,
    });
  };

  const server = createServer((incoming, response) => {
    incoming.on('error', () => undefined);
    response.on('error', () => undefined);
    answer(incoming, response).catch(() => reset(response));
  });
  server.on('connection', (socket) => {
    connectionsSeen += 1;
    connections += 1;
    connectionNumbers.set(socket, connectionsSeen);
    socket.on('close', () => (connections -= 1));
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  server.unref();
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const clientConfig = localClientConfig(url, options.requestTimeoutMs);

  const stop = async (): Promise<void> => {
    clientConfig.requestHandler.destroy();
    stopping.abort();
    if (!server.listening) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  };
  const calls = (operation: string): LoggedCall[] => log.filter((call) => call.operation === operation);
  return {
    url,
    kinesis,
    clientConfig,
    log,
    get connections() {
      return connections;
    },
    respond: (operation, times, scripted, when = () => true) => {
      const order: Order = { operation, answer: scripted, when, remaining: times };
      orders.push(order);
      return {
        get remaining() {
          return order.remaining;
        },
        cancel: () => (order.remaining = 0),
      };
    },
    calls,
    count: (operation) => calls(operation).length,
    called: (operation, count) =>
      new Promise((resolve) => {
        const wake = (): void => {
          if (calls(operation).length < count) return;
          waiters.delete(wake);
          resolve();
        };
        waiters.add(wake);
        wake();
      }),
    setDate: (to) => (date = to),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

interface Performance {
  readonly input: LoggedCall['input'];
  readonly carryOut: (given?: LoggedCall['input']) => Promise<WireAnswer>;
  readonly response: ServerResponse;
  readonly signal: AbortSignal;
  readonly hangLimitMs: number;
}

/** Gives a scripted answer. */
async function perform(scripted: ScriptedAnswer, call: Performance): Promise<void> {
  const { carryOut, response, signal } = call;
  switch (scripted.type) {
    case 'json': {
      const body = scripted.body;
      return write(response, jsonAnswer(typeof body === 'function' ? body(call.input as never) : body));
    }
    case 'error': {
      const { code, message = 'scripted', status, members } = scripted;
      return write(response, errorAnswer(new AwsAnswerError(code, message, status, members)));
    }
    case 'raw': {
      const headers = { 'content-type': 'application/x-amz-json-1.1', ...scripted.headers };
      return write(response, { status: scripted.status ?? 200, headers, body: Buffer.from(scripted.body) });
    }
    case 'reset':
      return reset(response);
    case 'hang':
      await pause(call.hangLimitMs, response, signal);
      return reset(response);
    case 'dropReply':
      await carryOut();
      return reset(response);
    case 'delay': {
      const answer = await carryOut();
      await pause(scripted.ms, response, signal);
      return write(response, answer);
    }
    case 'slowBody': {
      const answer = await carryOut();
      await write(response, answer, pause(scripted.ms ?? call.hangLimitMs, response, signal));
      return undefined;
    }
    case 'failRecords':
      return write(response, await failRecords(scripted, call.input, carryOut));
  }
}

async function failRecords(
  scripted: Extract<ScriptedAnswer, { type: 'failRecords' }>,
  input: LoggedCall['input'],
  carryOut: Performance['carryOut'],
): Promise<WireAnswer> {
  const records = input['Records'] as unknown[];
  const failing = new Set(scripted.indices.filter((index) => index < records.length));
  const accepted = records.filter((_, index) => !failing.has(index));
  const carried = await carryOut({ ...input, Records: accepted });
  if (carried.status !== 200) return carried;
  const results = (JSON.parse(carried.body.toString()) as { Records: object[] }).Records;
  const code = scripted.code ?? 'ProvisionedThroughputExceededException';
  const merged = records.map((_, index) =>
    failing.has(index) ? { ErrorCode: code, ErrorMessage: 'scripted' } : results.shift(),
  );
  return jsonAnswer({ FailedRecordCount: failing.size, Records: merged });
}

/** Ends after `ms`, or as soon as the client leaves or the server stops. */
function pause(ms: number, response: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      response.off('close', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    response.once('close', done);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted || response.destroyed) done();
  });
}

async function onModel(
  kinesis: ScriptedKinesis,
  service: LoggedCall['service'],
  operation: string,
  input: LoggedCall['input'],
): ReturnType<CarryOut> {
  try {
    if (service !== 'kinesis') throw new AwsAnswerError('UnknownOperationException', `No script answers ${operation}.`);
    return jsonAnswer(kinesis.handle(operation, input), 200, { 'content-type': 'application/x-amz-json-1.1' });
  } catch (error) {
    if (error instanceof AwsAnswerError) return errorAnswer(error);
    return errorAnswer(new AwsAnswerError('InternalFailure', String(error), 500));
  }
}

/** Sends the call on as it came and returns the answer whole. */
function forward(upstream: string, incoming: IncomingMessage, body: Buffer): Promise<WireAnswer> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(upstream);
    const headers = { ...incoming.headers, host: `${hostname}:${port}`, connection: 'close' };
    const outgoing = httpRequest({ hostname, port, method: 'POST', path: '/', headers }, (answer) => {
      collect(answer).then((answered) => {
        const type = answer.headers['content-type'] ?? 'application/x-amz-json-1.0';
        const crc = answer.headers['x-amz-crc32'];
        const kept = { 'content-type': type, ...(typeof crc === 'string' ? { 'x-amz-crc32': crc } : {}) };
        resolve({ status: answer.statusCode ?? 500, headers: kept, body: answered });
      }, reject);
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

async function collect(stream: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

function parse(body: Buffer): LoggedCall['input'] {
  try {
    return JSON.parse(body.toString()) as LoggedCall['input'];
  } catch {
    return {};
  }
}
