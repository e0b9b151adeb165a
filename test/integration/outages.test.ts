// Faults that pass are waited out, with the built package over real sockets. No answer of Kinesis or DynamoDB ends a consumer that
// has read its stream once. Sources fail one by one, and kinact makes room for a KCL 3 leader that joins.
import { PutItemCommand } from '@aws-sdk/client-dynamodb';
import * as kinesisModel from '@aws-sdk/client-kinesis';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { expect } from 'chai';
import { createConsumer, defineReducer, kinesisStream } from '../../src/index.js';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { scriptedServer, type ScriptedServer } from '../../src/testing/scripted-server/scripted-server.js';
import {
  consumerHarness,
  eventually,
  textOf,
  watched,
  type Watched,
  type Harness,
} from '../support/consumer-harness.js';
import { snapshotTable } from '../support/strict-lease-reader.js';

const seen = ({ seen: items }: Watched): string[] => items.map(textOf);

describe('a consumer during an outage', function () {
  this.timeout(400_000);
  let servers: LocalServers;
  let scripted: ScriptedServer;
  let harness: Harness;
  let application: string;
  let runs = 0;

  before(async () => {
    servers = await startLocalServers();
  });
  after(() => servers.stop());
  beforeEach(async () => {
    scripted = await scriptedServer({ proxy: { upstream: servers.dynamodb } });
    application = `outages-${(runs += 1)}`;
    harness = consumerHarness({ kinesis: scripted.url, dynamodb: scripted.url });
    scripted.kinesis.createStream('orders');
  });
  afterEach(async () => {
    await harness.close();
    await scripted.stop();
  });
  const put = (data: string): unknown => scripted.kinesis.put('orders', { partitionKey: 'k', data });
  const unharmed = (only: Watched): void => {
    for (const name of ['actorCrashed', 'pipelineRestarted', 'sourceFailed', 'closed'] as const)
      expect(only.heard(name), name).to.deep.equal([]);
    expect(only.consumer.status().state).to.equal('running');
  };

  it('waits out every error of the Kinesis model, and errors with unknown names', async () => {
    const models = Object.entries(kinesisModel).flatMap(([name, made]: [string, unknown]) =>
      typeof made === 'function' && made.prototype instanceof kinesisModel.KinesisServiceException ? [name] : [],
    );
    expect(models.length).to.be.above(12);
    const only = harness.consumer('orders', { application });
    await only.consumer.start();
    put('first');
    await eventually('the first record is read', () => seen(only).includes('first'));
    for (const code of [
      ...models,
      'UnrecognizedClientException',
      'ExpiredTokenException',
      'NobodyKnowsThisException',
    ]) {
      const order = scripted.respond('GetRecords', 1, { type: 'error', code });
      await eventually(`${code} is answered`, () => order.remaining === 0);
      put(code);
      await eventually(
        `reading goes on after ${code}`,
        () => seen(only).includes(code),
        30_000,
        () => only.said.at(-1),
      );
    }
    unharmed(only);
    expect(only.heard('retrying').every(({ kind, attempt }) => kind.length > 0 && attempt >= 1)).to.equal(true);
  });

  it('ends nothing while every call fails for a time, and then continues to read', async () => {
    const only = harness.consumer('orders', { application, leases: { failoverMs: 3_000 } });
    await only.consumer.start();
    put('before');
    await eventually('the first record is read', () => seen(only).includes('before'));
    for (const code of [
      'UnrecognizedClientException',
      'KMSInvalidStateException',
      'KMSAccessDeniedException',
      'AccessDeniedException',
    ]) {
      const orders = [
        'GetRecords',
        'GetShardIterator',
        'ListShards',
        'DescribeStreamSummary',
        'Scan',
        'UpdateItem',
        'GetItem',
      ].map((operation) => scripted.respond(operation, Infinity, { type: 'error', code }));
      const before = scripted.count('GetRecords') + scripted.count('Scan');
      await eventually(
        `${code} is met again and again`,
        () => scripted.count('GetRecords') + scripted.count('Scan') > before + 4,
      );
      for (const order of orders) order.cancel();
      put(code);
      await eventually(
        `reading goes on after ${code}`,
        () => seen(only).includes(code),
        30_000,
        () => only.said.at(-1),
      );
    }
    unharmed(only);
  });

  it('waits out the loss of the credentials of one client', async () => {
    let broken = false;
    const { credentials, ...config } = scripted.clientConfig;
    const client = new KinesisClient({
      ...config,
      credentials: () => {
        if (!broken)
          return Promise.resolve({
            ...(credentials as { accessKeyId: string; secretAccessKey: string }),
            expiration: new Date(Date.now() + 50),
          });
        return Promise.reject(
          Object.assign(new Error('no answer from the metadata service'), { name: 'CredentialsProviderError' }),
        );
      },
    });
    const only = harness.consumer('orders', { application, stream: { client } });
    await only.consumer.start();
    put('before');
    await eventually('the first record is read', () => seen(only).includes('before'));
    broken = true;
    await eventually('it is said', () => only.heard('retrying').some(({ kind }) => kind === 'credentials'));
    broken = false;
    put('after');
    await eventually(
      'reading goes on',
      () => seen(only).includes('after'),
      30_000,
      () => only.said.at(-1),
    );
    unharmed(only);
    await only.consumer.stop();
    client.destroy();
  });

  it('reports one of two streams as missing, and starts and reads the other', async () => {
    const sourceOf = (streamName: string): ReturnType<typeof kinesisStream> =>
      kinesisStream({ streamName, client: harness.kinesis, idleMs: 100 });
    const both = watched((items) =>
      createConsumer({
        logger: false,
        application,
        source: [sourceOf('orders'), sourceOf('deleted')],
        reducers: 1,
        reducer: defineReducer({ init: () => 0, reduce: (count: number, item) => items.push(item) && count + 1 }),
        leases: { client: harness.dynamodb, multiStream: true },
      }),
    );
    put('x');
    await both.consumer.start();
    await eventually('the other is read', () => seen(both).includes('x'));
    expect(both.consumer.ready().ok).to.equal(false);
    expect(both.consumer.ready().reasons.join()).to.include('deleted').and.to.include('not found');
    expect(both.heard('sourceFailed').map(({ source, error }) => [source, error.code])).to.deep.equal([
      ['deleted', 'STREAM_NOT_FOUND'],
    ]);
    expect((await both.consumer.stop()).drained).to.equal(true);
  });

  it('releases its shards, and ends with KCL3_TABLE, when a KCL 3 leader joins', async () => {
    const only = harness.consumer('orders', { application });
    await only.consumer.start();
    put('x');
    await eventually('the record is read', () => seen(only).includes('x'));
    const Item = { leaseKey: { S: 'Leader' }, entityType: { S: 'LEADER' }, ownerName: { S: 'java' } };
    await harness.dynamodb.send(new PutItemCommand({ TableName: application, Item }));
    const error: unknown = await only.consumer.closed.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).to.have.property('code', 'KCL3_TABLE');
    expect(only.heard('actorCrashed')).to.deep.equal([]);
    expect(only.consumer.status().restarts).to.equal(0);
    const rows = await snapshotTable(harness.dynamodb, application);
    const shard = [...rows.values()].find((row) => 'checkpoint' in row) as Record<string, { S?: string }>;
    expect(shard).to.not.have.property('leaseOwner');
    expect(shard['checkpoint']?.S).to.match(/^\d+$/);
  });
});
