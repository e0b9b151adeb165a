// A real server on loopback, of HTTP/1.1 and HTTP/2, for the JSON protocols of Kinesis, DynamoDB and DynamoDB Streams, with answers
// that a test scripts. Without a script, calls go to small in-memory models: Kinesis, and tables with change streams. DynamoDB calls
// for any other table go to an upstream server, if one is given. It simulates what no local server shows: throttling, partial
// failures, lost replies, trimmed data, connections that hang.
import { request as httpRequest } from 'node:http';
import type { Readable } from 'node:stream';
import { finite, oneOf, resolveTable, type Resolved } from '../../options/option-table.js';
import type { ScriptedServerOptions } from '../generated/scripted-server-options.js';
import { localClientConfig, type LocalClientConfig } from '../local-servers.js';
import { AwsAnswerError } from './answer-errors.js';
import {
  errorAnswer,
  jsonAnswer,
  sendScripted,
  write,
  type ScriptedAnswer,
  type WireAnswer,
} from './scripted-answer.js';
import { createScriptBook, type LoggedCall, type Script, type ScriptBook } from './script-book.js';
import { scriptedServerTable } from '../option-tables.js';
import { scriptedConnections, type Incoming, type Outgoing, type ScriptedConnections } from './scripted-connections.js';
import { ScriptedKinesis } from './scripted-kinesis.js';
import { ScriptedTables } from './scripted-tables.js';
import type { ScriptedSubscription } from './scripted-subscriptions.js';
import {
  faultNames,
  subscriptionStream,
  type SubscriptionFault,
  type SubscriptionStream,
} from './subscription-stream.js';

