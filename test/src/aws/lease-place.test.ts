// Whose client calls the lease table of a source: that of the source, that of a region of its own, or the one that the sources share.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import type { SourceSpec } from '../../../src/api/source.js';
import type { DynamoDbClientLike } from '../../../src/aws/dynamodb/dynamodb-client.js';
import { dynamodbStream } from '../../../src/aws/dynamodb-streams/dynamodb-stream.js';
import { kinesisStream } from '../../../src/aws/kinesis/kinesis-stream.js';
import { hostEnvironment } from '../../../src/consumer/host-environment.js';

/** What an application says about the lease table of a source. */
interface Place {
  readonly region?: string;
  readonly client?: DynamoDbClientLike;
}

/** A client that notes its calls in `calls`, under its name. */
const noting = (name: string, calls: string[]): DynamoDbClientLike => ({
  send: () => (calls.push(name), Promise.resolve({})),
});

const sources: Readonly<Record<string, (leases?: Place) => SourceSpec>> = {
  kinesisStream: (leases = {}) => kinesisStream({ streamName: 'orders', region: 'eu-west-1', leases }),
  dynamodbStream: (leases = {}) =>
    dynamodbStream({ tableName: 'orders', region: 'eu-west-1', leases }) as unknown as SourceSpec,
};

describe('the lease table of a source', () => {
  let server: Server;
  let calls: string[];
  let saved: NodeJS.ProcessEnv;
  before(async () => {
    // The region that a request was signed for.
    server = createServer((request, response) => {
      calls.push(/Credential=[^/]+\/\d+\/([^/]+)\//.exec(request.headers.authorization ?? '')?.[1] ?? 'unsigned');
      request.resume().on('end', () => response.setHeader('connection', 'close').end('{}'));
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    saved = { ...process.env };
    const { port } = server.address() as AddressInfo;
    for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
    Object.assign(process.env, {
      ...{ AWS_ACCESS_KEY_ID: 'local', AWS_SECRET_ACCESS_KEY: 'local' },
      AWS_ENDPOINT_URL_DYNAMODB: `http://127.0.0.1:${port}`,
    });
  });
  beforeEach(() => (calls = []));
  after(async () => {
    for (const name of Object.keys(process.env)) delete process.env[name];
    Object.assign(process.env, saved);
    await new Promise((resolve) => void server.close(resolve));
  });

  async function called(source: SourceSpec, shared?: DynamoDbClientLike): Promise<string[]> {
    const table = { tableName: 'app', failoverMs: 10_000, billing: 'PAY_PER_REQUEST' } as const;
    const store = source.openLeases(hostEnvironment, { ...table, client: shared });
    await store.get('shardId-000000000000', new AbortController().signal);
    store.close();
    return calls.splice(0);
  }

  for (const [kind, make] of Object.entries(sources)) {
    it(`is called by the client that the sources share, if ${kind} has neither a region nor a client for it`, async () => {
      expect(await called(make(), noting('shared', calls))).to.deep.equal(['shared']);
    });

    it(`is called in the region that ${kind} gives it, whatever client the sources share`, async () => {
      expect(await called(make({ region: 'us-east-1' }), noting('shared', calls))).to.deep.equal(['us-east-1']);
      expect(await called(make({ region: 'us-east-1' }))).to.deep.equal(['us-east-1']);
    });

    it(`is called by the client that ${kind} gives it, whatever client the sources share`, async () => {
      const client = noting('own', calls);
      expect(await called(make({ client }), noting('shared', calls))).to.deep.equal(['own']);
    });

    it(`is called in the region of the stream of ${kind}, if nothing else is said`, async () => {
      expect(await called(make())).to.deep.equal(['eu-west-1']);
    });
  }
});
