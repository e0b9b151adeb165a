// One call is one attempt, whatever the client is configured to do, and ends when its time is up. The server is a bare HTTP server.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DynamoDBClient, GetItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { expect } from 'chai';
import {
  createDynamoDbClient,
  dynamoDbCaller,
  type DynamoDbCaller,
  type DynamoDbClientLike,
} from '../../../../src/aws/dynamodb/dynamodb-client.js';
import type { Clock, Timers } from '../../../../src/api/ports.js';

const clock: Clock = { now: () => 0, wallNow: () => 1_234_567 };
const never = new AbortController().signal;
const write = { operation: 'UpdateItem', table: 't', leaseKey: 'k', write: true };
const command = (): UpdateItemCommand => new UpdateItemCommand({ TableName: 't', Key: { leaseKey: { S: 'k' } } });

/** Timers that a test fires by hand. */
function manualTimers(): Timers & { fire(): void; readonly open: () => number } {
  const pending = new Set<() => void>();
  return {
    after(_ms, callback) {
      pending.add(callback);
      return () => void pending.delete(callback);
    },
    fire() {
      for (const callback of [...pending]) {
        pending.delete(callback);
        callback();
      }
    },
    open: () => pending.size,
  };
}

describe('a DynamoDB call', () => {
  let server: Server;
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  let requests: IncomingMessage[];
  let endpoint: string;
  let timers: ReturnType<typeof manualTimers>;
  const clients: DynamoDBClient[] = [];

  before((done) => {
    server = createServer((request, response) => {
      requests.push(request);
      request.resume();
      answer(request, response);
    }).listen(0, '127.0.0.1', done);
  });
  after((done) => {
    for (const client of clients) client.destroy();
    server.closeAllConnections();
    server.close(() => done());
  });
  beforeEach(() => {
    requests = [];
    timers = manualTimers();
    endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  const json = (response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void => {
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0', ...headers }).end(JSON.stringify(body));
  };
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  const callerOf = (client: DynamoDbClientLike): DynamoDbCaller =>
    dynamoDbCaller({ client, clock, timers, requestTimeoutMs: 1_000 });
  const own = (): DynamoDBClient => {
    const client = createDynamoDbClient({ region: 'us-east-1', endpoint, credentials, requestTimeoutMs: 1_000 });
    clients.push(client);
    return client;
  };
  /** A client as a careless user configures it. */
  const retrying = (): DynamoDBClient => {
    const client = new DynamoDBClient({
      region: 'us-east-1',
      endpoint,
      credentials,
      maxAttempts: 5,
      requestHandler: new NodeHttpHandler(),
    });
    clients.push(client);
    return client;
  };

  it("returns the service's time from the Date header of the answer", async () => {
    answer = (_request, response) => json(response, 200, {}, { date: 'Wed, 21 Oct 2015 07:28:00 GMT' });
    const { serviceTimeMs } = await callerOf(own()).call(command(), write, never);
    expect(serviceTimeMs).to.equal(Date.UTC(2015, 9, 21, 7, 28));
  });

  it('returns the time of the wall clock if the answer has no Date header', async () => {
    const stub: DynamoDbClientLike = { send: () => Promise.resolve({}) };
    const { serviceTimeMs } = await callerOf(stub).call(command(), write, never);
    expect(serviceTimeMs).to.equal(1_234_567);
  });

  for (const [what, client] of [
    ['our own client', own],
    ["a user's client with maxAttempts 5", retrying],
  ] as const) {
    it(`is one attempt with ${what}: a lost reply is reported, not repeated`, async () => {
      answer = (request) => request.on('end', () => request.socket.destroy());
      const result = await callerOf(client()).attempt(command(), write, never);
      expect(requests.length).to.equal(1);
      expect(result.type === 'failed' && result.failure).to.include({ kind: 'network', outcomeUnknown: true });
    });

    it(`is one attempt with ${what}: a throttle is reported, not repeated`, async () => {
      answer = (_request, response) =>
        json(response, 400, { __type: 'com.amazonaws#ThrottlingException', message: 'slow' });
      const result = await callerOf(client()).attempt(command(), write, never);
      expect(requests.length).to.equal(1);
      expect(result.type === 'failed' && result.failure).to.include({ kind: 'throttled', outcomeUnknown: false });
    });
  }

  it('leaves clock skew to the SDK, which signs the next call with the time of the service', async () => {
    const ahead = new Date(Date.now() + 3_600_000);
    answer = (_request, response) =>
      json(
        response,
        403,
        { __type: 'com.amazonaws#InvalidSignatureException', message: 'Signature not yet current' },
        { date: ahead.toUTCString() },
      );
    const caller = callerOf(own());
    const first = await caller.attempt(command(), write, never);
    expect(first.type === 'failed' && first.failure.error).to.include({ code: 'CREDENTIALS_MISSING', retryable: true });
    await caller.attempt(command(), write, never);
    const signed = String(requests[1]?.headers['x-amz-date']);
    expect(signed.slice(0, 11)).to.equal(ahead.toISOString().replace(/[-:]/g, '').slice(0, 11));
  });

  it('ends with an unknown outcome when its time is up, even if the client ignores the signal', async () => {
    const deaf: DynamoDbClientLike = { send: () => new Promise(() => undefined) };
    const pending = callerOf(deaf).attempt(command(), write, never);
    timers.fire();
    const result = await pending;
    expect(result.type === 'failed' && result.failure).to.include({ kind: 'timeout', outcomeUnknown: true });
  });

  it('ends with an unknown outcome when its time is up while the body stalls after the headers', async () => {
    answer = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/x-amz-json-1.0', 'content-length': '100' }).write('{');
      setImmediate(() => timers.fire());
    };
    const result = await callerOf(own()).attempt(command(), write, never);
    expect(result.type === 'failed' && result.failure).to.include({ kind: 'timeout', outcomeUnknown: true });
  });

  it('has an unknown outcome if aborted after sending, and is not sent if aborted before', async () => {
    const abort = new AbortController();
    answer = () => abort.abort();
    const result = await callerOf(own()).attempt(command(), write, abort.signal);
    expect(result.type === 'failed' && result.failure).to.include({ kind: 'aborted', outcomeUnknown: true });
    expect(requests.length).to.equal(1);
    const late = await callerOf(own()).attempt(command(), write, abort.signal);
    expect(late.type === 'failed' && late.failure).to.include({ outcomeUnknown: false });
    expect(late.type === 'failed' && late.failure.error.code).to.equal('STOPPED');
    expect(requests.length).to.equal(1);
  });

  it('leaves no timer and no listener behind', async () => {
    answer = (_request, response) => json(response, 200, {});
    const signal = new AbortController().signal;
    let listeners = 0;
    const counting = new Proxy(signal, {
      get(target, name) {
        if (name === 'addEventListener')
          return (...rest: Parameters<AbortSignal['addEventListener']>) => (
            listeners++,
            target.addEventListener(...rest)
          );
        if (name === 'removeEventListener')
          return (...rest: Parameters<AbortSignal['removeEventListener']>) => (
            listeners--,
            target.removeEventListener(...rest)
          );
        const value: unknown = Reflect.get(target, name, target);
        return value;
      },
    });
    await callerOf(own()).call(
      new GetItemCommand({ TableName: 't', Key: { leaseKey: { S: 'k' } } }),
      { operation: 'GetItem' },
      counting,
    );
    expect(listeners).to.equal(0);
    expect(timers.open()).to.equal(0);
  });

  it('reports missing credentials, with a known outcome', async () => {
    const denied: DynamoDbClientLike = {
      send: () =>
        Promise.reject(
          Object.assign(new Error('Could not load credentials from any providers'), {
            name: 'CredentialsProviderError',
          }),
        ),
    };
    const result = await callerOf(denied).attempt(command(), write, never);
    expect(result.type === 'failed' && result.failure.error.message).to.include('no credentials were found');
    expect(result.type === 'failed' && result.failure.outcomeUnknown).to.equal(false);
  });
});
