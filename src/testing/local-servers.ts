// Real local servers for tests and demos: kinesalite and dynalite in one worker thread, on loopback and free ports. Both
// packages are optional peers. The servers run in their own thread, because a client that aborts a request makes them throw out
// of an event handler. That must not end the test process.
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { httpHandler, type NodeHttpHandler } from '../aws/http-handler.js';
import { KinactError } from '../api/errors.js';
import { resolveTable } from '../options/option-table.js';
import type { LocalServersOptions } from './generated/local-servers-options.js';
import { localServersTable } from './option-tables.js';

/** The configuration of an SDK client, version 3, for a local server: `new KinesisClient(servers.clientConfig.kinesis)`. */
export interface LocalClientConfig {
  /** A region that exists; the servers have only one. */
  readonly region: string;
  /** The address of the server, `http://127.0.0.1:…`. */
  readonly endpoint: string;
  /** Any credentials will do: the servers check no signature. */
  readonly credentials: {
    /** Always `local`. */
    readonly accessKeyId: string;
    /** Always `local`. */
    readonly secretAccessKey: string;
  };
  /** Keep-alive HTTP/1.1 with a deadline per request. Of these servers only `scriptedServer` also takes the SDK's default, HTTP/2. */
  readonly requestHandler: NodeHttpHandler;
}

/** Running servers. They stop with `stop()`, or at the end of an `await using` block. */
export interface LocalServers {
  /** The Kinesis endpoint, `http://127.0.0.1:…`. */
  readonly kinesis: string;
  /** The DynamoDB endpoint, `http://127.0.0.1:…`. */
  readonly dynamodb: string;
  /** For SDK clients of the two servers: `new KinesisClient(servers.clientConfig.kinesis)`. */
  readonly clientConfig: {
    /** For a `KinesisClient`. */
    readonly kinesis: LocalClientConfig;
    /** For a `DynamoDBClient`. */
    readonly dynamodb: LocalClientConfig;
  };
  /** Stops both servers, deletes their data, and closes the sockets of `clientConfig`. Idempotent. */
  stop(): Promise<void>;
  /** Calls `stop` at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Long enough for any answer of a local server, short enough to end the requests that kinesalite never answers. */
const localRequestTimeoutMs = 5_000;

/** The configuration of an SDK client for a server on loopback that checks no signature. */
export function localClientConfig(endpoint: string, requestTimeoutMs = localRequestTimeoutMs): LocalClientConfig {
  return {
    region: 'us-east-1',
    endpoint,
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    requestHandler: httpHandler(requestTimeoutMs),
  };
}

/** Finds the two packages. Throws PEER_MISSING with the command that installs them. */
export function resolveServerPeers(resolve: (name: string) => string): { kinesalite: string; dynalite: string } {
  const at = (name: string): string => {
    try {
      return resolve(name);
    } catch (cause) {
      throw new KinactError(
        'PEER_MISSING',
        `startLocalServers needs the package ${name}, which is not installed. Run: npm install --save-dev kinesalite@3 dynalite@4`,
        { cause },
      );
    }
  };
  return { kinesalite: at('kinesalite'), dynalite: at('dynalite') };
}

/** The first bytes of a client that speaks HTTP/2. */
export const http2Preface = 'PRI * HTTP/2';

/** What Node answers to bytes that are no request. HTTP/2 clients fail at once with it. */
export const badRequest = 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n';

/** Warns the process, once for the two servers: the client of the SDK says only "Protocol error". */
function warnOfHttp2(): void {
  process.emitWarning(
    `A client spoke HTTP/2 to a local server, which takes only HTTP/1.1. KinesisClient does so by default: make it with ` +
      '`new KinesisClient(servers.clientConfig.kinesis)`, or with `requestHandler: new NodeHttpHandler()`.',
    { type: 'KinactWarning', code: 'KINACT_HTTP2' },
  );
}

/** Runs in the thread. Both servers rethrow a request's `error` event, so `up` removes their listener for it. */
const boot = `
  const { parentPort, workerData } = require('node:worker_threads');
  const up = (server) => new Promise((resolve, reject) => {
    server.on('request', (request) => { request.removeAllListeners('error'); request.on('error', () => {}); });
    server.on('clientError', (error, socket) => {
      const starts = String(error.rawPacket === undefined ? '' : error.rawPacket.subarray(0, 32).toString('latin1'));
      if (starts.startsWith(workerData.http2Preface)) parentPort.postMessage('http2');
      if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
      else socket.end(workerData.badRequest);
    });
    server.once('error', reject).listen(0, '127.0.0.1', () => resolve('http://127.0.0.1:' + server.address().port));
  });
  const { createMs, shardLimit } = workerData;
  const kinesalite = require(workerData.kinesalite)({ createStreamMs: createMs, updateStreamMs: createMs, deleteStreamMs: createMs, shardLimit });
  const dynalite = require(workerData.dynalite)({ createTableMs: createMs, updateTableMs: createMs, deleteTableMs: createMs });
  Promise.all([up(kinesalite), up(dynalite)]).then(([kinesis, dynamodb]) => parentPort.postMessage({ kinesis, dynamodb }));
`;

/**
 * Starts a local Kinesis (kinesalite) and a local DynamoDB (dynalite), empty, in memory, on free ports of 127.0.0.1. Ready in
 * about 0.2 s. The servers do not keep the process alive.
 *
 * An SDK client needs `clientConfig`, or a `requestHandler` for HTTP/1.1 (`new NodeHttpHandler()`). The default of `KinesisClient` is
 * HTTP/2, which the servers do not speak: its calls fail with "Protocol error", and the process gets a warning that says so.
 *
 * Unlike AWS, the servers have no throttling, no `ChildShards` at the end of a shard, no StreamARN parameters, and no fan-out.
 * `scriptedServer()` covers cases that these servers do not.
 *
 * @example
 * ```ts
 * import { KinesisClient } from '@aws-sdk/client-kinesis';
 * import { startLocalServers } from 'kinact/testing';
 *
 * await using servers = await startLocalServers(); // they stop at the end of the block
 * const source = kinesisStream({ streamName: 'orders', client: new KinesisClient(servers.clientConfig.kinesis) });
 * ```
 *
 * @throws KinactError PEER_MISSING when kinesalite or dynalite is not installed, INVALID_OPTION.
 */
export async function startLocalServers(options: LocalServersOptions = {}): Promise<LocalServers> {
  const settings = resolveTable(localServersTable, options, '');
  const peers = resolveServerPeers(createRequire(import.meta.url).resolve);

  const worker = new Worker(boot, {
    eval: true,
    workerData: { ...peers, ...settings, http2Preface, badRequest },
  });

  const urls = await new Promise<{ kinesis: string; dynamodb: string }>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });

  worker.once('message', (message) => {
    if (message === 'http2') warnOfHttp2();
  });
  worker.unref();
  const clientConfig = { kinesis: localClientConfig(urls.kinesis), dynamodb: localClientConfig(urls.dynamodb) };

  const stop = async (): Promise<void> => {
    clientConfig.kinesis.requestHandler.destroy();
    clientConfig.dynamodb.requestHandler.destroy();
    await worker.terminate();
  };

  return { ...urls, clientConfig, stop, [Symbol.asyncDispose]: stop };
}
