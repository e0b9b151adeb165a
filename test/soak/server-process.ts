// The main module of the process with Kinesis (kinesalite) and DynamoDB (dynalite). Consumers reach both through fronts that can fail
// on demand, and the writer reaches Kinesis directly. Records are deleted on demand, so memory stays the same for hours. The process
// ends when its parent ends.
import { createRequire } from 'node:module';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FromServers, Service, ToServers, Trouble } from './messages.js';

const require = createRequire(import.meta.url);

type Carry = (request: IncomingMessage, response: ServerResponse) => void;

interface Levels {
  createKeyStream(range: object): AsyncIterable<string>;
  batch(work: readonly { readonly type: 'del'; readonly key: string }[], done: (error?: Error) => void): void;
}

/** The parts of kinesalite's store that trimming needs. */
interface Store {
  readonly db: unknown;
  getStreamDb(name: string): Levels;
  getStream(name: string, done: (error: Error | null, stream: { readonly Shards: readonly unknown[] }) => void): void;
}

interface StoreModule {
  create(options: unknown): Store;
  parseSequence(sequence: string): { readonly seqTime: number };
  shardIxToHex(index: number): string;
}

const streamName = process.argv[2] ?? '';
const storeModule = require('kinesalite/db') as StoreModule;
let store: Store | undefined;
const createStore = storeModule.create;
storeModule.create = (options) => (store = createStore(options));

const kinesalite = (require('kinesalite') as (options: object) => Server)({
  createStreamMs: 0,
  updateStreamMs: 50,
  shardLimit: 500,
});
const dynalite = (require('dynalite') as (options: object) => Server)({ createTableMs: 0 });

function listen(server: Server, port = 0): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/** Removes each server's own listener for a request's `error` event, because it rethrows the error. */
function carrier(server: Server): Carry {
  const carry = server.listeners('request')[0] as Carry;
  return (request, response) => {
    carry.call(server, request, response);
    request.removeAllListeners('error');
    request.on('error', () => {});
    response.on('error', () => {});
  };
}

/** A server that carries out requests by `carry`, unless it has a fault. */
interface Front {
  readonly port: number;
  trouble(trouble: Trouble, forMs: number): void;
}

const refusal = {
  kinesis: 'ProvisionedThroughputExceededException',
  dynamodb: 'com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException',
};

async function openFront(service: Service, carry: Carry): Promise<Front> {
  let now: Trouble | undefined;
  const unanswered = new Set<IncomingMessage>();
  const server = createServer((request, response) => {
    if (now === 'silent') unanswered.add(request);
    else if (now === 'slow') setTimeout(carry, 100 + Math.random() * 1_400, request, response);
    else if (now === 'throttle' && Math.random() < 0.5) throttled(service, request, response);
    else if (now === 'reset' && Math.random() < 0.15) request.socket.resetAndDestroy();
    else {
      if (now === 'reset' && Math.random() < 0.2) loseAnswer(request, response);
      carry(request, response);
    }
  });
  const port = await listen(server);
  const heal = async (): Promise<void> => {
    for (const request of unanswered) request.socket.resetAndDestroy();
    unanswered.clear();
    if (now === 'outage') await listen(server, port);
    now = undefined;
  };
  return {
    port,
    trouble(trouble, forMs) {
      now = trouble;
      if (trouble === 'outage') {
        server.close();
        server.closeAllConnections();
      }
      setTimeout(() => void heal(), forMs);
    },
  };
}

function throttled(service: Service, request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  response.writeHead(400, { 'content-type': 'application/x-amz-json-1.1' });
  response.end(JSON.stringify({ __type: refusal[service], message: 'Rate exceeded' }));
}

/** The request takes effect, but its connection is reset when the answer should go out. */
function loseAnswer(request: IncomingMessage, response: ServerResponse): void {
  response.end = () => {
    request.socket.resetAndDestroy();
    return response;
  };
}

async function trim(beforeMs: number): Promise<void> {
  const from = store as Store;
  const levels = from.getStreamDb(streamName);
  const shards = await new Promise<number>((resolve) =>
    from.getStream(streamName, (error, stream) =>
      resolve(error === null || error === undefined ? stream.Shards.length : 0),
    ),
  );
  for (let index = 0; index < shards; index += 1) {
    const range = { gte: storeModule.shardIxToHex(index), lt: storeModule.shardIxToHex(index + 1), limit: 1_000 };
    for (;;) {
      const old: string[] = [];
      for await (const key of levels.createKeyStream(range)) {
        if (storeModule.parseSequence(key.split('/')[1] as string).seqTime >= beforeMs) break;
        old.push(key);
      }
      if (old.length === 0) break;
      await new Promise<void>((resolve) =>
        levels.batch(
          old.map((key) => ({ type: 'del', key })),
          () => resolve(),
        ),
      );
    }
  }
}

const paused = new Set<number>();

function goOn(pid: number): void {
  if (!paused.delete(pid)) return;
  try {
    process.kill(pid, 'SIGCONT');
  } catch {
    // The process was killed meanwhile.
  }
}

function pause(pid: number, forMs: number): void {
  paused.add(pid);
  try {
    process.kill(pid, 'SIGSTOP');
  } catch {
    paused.delete(pid);
  }
  setTimeout(() => goOn(pid), forMs);
}

function tell(message: FromServers): void {
  process.send?.(message, undefined, {}, () => undefined);
}

// Ctrl-C reaches the whole process group, but the parent decides when to end.
process.on('SIGINT', () => {});
const orphaned = (): void => {
  for (const pid of paused) goOn(pid);
  process.exit(0);
};
process.on('disconnect', orphaned);
// The parent may have ended while this module was loading, before the listener was there.
if (!process.connected) orphaned();

const onKinesis = carrier(kinesalite);
const writing = createServer(onKinesis);
const [writingPort, kinesis, dynamodb] = await Promise.all([
  listen(writing),
  openFront('kinesis', onKinesis),
  openFront('dynamodb', carrier(dynalite)),
]);
let trimming = Promise.resolve();
process.on('message', (message: ToServers) => {
  if (message.type === 'trouble')
    (message.service === 'kinesis' ? kinesis : dynamodb).trouble(message.trouble, message.forMs);
  else if (message.type === 'pause') pause(message.pid, message.forMs);
  else if (message.type === 'trim') trimming = trimming.then(() => trim(message.beforeMs));
  else tell({ type: 'measured', rssBytes: process.memoryUsage().rss });
});
const at = (port: number): string => `http://127.0.0.1:${port}`;
tell({ type: 'ready', writing: at(writingPort), kinesis: at(kinesis.port), dynamodb: at(dynamodb.port) });
