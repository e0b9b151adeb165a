// The scripted server answers as Kinesis does unless the script says otherwise, and each fault comes as often as ordered.
// The client is the real SDK.
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import {
  DynamoDBClient,
  UpdateItemCommand,
  CreateTableCommand,
  GetItemCommand,
  PutItemCommand,
} from '@aws-sdk/client-dynamodb';
import {
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
  PutRecordsCommand,
  type ShardIteratorType,
} from '@aws-sdk/client-kinesis';
import { startLocalServers } from '../../../src/testing/local-servers.js';
import { scriptedServer, type ScriptedServer } from '../../../src/testing/scripted-server/scripted-server.js';

const stream = 'orders';
const first = 'shardId-000000000000';

describe('scriptedServer', () => {
  let server: ScriptedServer;
  let client: KinesisClient;
  beforeEach(async () => {
    server = await scriptedServer({ requestTimeoutMs: 200, hangLimitMs: 2_000 });
    client = new KinesisClient({ ...server.clientConfig, maxAttempts: 1 });
  });
  afterEach(() => server.stop());

  const iterator = async (type: ShardIteratorType = 'TRIM_HORIZON', more: object = {}): Promise<string> => {
    const input = { StreamName: stream, ShardId: first, ShardIteratorType: type, ...more };
    return (await client.send(new GetShardIteratorCommand(input))).ShardIterator!;
  };
  const read = async (from: string, limit?: number) =>
    client.send(new GetRecordsCommand({ ShardIterator: from, ...(limit === undefined ? {} : { Limit: limit }) }));
  const failure = (work: Promise<unknown>): Promise<Error & { code?: string }> =>
    work.then(
      () => Promise.reject(new Error('expected a failure')),
      (error: Error) => error,
    );

  it('stores records of PutRecords and returns them in order, page by page, with MillisBehindLatest', async () => {
    server.kinesis.createStream(stream);
    const Records = ['a', 'b', 'c'].map((key) => ({ PartitionKey: key, Data: Buffer.from(`data ${key}`) }));
    const put = await client.send(new PutRecordsCommand({ StreamName: stream, Records }));
    expect(put.FailedRecordCount).to.equal(0);
    server.kinesis.advance(1_000);
    const one = await read(await iterator(), 2);
    expect(one.Records!.map((record) => record.PartitionKey)).to.deep.equal(['a', 'b']);
    expect(one.MillisBehindLatest).to.be.within(1_000, 2_000);
    const two = await read(one.NextShardIterator!);
    expect(two.Records!.map((record) => Buffer.from(record.Data!).toString())).to.deep.equal(['data c']);
    expect(two.MillisBehindLatest).to.equal(0);
    expect(two.Records![0]!.SequenceNumber).to.equal(put.Records![2]!.SequenceNumber);
  });

  it('ends a split shard with its children and no iterator, and lists a merged child with both parents', async () => {
    server.kinesis.createStream(stream);
    server.kinesis.put(stream, { partitionKey: 'a', data: 'a' });
    const children = server.kinesis.split(stream, first);
    const last = await read(await iterator());
    expect(last.NextShardIterator).to.equal(undefined);
    expect(last.ChildShards!.map((child) => child.ShardId)).to.deep.equal(children);
    const merged = server.kinesis.merge(stream, ...children);
    const listed = await client.send(new ListShardsCommand({ StreamName: stream }));
    const child = listed.Shards!.find((shard) => shard.ShardId === merged)!;
    expect([child.ParentShardId, child.AdjacentParentShardId]).to.deep.equal(children);
    expect(child.HashKeyRange!.EndingHashKey).to.equal(String(2n ** 128n - 1n));
  });

  it('pages and filters ListShards, and refuses a token beside a stream name', async () => {
    server.kinesis.createStream(stream, 5);
    server.kinesis.advance(1_000);
    server.kinesis.split(stream, first);
    const page = await client.send(new ListShardsCommand({ StreamName: stream, MaxResults: 4 }));
    expect(page.Shards).to.have.length(4);
    const rest = await client.send(new ListShardsCommand({ NextToken: page.NextToken! }));
    expect(rest.Shards!.map((shard) => shard.ShardId)).to.have.length(3);
    const open = await client.send(new ListShardsCommand({ StreamName: stream, ShardFilter: { Type: 'AT_LATEST' } }));
    expect(open.Shards!.some((shard) => shard.ShardId === first)).to.equal(false);
    const oldest = await client.send(
      new ListShardsCommand({ StreamName: stream, ShardFilter: { Type: 'AT_TRIM_HORIZON' } }),
    );
    expect(oldest.Shards).to.have.length(5);
    const both = client.send(new ListShardsCommand({ StreamName: stream, NextToken: page.NextToken! }));
    expect((await failure(both)).name).to.equal('InvalidArgumentException');
  });

  it('forgets trimmed records, and records that are older than the retention', async () => {
    server.kinesis.createStream(stream);
    const [a] = ['a', 'b', 'c'].map((key) => server.kinesis.put(stream, { partitionKey: key, data: key }));
    server.kinesis.trim(stream, first, 1);
    expect((await read(await iterator())).Records).to.have.length(2);
    const gone = iterator('AT_SEQUENCE_NUMBER', { StartingSequenceNumber: a!.sequenceNumber });
    expect((await failure(gone)).name).to.equal('InvalidArgumentException');
    server.kinesis.advance(25 * 3_600_000);
    expect((await read(await iterator())).Records).to.have.length(0);
  });

  it('expires iterators on request and after five minutes', async () => {
    server.kinesis.createStream(stream);
    const stale = await iterator();
    server.kinesis.expireIterators();
    expect((await failure(read(stale))).name).to.equal('ExpiredIteratorException');
    const old = await iterator();
    server.kinesis.advance(300_001);
    expect((await failure(read(old))).name).to.equal('ExpiredIteratorException');
  });

  it('refuses the sixth read in a second with enforceReadLimits', async () => {
    await using strict = await scriptedServer({ kinesis: { enforceReadLimits: true } });
    const eager = new KinesisClient({ ...strict.clientConfig, maxAttempts: 1 });
    strict.kinesis.createStream(stream);
    const input = { StreamName: stream, ShardId: first, ShardIteratorType: 'TRIM_HORIZON' as const };
    const from = (await eager.send(new GetShardIteratorCommand(input))).ShardIterator!;
    for (let read = 0; read < 5; read += 1) await eager.send(new GetRecordsCommand({ ShardIterator: from }));
    const sixth = await failure(eager.send(new GetRecordsCommand({ ShardIterator: from })));
    expect(sixth.name).to.equal('ProvisionedThroughputExceededException');
  });

  it('gives each scripted answer as often as ordered, then answers normally, and logs each kind of answer', async () => {
    server.kinesis.createStream(stream);
    const from = await iterator();
    server.respond('GetRecords', 2, { type: 'error', code: 'ProvisionedThroughputExceededException' });
    server.respond('GetRecords', 1, { type: 'error', code: 'InternalFailure', status: 500 });
    server.respond('GetRecords', 1, { type: 'raw', body: '{"Records": [' });
    server.respond('GetRecords', 1, { type: 'reset' });
    server.respond('GetRecords', 1, { type: 'hang' });
    server.respond('GetRecords', 1, { type: 'json', body: { Records: [], MillisBehindLatest: 7 } });
    const names: string[] = [];
    for (let call = 0; call < 6; call += 1) names.push((await failure(read(from))).name);
    expect(names.slice(0, 2)).to.deep.equal(Array(2).fill('ProvisionedThroughputExceededException'));
    expect(names[2]).to.equal('InternalFailure');
    expect(names[3]).to.equal('SyntaxError');
    expect(names[5]).to.equal('TimeoutError');
    expect((await read(from)).MillisBehindLatest).to.equal(7);
    expect((await read(from)).MillisBehindLatest).to.equal(0);
    expect(server.count('GetRecords')).to.equal(8);
    const answers = server.calls('GetRecords').map((call) => call.answeredBy);
    expect(answers).to.deep.equal(['error', 'error', 'error', 'raw', 'reset', 'hang', 'json', 'default']);
  });

  it('fails the scripted records of a PutRecords call, and stores the others', async () => {
    server.kinesis.createStream(stream);
    server.respond('PutRecords', 1, { type: 'failRecords', indices: [1] });
    const Records = ['a', 'b', 'c'].map((key) => ({ PartitionKey: key, Data: Buffer.from(key) }));
    const put = await client.send(new PutRecordsCommand({ StreamName: stream, Records }));
    expect(put.FailedRecordCount).to.equal(1);
    expect(put.Records![1]!.ErrorCode).to.equal('ProvisionedThroughputExceededException');
    expect((await read(await iterator())).Records!.map((record) => record.PartitionKey)).to.deep.equal(['a', 'c']);
  });

  it('carries out a call whose reply it delays, sends in two parts or drops', async () => {
    server.kinesis.createStream(stream);
    const write = (key: string) =>
      client.send(
        new PutRecordsCommand({ StreamName: stream, Records: [{ PartitionKey: key, Data: Buffer.from(key) }] }),
      );
    server.respond('PutRecords', 1, { type: 'delay', ms: 20 });
    server.respond('PutRecords', 1, { type: 'slowBody', ms: 20 });
    server.respond('PutRecords', 1, { type: 'dropReply' });
    // Timers of one process fire in the order of their due times, however late they are.
    const order: string[] = [];
    for (const key of ['a', 'b']) {
      const reply = write(key).then(() => order.push(key));
      await Promise.all([reply, delay(15).then(() => order.push('15 ms'))]);
    }
    expect(order).to.deep.equal(['15 ms', 'a', '15 ms', 'b']);
    await failure(write('c'));
    expect((await read(await iterator())).Records!.map((record) => record.PartitionKey)).to.deep.equal(['a', 'b', 'c']);
  });

  it('sends the Date header that the script sets', async () => {
    const dateOf = async (): Promise<string | null> =>
      (await fetch(server.url, { method: 'POST', body: '{}' })).headers.get('date');
    server.setDate(Date.UTC(2026, 0, 2, 3, 4, 5));
    expect(await dateOf()).to.equal('Fri, 02 Jan 2026 03:04:05 GMT');
    server.setDate('none');
    expect(await dateOf()).to.equal(null);
    server.setDate(undefined);
    const from = Math.floor(Date.now() / 1_000) * 1_000;
    expect(Date.parse((await dateOf())!)).to.be.within(from, Date.now());
  });

  it('scripts failures of DynamoDB in front of an upstream server: a lost reply, a failed condition', async () => {
    await using upstream = await startLocalServers();
    await using proxy = await scriptedServer({ proxy: { upstream: upstream.dynamodb }, requestTimeoutMs: 500 });
    const dynamodb = new DynamoDBClient({ ...proxy.clientConfig, maxAttempts: 1 });
    await dynamodb.send(
      new CreateTableCommand({
        TableName: 'table',
        KeySchema: [{ AttributeName: 'k', KeyType: 'HASH' }],
        AttributeDefinitions: [{ AttributeName: 'k', AttributeType: 'S' }],
        BillingMode: 'PAY_PER_REQUEST',
      }),
    );
    proxy.respond('PutItem', 1, { type: 'dropReply' });
    await failure(dynamodb.send(new PutItemCommand({ TableName: 'table', Item: { k: { S: 'a' }, n: { N: '1' } } })));
    const got = await dynamodb.send(new GetItemCommand({ TableName: 'table', Key: { k: { S: 'a' } } }));
    expect(got.Item!['n']).to.deep.equal({ N: '1' });
    proxy.respond(
      'UpdateItem',
      1,
      {
        type: 'error',
        code: 'ConditionalCheckFailedException',
        members: { Item: { k: { S: 'a' }, n: { N: '9' } } },
      },
      (input) => input['TableName'] === 'table',
    );
    const failed = await failure(dynamodb.send(new UpdateItemCommand({ TableName: 'table', Key: { k: { S: 'a' } } })));
    expect(failed).to.have.property('name', 'ConditionalCheckFailedException');
    expect((failed as unknown as { Item: object }).Item).to.deep.equal({ k: { S: 'a' }, n: { N: '9' } });
  });

  it('stops while a call hangs, leaves no connection, and may be stopped twice', async () => {
    server.kinesis.createStream(stream);
    server.respond('ListShards', 1, { type: 'hang' });
    const hanging = failure(client.send(new ListShardsCommand({ StreamName: stream })));
    await server.called('ListShards', 1);
    await server.stop();
    await hanging;
    expect(server.connections).to.equal(0);
    await server.stop();
  });
});
