// A consumer answers bad input (design.md section 8) with one clear error at once, and loses nothing.
import { CreateTableCommand, DescribeTableCommand, PutItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { expect } from 'chai';
import * as nact from 'nact';
import {
  createConsumer,
  encodeAggregate,
  isKinactError,
  kinesisStream,
  type ActorSnapshot,
  type KinactError,
} from '../../src/index.js';
import { mailboxName } from '../../supervision/nact.js';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { scriptedServer, type ScriptedServer } from '../../src/testing/scripted-server/scripted-server.js';
import { consumerHarness, eventually, textOf, type Watched, type Harness } from '../support/consumer-harness.js';
import { readStrictly, snapshotTable } from '../support/strict-lease-reader.js';

const first = 'shardId-000000000000';
const second = 'shardId-000000000001';

async function rejection(promise: Promise<unknown>): Promise<KinactError> {
  const error = await promise.then(
    () => new Error('expected a rejection'),
    (thrown: unknown) => thrown,
  );
  if (!isKinactError(error)) throw error;
  return error;
}

describe('a consumer with bad input', function () {
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
    application = `application-${(runs += 1)}`;
    harness = consumerHarness({ kinesis: scripted.url, dynamodb: scripted.url });
  });
  afterEach(async () => {
    await harness.close();
    await scripted.stop();
  });

  /** Expects that the start fails at once, with the first answer, and that the consumer is then closed and not alive. */
  const refused = async (watched: Watched): Promise<KinactError> => {
    const error = await rejection(watched.consumer.start());
    expect(watched.heard('retrying')).to.deep.equal([]);
    expect(await rejection(watched.consumer.closed)).to.equal(error);
    expect(watched.consumer.live().ok).to.equal(false);
    expect(watched.consumer.status().state).to.equal('closed');
    return error;
  };
  const table = async (key: string, ...rows: readonly Record<string, object>[]): Promise<void> => {
    await harness.dynamodb.send(
      new CreateTableCommand({
        TableName: application,
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [{ AttributeName: key, AttributeType: 'S' }],
        KeySchema: [{ AttributeName: key, KeyType: 'HASH' }],
      }),
    );
    await eventually('the table is ACTIVE', async () => {
      const { Table } = await harness.dynamodb.send(new DescribeTableCommand({ TableName: application }));
      return Table?.TableStatus === 'ACTIVE';
    });
    for (const Item of rows)
      await harness.dynamodb.send(new PutItemCommand({ TableName: application, Item: Item as never }));
  };
  const seen = ({ seen: items }: Watched): readonly string[] => items.map(textOf);
  const put = (shardId: string, ...data: readonly (string | Uint8Array)[]): void => {
    for (const each of data) scripted.kinesis.put('orders', { partitionKey: 'key', data: each, shardId });
  };

  it('refuses wrong options at construction, with path, expected and got', () => {
    const source = kinesisStream({ streamName: 'orders' });
    const make = (options: object): unknown => createConsumer({ application, source, ...options } as never);
    expect(() => make({ reducer: { init: () => 0 } })).to.throw(/reducer.*expected.*got/s);
    const reducer = { init: () => 0, reduce: () => 0 };
    expect(() => make({ reducer, maxPending: 0 })).to.throw(/^maxPending: expected .*, got 0/);
    expect(() => make({ reducer, maxpending: 1 })).to.throw(/maxpending/);
    expect(() => make({ reducer, leases: { failoverms: 1 } })).to.throw(/did you mean failoverMs/);
  });

  it('ends with STREAM_NOT_FOUND if the stream is missing, and creates no lease', async () => {
    const error = await refused(harness.consumer('orders', { application }));
    expect(error.code).to.equal('STREAM_NOT_FOUND');
    expect(error.message)
      .to.match(/orders/)
      .and.to.match(/name|region/i);
    const rows = await snapshotTable(harness.dynamodb, application).catch(() => new Map());
    expect(rows.size).to.equal(0);
  });

  for (const [operation, service] of [
    ['DescribeStreamSummary', 'kinesis'],
    ['ListShards', 'kinesis'],
    ['DescribeTable', 'dynamodb'],
    ['CreateTable', 'dynamodb'],
    ['Scan', 'dynamodb'],
    ['PutItem', 'dynamodb'],
  ] as const) {
    it(`ends with ACCESS_DENIED if the permission for ${operation} is missing, and names that permission`, async () => {
      scripted.kinesis.createStream('orders');
      const message = `User: arn:aws:iam::1:user/x is not authorized to perform: ${service}:${operation}`;
      scripted.respond(operation, Infinity, { type: 'error', code: 'AccessDeniedException', message });
      const error = await refused(harness.consumer('orders', { application }));
      expect(error.code).to.equal('ACCESS_DENIED');
      expect(error.message).to.include(`${service}:${operation}`);
    });
  }

  it('waits for a read permission that is withdrawn later, and names that permission', async () => {
    scripted.kinesis.createStream('orders', 2);
    const only = harness.consumer('orders', { application });
    put(first, 'a');
    await only.consumer.start();
    await eventually('the record is seen', () => seen(only).includes('a'));
    const order = scripted.respond('GetRecords', Infinity, { type: 'error', code: 'AccessDeniedException' });
    const denied = await eventually('it is said', () =>
      only.heard('retrying').find(({ kind, attempt }) => kind === 'accessDenied' && attempt > 1),
    );
    expect((denied.error as KinactError).code).to.equal('ACCESS_DENIED');
    expect((denied.error as KinactError).message).to.include('kinesis:GetRecords');
    order.cancel();
    put(first, 'b');
    await eventually('nothing is lost', () => seen(only).includes('b'), 30_000);
    expect(only.consumer.status()).to.include({ state: 'running', restarts: 0 });
  });

  it('ends with WRONG_REGION for an ARN outside the region of the client', async () => {
    scripted.kinesis.createStream('orders');
    const streamArn = 'arn:aws:kinesis:eu-west-1:123456789012:stream/orders';
    const error = await refused(
      harness.consumer('orders', { application, stream: { streamName: undefined, streamArn } }),
    );
    expect(error.code).to.equal('WRONG_REGION');
    expect(error.message).to.include('eu-west-1').and.to.include('us-east-1');
  });

  it('ends with CREDENTIALS_MISSING if there are no credentials', async () => {
    const client = new KinesisClient({
      region: 'us-east-1',
      endpoint: scripted.url,
      credentials: () =>
        Promise.reject(Object.assign(new Error('Could not load'), { name: 'CredentialsProviderError' })),
    });
    const error = await refused(harness.consumer('orders', { application, stream: { client } }));
    expect(error.code).to.equal('CREDENTIALS_MISSING');
  });

  it("ends with TABLE_NOT_KCL for a table that is not the KCL's, and leaves its row there", async () => {
    scripted.kinesis.createStream('orders');
    await table('ShardID', { ShardID: { S: first }, AssignedTo: { S: 'go-worker' } });
    const error = await refused(harness.consumer('orders', { application }));
    expect(error.code).to.equal('TABLE_NOT_KCL');
    expect(error.message).to.include(application).and.to.include('ShardID');
    expect((await snapshotTable(harness.dynamodb, application)).size).to.equal(1);
  });

  it('ends with KCL3_TABLE for a KCL 3 table, and adds no row', async () => {
    scripted.kinesis.createStream('orders');
    await table('leaseKey', {
      leaseKey: { S: 'Migration3.0' },
      entityType: { S: 'CLIENT_VERSION_MIGRATION' },
      cv: { S: 'CLIENT_VERSION_3X' },
    });
    const error = await refused(harness.consumer('orders', { application }));
    expect(error.code).to.equal('KCL3_TABLE');
    expect([...(await snapshotTable(harness.dynamodb, application)).keys()]).to.deep.equal(['Migration3.0']);
  });

  it('reports an unreadable row, does not read its shard until the row is repaired, and reads other shards', async () => {
    scripted.kinesis.createStream('orders', 2);
    put(first, 'a');
    put(second, 'b');
    await table('leaseKey', {
      leaseKey: { S: first },
      leaseCounter: { S: 'seven' },
      checkpoint: { S: 'TRIM_HORIZON' },
      checkpointSubSequenceNumber: { N: '0' },
      ownerSwitchesSinceCheckpoint: { N: '0' },
    });
    const only = harness.consumer('orders', { application });
    await only.consumer.start();
    await eventually(
      'the other shard',
      () => seen(only).includes('b'),
      15_000,
      () => only.said,
    );
    expect(only.heard('malformedLease')).to.have.length(1);
    expect(only.heard('malformedLease')[0]).to.include({ table: application, leaseKey: first });
    expect(only.heard('malformedLease')[0]?.reason).to.include('leaseCounter');
    const [{ state } = { state: undefined }] = only.consumer.status().leases;
    expect(
      (state as unknown as { malformed: { leaseKey: string }[] }).malformed.map(({ leaseKey }) => leaseKey),
    ).to.deep.equal([first]);
    expect(only.consumer.ready().reasons.join()).to.include(`the row ${first} of ${application} cannot be read`);
    expect(seen(only)).to.not.include('a');
    await harness.dynamodb.send(
      new UpdateItemCommand({
        TableName: application,
        Key: { leaseKey: { S: first } },
        UpdateExpression: 'SET leaseCounter = :n',
        ExpressionAttributeValues: { ':n': { N: '7' } },
      }),
    );
    await eventually(
      'the mended row',
      () => seen(only).includes('a'),
      15_000,
      () => only.said,
    );
    expect((await only.consumer.stop()).drained).to.equal(true);
    await readStrictly(harness.dynamodb, application, { afterCleanStop: true, allowMissingHashRange: true });
  });

  it('delivers malformed aggregates as raw records, counts them, and reports them once', async () => {
    scripted.kinesis.createStream('orders');
    const good = encodeAggregate([{ partitionKey: 'k', data: Buffer.from('inside') }]);
    const broken = Buffer.from(good);
    broken[broken.length - 1] = (broken.at(-1) as number) ^ 0xff;
    put(first, broken, Buffer.from([0xf3, 0x89, 0x9a, 0xc2]), broken, good, 'plain');
    const only = harness.consumer('orders', { application });
    await only.consumer.start();
    await eventually(
      'all of it',
      () => seen(only).includes('plain'),
      15_000,
      () => only.said,
    );
    expect(only.seen).to.have.length(5);
    expect(only.seen.filter(({ value }) => Buffer.from(value).equals(broken))).to.have.length(2);
    expect(seen(only)).to.include('inside');
    expect(only.heard('malformedAggregate')).to.have.length(1);
    expect(only.consumer.status().counters['malformedAggregates']).to.be.at.least(2);
    expect((await only.consumer.stop()).drained).to.equal(true);
  });

  it('counts unknown messages to any actor of the tree, and ignores them', async () => {
    scripted.kinesis.createStream('orders', 2);
    const system = nact.start();
    let holders: string[] = [];
    const parent = nact.spawn(system, (_s, _m, context) => void (holders = [...context.children.keys()]), 'app');
    const only = harness.consumer('orders', { application, parent: parent as object });
    put(first, 'a');
    await only.consumer.start();
    await eventually('the record is seen', () => seen(only).includes('a'));
    nact.dispatch(parent, 'look');
    await eventually('the holder is known', () => holders.length === 1);
    const all = (actors: readonly ActorSnapshot[]): readonly ActorSnapshot[] =>
      actors.flatMap((actor) => [actor, ...all(actor.children)]);
    const paths = all(only.consumer.status().tree).map(({ path }) => path);
    expect(paths.length).to.be.above(8);
    const garbage = [undefined, null, 42, 'stop', {}, { type: 'releaseAll' }, { type: 'constructor' }, [], () => {}];
    for (const path of paths) {
      const [, kind = '', name = '', incarnation = ''] = /^([^/#]+)(?:\/(.*))?#(\d+)$/.exec(path) ?? [];
      const parts = ['app', holders[0], mailboxName(kind, name, Number(incarnation))];
      const { system: named } = parent as unknown as { system: { name: string } };
      // nact's references are paths, so any code can make one.
      const reference = { type: 'actor', system: named, path: { system: named.name, parts } };
      for (const message of garbage) nact.dispatch(reference as never, message as never);
    }
    await eventually(
      'every one is counted',
      () => only.consumer.status().counters['unknownMessage'] === paths.length * garbage.length,
      5_000,
      () => only.consumer.status().counters,
    );
    put(first, 'b');
    await eventually('the work goes on', () => seen(only).includes('b'));
    expect(only.consumer.status().restarts).to.equal(0);
    expect((await only.consumer.stop()).drained).to.equal(true);
    nact.stop(system);
  });
});
