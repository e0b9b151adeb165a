// The scripted server shares DynamoDB's calls between its own tables and an upstream server, by the table that a call names.
// The clients are the real SDK.
import { expect } from 'chai';
import {
  BatchWriteItemCommand,
  CreateTableCommand,
  DeleteTableCommand,
  DescribeTableCommand,
  DynamoDBClient,
  PutItemCommand,
  ScanCommand,
  UpdateTableCommand,
  type CreateTableCommandInput,
} from '@aws-sdk/client-dynamodb';
import {
  DescribeStreamCommand,
  DynamoDBStreamsClient,
  GetRecordsCommand,
  GetShardIteratorCommand,
} from '@aws-sdk/client-dynamodb-streams';
import { GetRecordsCommand as GetKinesisRecordsCommand, KinesisClient } from '@aws-sdk/client-kinesis';
import { startLocalServers, type LocalServers } from '../../../src/testing/local-servers.js';
import { scriptedServer, type ScriptedServer } from '../../../src/testing/scripted-server/scripted-server.js';
import type { ScriptedServerOptions } from '../../../src/testing/index.js';

const keyed = (TableName: string): CreateTableCommandInput => ({
  TableName,
  KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
  AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
  BillingMode: 'PAY_PER_REQUEST',
});
const withStream = { StreamSpecification: { StreamEnabled: true, StreamViewType: 'NEW_IMAGE' } } as const;
const item = (TableName: string, id: string): PutItemCommand =>
  new PutItemCommand({ TableName, Item: { id: { S: id }, bytes: { B: Buffer.from(id) }, n: { N: '1.50' } } });
const nameOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (error: Error) => error.name,
  );

describe('the tables of scriptedServer', () => {
  let local: LocalServers;
  let server: ScriptedServer;
  let dynamodb: DynamoDBClient;
  let streams: DynamoDBStreamsClient;

  before(async () => (local = await startLocalServers()));
  after(() => local.stop());
  const start = async (options: ScriptedServerOptions = {}): Promise<void> => {
    server = await scriptedServer({ requestTimeoutMs: 2_000, ...options });
    dynamodb = new DynamoDBClient({ ...server.clientConfig, maxAttempts: 1 });
    streams = new DynamoDBStreamsClient({ ...server.clientConfig, maxAttempts: 1 });
  };
  afterEach(() => server.stop());

  it('are read by the SDK: dates, bytes and numbers arrive as it decodes them', async () => {
    await start();
    await dynamodb.send(new CreateTableCommand({ ...keyed('orders'), ...withStream }));
    await dynamodb.send(item('orders', 'a'));
    const { Table } = await dynamodb.send(new DescribeTableCommand({ TableName: 'orders' }));
    const StreamArn = Table!.LatestStreamArn!;
    const { StreamDescription } = await streams.send(new DescribeStreamCommand({ StreamArn }));
    const ShardId = StreamDescription!.Shards![0]!.ShardId!;
    const input = { StreamArn, ShardId, ShardIteratorType: 'TRIM_HORIZON' } as const;
    const { ShardIterator } = await streams.send(new GetShardIteratorCommand(input));
    const { Records } = await streams.send(new GetRecordsCommand({ ShardIterator }));
    const { ApproximateCreationDateTime: at, NewImage } = Records![0]!.dynamodb!;
    expect(at).to.be.an.instanceOf(Date);
    expect(Math.abs(server.tables.now() - at!.getTime())).to.be.lessThan(60_000);
    expect(Buffer.from(NewImage!['bytes']!.B!).toString()).to.equal('a');
    expect(NewImage!['n']).to.deep.equal({ N: '1.5' });
  });

  it('are those that a test creates, or CreateTable with a stream; all other tables are upstream', async () => {
    await start({ proxy: { upstream: local.dynamodb } });
    server.tables.createTable('by-the-test');
    await dynamodb.send(new CreateTableCommand({ ...keyed('with-stream'), ...withStream }));
    await dynamodb.send(new CreateTableCommand(keyed('leases')));
    for (const name of ['by-the-test', 'with-stream', 'leases']) await dynamodb.send(item(name, 'a'));
    expect([...server.tables.tables.keys()]).to.deep.equal(['by-the-test', 'with-stream']);
    expect(server.tables.table('with-stream').items.size).to.equal(1);

    const scanned = await dynamodb.send(new ScanCommand({ TableName: 'leases' }));
    expect(scanned.Count).to.equal(1);
    expect(await nameOf(dynamodb.send(new ScanCommand({ TableName: 'with-stream' })))).to.equal(
      'UnknownOperationException',
    );
    const PutRequest = { Item: { id: { S: 'b' } } };
    await dynamodb.send(new BatchWriteItemCommand({ RequestItems: { leases: [{ PutRequest }] } }));
    await dynamodb.send(new BatchWriteItemCommand({ RequestItems: { 'by-the-test': [{ PutRequest }] } }));
    expect(server.tables.table('by-the-test').items.size).to.equal(2);
    await dynamodb.send(new DeleteTableCommand({ TableName: 'leases' }));
  });

  it('are all tables where there is no upstream server', async () => {
    await start();
    await dynamodb.send(new CreateTableCommand(keyed('orders')));
    const { Table } = await dynamodb.send(new DescribeTableCommand({ TableName: 'orders' }));
    expect(Table).not.to.have.property('LatestStreamArn');
    await dynamodb.send(new UpdateTableCommand({ TableName: 'orders', ...withStream }));
    expect(server.tables.stream('orders').view).to.equal('NEW_IMAGE');
    expect(await nameOf(dynamodb.send(item('nothing', 'a')))).to.equal('ResourceNotFoundException');
  });

  it('have a clock of their own, which the Date of their answers shows', async () => {
    await start({ kinesis: { now: () => 0 }, tables: { now: () => Date.UTC(2026, 0, 1) } });
    server.tables.createTable('orders');
    server.tables.advance(86_400_000);
    const ask = async (target: string): Promise<string | null> => {
      const body = JSON.stringify({ TableName: 'orders' });
      const answer = await fetch(server.url, { method: 'POST', headers: { 'x-amz-target': target }, body });
      await answer.text();
      return answer.headers.get('date');
    };
    expect(await ask('DynamoDB_20120810.DescribeTable')).to.equal('Fri, 02 Jan 2026 00:00:00 GMT');
    expect(await ask('DynamoDBStreams_20120810.ListStreams')).to.equal('Fri, 02 Jan 2026 00:00:00 GMT');
    expect(await ask('Kinesis_20131202.ListStreams')).to.equal('Thu, 01 Jan 1970 00:00:00 GMT');
  });

  it('are scripted by `streams:`, which leaves the operation of the same name of Kinesis alone', async () => {
    await start();
    const kinesis = new KinesisClient({ ...server.clientConfig, maxAttempts: 1 });
    server.respond('streams:GetRecords', 1, { type: 'error', code: 'LimitExceededException' });
    const input = { ShardIterator: 'garbage' };
    expect(await nameOf(kinesis.send(new GetKinesisRecordsCommand(input)))).to.equal('InvalidArgumentException');
    expect(await nameOf(streams.send(new GetRecordsCommand(input)))).to.equal('LimitExceededException');
    expect(await nameOf(streams.send(new GetRecordsCommand(input)))).to.equal('ValidationException');
    expect(['GetRecords', 'streams:GetRecords', 'kinesis:GetRecords'].map(server.count)).to.deep.equal([3, 2, 1]);
    expect(() => server.respond('stream:GetRecords', 1, { type: 'hang' })).to.throw('operation');
  });
});