/** Kinesis, DynamoDB and DynamoDB Streams on loopback, with answers that a test scripts. Made by `scriptedServer`. */
export interface ScriptedServer {
  /** The endpoint for Kinesis, DynamoDB and DynamoDB Streams, `http://127.0.0.1:…`. */
  readonly url: string;
  /** The in-memory Kinesis: put, split, merge, scale, trim, expire iterators, see open subscriptions, move its clock. */
  readonly kinesis: ScriptedKinesis;
  /**
   * The in-memory DynamoDB tables with change streams: put, roll shards over, trim, list late, move their clock. A table that
   * was created here, or by a CreateTable call with a StreamSpecification, is one of them. Calls for any other table go to the
   * server behind `proxy`. Without a `proxy`, all tables are here; there is no Scan, so lease tables cannot be.
   */
  readonly tables: ScriptedTables;
  /** The configuration of SDK clients for all services. */
  readonly clientConfig: LocalClientConfig;
  /** Every call, in order of arrival. */
  readonly log: readonly LoggedCall[];
  /** Connections that are open now. */
  readonly connections: number;
  /**
   * The next `times` calls of `operation` (that `when` accepts) get this answer. Answers for one operation are used in the
   * order in which they were given. `times` may be `Infinity`. Kinesis and DynamoDB Streams share some names: `streams:GetRecords`
   * means only the operation of DynamoDB Streams, `kinesis:GetRecords` only that of Kinesis. `calls`, `count` and `called` know
   * these names, too.
   */
  respond(
    operation: string,
    times: number,
    answer: ScriptedAnswer,
    when?: (input: LoggedCall['input']) => boolean,
  ): Script;
  /**
   * Breaks the open subscriptions that `which` accepts, all by default, in this way. Returns how many there were.
   *
   * @example
   * ```ts
   * import { scriptedServer } from 'kinact/testing';
   *
   * await using server = await scriptedServer();
   * server.breakSubscriptions({ fault: 'stall' }, ({ shardId }) => shardId === 'shardId-000000000001');
   * ```
   */
  breakSubscriptions(fault: SubscriptionFault, which?: (subscription: ScriptedSubscription) => boolean): number;
  /** Calls of one operation. */
  calls(operation: string): readonly LoggedCall[];
  /** How many calls of one operation there were. */
  count(operation: string): number;
  /** Resolves once `operation` has been called `count` times in total. */
  called(operation: string, count: number): Promise<void>;
  /** Sets the `Date` header of every answer: epoch milliseconds, `none` to leave it out, undefined for the model's clock. */
  setDate(date: number | 'none' | undefined): void;
  /** Closes the server and resets every connection. Idempotent. */
  stop(): Promise<void>;
  /** Calls `stop` at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void>;
}

const services: Record<string, LoggedCall['service']> = {
  Kinesis_20131202: 'kinesis',
  DynamoDB_20120810: 'dynamodb',
  DynamoDBStreams_20120810: 'streams',
};

/**
 * Starts a scripted server on a free port of 127.0.0.1. It does not keep the process alive.
 *
 * @example
 * ```ts
 * import { scriptedServer } from 'kinact/testing';
 *
 * await using server = await scriptedServer();
 * server.kinesis.createStream('orders', 2);
 * server.respond('GetRecords', 3, { type: 'error', code: 'ProvisionedThroughputExceededException' });
 * await server.called('GetRecords', 4); // the three failures, and a read that succeeds
 * ```
 *
 * @throws KinactError INVALID_OPTION; the methods of the server throw it too.
 */
export async function scriptedServer(options: ScriptedServerOptions = {}): Promise<ScriptedServer> {
  const settings = resolveTable(scriptedServerTable, options, '');
  const state: ServerState = {
    settings,
    kinesis: new ScriptedKinesis(settings.kinesis),
    tables: new ScriptedTables(settings.tables),
    book: createScriptBook(),
    stopping: new AbortController(),
    connections: scriptedConnections((incoming, response) => {
      incoming.on('error', () => undefined);
      response.on('error', () => undefined);
      answerRequest(state, incoming, response).catch(() => state.connections.reset(response));
    }, settings.maxConcurrentStreams),
    streams: new Set(),
    date: undefined,
  };

  const url = `http://127.0.0.1:${await state.connections.listen()}`;
  const clientConfig = localClientConfig(url, settings.requestTimeoutMs);

  const stop = async (): Promise<void> => {
    clientConfig.requestHandler.destroy();
    state.stopping.abort();
    await state.connections.close();
  };

  const { log, respond, calls, called } = state.book;
  return {
    url,
    kinesis: state.kinesis,
    tables: state.tables,
    clientConfig,
    log,
    get connections() {
      return state.connections.open;
    },
    breakSubscriptions: (fault, which = () => true) => breakSubscriptions(state, fault, which),
    respond,
    calls,
    count: (operation) => calls(operation).length,
    called,
    setDate: (to) => {
      if (to !== undefined && to !== 'none') finite.parse(to, 'date');
      state.date = to;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

interface ServerState {
  readonly settings: Resolved<typeof scriptedServerTable>;
  readonly kinesis: ScriptedKinesis;
  readonly tables: ScriptedTables;
  readonly book: ScriptBook;
  readonly stopping: AbortController;
  readonly connections: ScriptedConnections;
  readonly streams: Set<SubscriptionStream>;
  date: number | 'none' | undefined;
}

async function answerRequest(state: ServerState, incoming: Incoming, response: Outgoing): Promise<void> {
  const { settings, kinesis, tables, book, date } = state;
  const body = await readBody(incoming);
  const [target, operation = ''] = String(incoming.headers['x-amz-target'] ?? '').split('.');
  const service = services[target ?? ''] ?? 'unknown';
  const input = parseInput(body);
  const connection = state.connections.numberOf(incoming);

  const scripted = book.takeAnswer({ service, operation, input, connection });

  const { proxy } = settings;
  const isOfTables = service === 'streams' || (service === 'dynamodb' && tables.owns(operation, input));
  response.sendDate = false;
  const now = isOfTables ? tables.now() : kinesis.now();
  if (date !== 'none') response.setHeader('date', new Date(date ?? now).toUTCString());
  response.setHeader('x-amzn-requestid', `scripted-${book.log.length}`);

  const carryOut = (given = input): Promise<WireAnswer> =>
    proxy !== undefined && !isOfTables && proxy.services.some((one) => one === service)
      ? forward(proxy.upstream, incoming, body)
      : service === 'kinesis' && operation === 'SubscribeToShard'
        ? subscribe(state, given, response)
        : callModel(state, service, operation, given);

  if (scripted === undefined) return write(response, await carryOut());
  const { signal } = state.stopping;
  return sendScripted(scripted, {
    input,
    carryOut,
    response,
    connections: state.connections,
    signal,
    hangLimitMs: settings.hangLimitMs,
  });
}

/** DynamoDB does not know these by its own target: a client of Kinesis or of DynamoDB Streams has the wrong endpoint. */
const streamsOnly: ReadonlySet<string> = new Set(['DescribeStream', 'GetRecords', 'GetShardIterator', 'ListStreams']);

async function callModel(
  { kinesis, tables }: ServerState,
  service: LoggedCall['service'],
  operation: string,
  input: LoggedCall['input'],
): Promise<WireAnswer> {
  try {
    if (service === 'unknown' || (service === 'dynamodb' && streamsOnly.has(operation)))
      throw new AwsAnswerError('UnknownOperationException', `No script answers ${operation}.`);
    const [model, version] = service === 'kinesis' ? [kinesis, '1.1'] : [tables, '1.0'];
    return jsonAnswer(model.handle(operation, input), 200, { 'content-type': `application/x-amz-json-${version}` });
  } catch (error) {
    return failure(error);
  }
}

function failure(error: unknown): WireAnswer {
  if (error instanceof AwsAnswerError) return errorAnswer(error);
  return errorAnswer(new AwsAnswerError('InternalFailure', String(error), 500));
}

/** Opens a subscription. It is held from now on, though not a byte of the answer has left. */
async function subscribe(state: ServerState, input: LoggedCall['input'], response: Outgoing): Promise<WireAnswer> {
  const { kinesis, connections, streams } = state;
  try {
    const host = {
      connections,
      now: () => kinesis.now(),
      lookEveryMs: kinesis.options.now === undefined ? longestTimerMs : ownClockMs,
    };
    const stream = subscriptionStream(kinesis.subscribe(input), response, host);
    streams.add(stream);
    response.once('close', () => streams.delete(stream));
    return {
      status: 200,
      headers: { 'content-type': 'application/vnd.amazon.eventstream' },
      body: Buffer.alloc(0),
      stream,
    };
  } catch (error) {
    return failure(error);
  }
}

const longestTimerMs = 2_147_483_647;
const ownClockMs = 50;

function breakSubscriptions(
  { streams }: ServerState,
  fault: SubscriptionFault,
  which: (subscription: ScriptedSubscription) => boolean,
): number {
  oneOf(...faultNames).parse(fault.fault, 'fault.fault');
  const broken = [...streams].filter((stream) => which(stream.subscription));
  for (const stream of broken) stream.break(fault);
  return broken.length;
}

/** Forwards the call unchanged. Resolves to the whole answer. */
function forward(upstream: string, incoming: Incoming, body: Buffer): Promise<WireAnswer> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(upstream);
    const named = Object.entries(incoming.headers).filter(([name]) => !name.startsWith(':')); // HTTP/2 has such headers
    const headers = { ...Object.fromEntries(named), host: `${hostname}:${port}`, connection: 'close' };
    const outgoing = httpRequest({ hostname, port, method: 'POST', path: '/', headers }, (answer) => {
      readBody(answer).then((answered) => {
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

async function readBody(stream: Readable): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

function parseInput(body: Buffer): LoggedCall['input'] {
  try {
    return JSON.parse(body.toString()) as LoggedCall['input'];
  } catch {
    return {};
  }
}
