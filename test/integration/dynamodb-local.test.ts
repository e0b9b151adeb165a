// Amazon's DynamoDB Local beside the scripted tables: both give equal answers to the same calls. And a consumer reads a table of it,
// with its lease table there, too. It runs only with KINACT_DYNAMODB_LOCAL=1, because of its licence; the skip says so.
import {
  BatchWriteItemCommand,
  CreateTableCommand,
  DeleteItemCommand,
  DescribeTableCommand,
  DynamoDBClient,
  PutItemCommand,
  UpdateItemCommand,
  UpdateTableCommand,
  type AttributeValue,
} from '@aws-sdk/client-dynamodb';
import {
  DescribeStreamCommand,
  DynamoDBStreamsClient,
  GetRecordsCommand,
  GetShardIteratorCommand,
  type _Record as StreamRecord,
} from '@aws-sdk/client-dynamodb-streams';
import { expect } from 'chai';
import {
  createConsumer,
  defineReducer,
  dynamodbStream,
  type Change,
  type Consumer,
  type Item,
} from '../../src/index.js';
import { scriptedServer, type ScriptedServer } from '../../src/testing/scripted-server/scripted-server.js';
import type { LocalClientConfig } from '../../src/testing/index.js';
import { startDynamoDbLocal, type DynamoDbLocal } from '../support/dynamodb-local.js';

const Key = { id: { S: 'a' } };
const TableName = 'orders';
type Attributes = Record<string, AttributeValue>;

/** What a server does, without what differs from one run to the next: ids, numbers, times. */
interface Seen {
  readonly records: readonly object[];
  readonly answers: Readonly<Record<string, unknown>>;
}

const shownOf = ({ eventName, userIdentity, dynamodb }: StreamRecord): object => {
  const { Keys, NewImage, OldImage, StreamViewType, SizeBytes } = dynamodb!;
  return { eventName, userIdentity, Keys, NewImage, OldImage, StreamViewType, SizeBytes };
};

const outcome = (work: Promise<object>): Promise<string> =>
  work.then(
    () => 'done',
    (error: Error) => error.name,
  );

async function play(config: LocalClientConfig): Promise<Seen> {
  const dynamodb = new DynamoDBClient({ ...config, maxAttempts: 1 });
  const streams = new DynamoDBStreamsClient({ ...config, maxAttempts: 1 });
  const answers: Record<string, unknown> = {};
  const specification = { StreamEnabled: true, StreamViewType: 'NEW_AND_OLD_IMAGES' } as const;
  await dynamodb.send(
    new CreateTableCommand({
      TableName,
      KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
      BillingMode: 'PAY_PER_REQUEST',
      StreamSpecification: specification,
    }),
  );
  const described = async () => (await dynamodb.send(new DescribeTableCommand({ TableName }))).Table!;
  const { LatestStreamArn: StreamArn } = await described();
  const put = (id: string, more: Attributes = {}) =>
    dynamodb.send(new PutItemCommand({ TableName, Item: { id: { S: id }, ...more } }));
  await writeAll(dynamodb, put, answers);

  const shards = async () => (await streams.send(new DescribeStreamCommand({ StreamArn }))).StreamDescription!.Shards!;
  const ShardId = (await shards())[0]!.ShardId;
  const iterator = async (more: object = { ShardIteratorType: 'TRIM_HORIZON' }): Promise<string> =>
    (
      await streams.send(
        new GetShardIteratorCommand({ StreamArn, ShardId, ...(more as { ShardIteratorType: 'LATEST' }) }),
      )
    ).ShardIterator!;
  const read = (ShardIterator: string, Limit?: number) =>
    streams.send(new GetRecordsCommand({ ShardIterator, ...(Limit === undefined ? {} : { Limit }) }));

  const { Records = [], ...rest } = await read(await iterator());
  answers['members of an answer'] = Object.keys(rest).filter((name) => name !== '$metadata');
  const numbers = Records.map(({ dynamodb: part }) => part!.SequenceNumber!);
  answers['digits of a number'] = [...new Set(numbers.map(({ length }) => length))];
  answers['form of a shard id'] = /^shardId-\d{20}-[0-9a-f]{8}$/.test(ShardId!);

  const type = (ShardIteratorType: string, SequenceNumber?: string): object => ({ ShardIteratorType, SequenceNumber });
  const tries: Record<string, () => Promise<object>> = {
    'a number in the shard': async () => read(await iterator(type('AFTER_SEQUENCE_NUMBER', numbers[0]!))),
    'a number to come': async () =>
      read(await iterator(type('AFTER_SEQUENCE_NUMBER', String(Number(numbers.at(-1)) + 1_000).padStart(21, '0')))),
    'a number of 40 digits': async () =>
      read(await iterator(type('AT_SEQUENCE_NUMBER', numbers[0]!.padStart(40, '0')))),
    'a number below the shard': () => iterator(type('AT_SEQUENCE_NUMBER', '0'.repeat(21))) as never,
    'a number without its zeros': () =>
      iterator(type('AFTER_SEQUENCE_NUMBER', numbers[0]!.replace(/^0+/, ''))) as never,
    AT_TIMESTAMP: () => iterator(type('AT_TIMESTAMP')) as never,
    'TRIM_HORIZON with a number': () => iterator(type('TRIM_HORIZON', numbers[0]!)) as never,
    'AFTER without a number': () => iterator(type('AFTER_SEQUENCE_NUMBER')) as never,
    'garbage as an iterator': () => read('garbage'),
    'a limit of 1,001': async () => read(await iterator(), 1_001),
    'a shard that is not there': () =>
      iterator({ ShardId: ShardId!.replaceAll(/\d/g, '1'), ...type('LATEST') }) as never,
    'a stream that is not there': () => streams.send(new DescribeStreamCommand({ StreamArn: `${StreamArn}1` })),
    '101 shards': () => streams.send(new DescribeStreamCommand({ StreamArn, Limit: 101 })),
  };
  for (const [name, work] of Object.entries(tries)) answers[name] = await outcome(work());

  const fixed = await iterator(type('LATEST'));
  await put('behind LATEST');
  answers['LATEST is fixed'] = (await read(fixed)).Records!.length;

  await dynamodb.send(new UpdateTableCommand({ TableName, StreamSpecification: { StreamEnabled: false } }));
  const disabled = await described();
  answers['a disabled stream'] = [disabled.LatestStreamArn === StreamArn, disabled.StreamSpecification];
  answers['its shard'] = (await shards()).map((each) => each.SequenceNumberRange!.EndingSequenceNumber !== undefined);
  answers['its end'] = await pagesToTheEnd(await iterator(), read);
  answers['LATEST on a closed shard'] = await pagesToTheEnd(await iterator(type('LATEST')), read);
  await dynamodb.send(new UpdateTableCommand({ TableName, StreamSpecification: specification }));
  answers['another ARN'] = (await described()).LatestStreamArn !== StreamArn;

  return { records: Records.map(shownOf), answers };
}

/** The records of each page until an answer has no next iterator; a page more is a page too many. */
async function pagesToTheEnd(
  first: string,
  read: (iterator: string) => Promise<{ Records?: StreamRecord[] | undefined; NextShardIterator?: string | undefined }>,
): Promise<number> {
  let records = 0;
  let next: string | undefined = first;
  for (let page = 1; next !== undefined; page += 1) {
    if (page > 10) throw new Error('the shard does not end');
    const answer: Awaited<ReturnType<typeof read>> = await read(next);
    records += answer.Records!.length;
    next = answer.NextShardIterator;
  }
  return records;
}

/** Writes of every kind, and writes that change nothing. */
async function writeAll(
  dynamodb: DynamoDBClient,
  put: (id: string, more?: Attributes) => Promise<object>,
  answers: Record<string, unknown>,
): Promise<void> {
  await put('a', { n: { N: '1' }, set: { SS: ['b', 'a'] } });
  await put('a', { n: { N: '1.0' }, set: { SS: ['a', 'b'] } });
  await put('a', { n: { N: '2' } });
  for (const n of ['-0', '1E+3', '1.10', '+007.50', '19.99', '9'.repeat(38), '1.5e-3'])
    await put(`n ${n}`, { n: { N: n } });
  answers['39 digits'] = await outcome(put('a', { n: { N: '9'.repeat(39) } }));
  answers['an empty key'] = await outcome(put(''));
  await put('list', { list: { L: [{ N: '1.10' }, { S: '' }] }, numbers: { NS: ['10', '9'] } });
  await put('rest', {
    text: { S: '\0 🧦' },
    none: { NULL: true },
    empty: { L: [] },
    map: { M: {} },
    bytes: { B: Buffer.from([]) },
  });
  const update = (UpdateExpression: string, values?: Attributes) =>
    dynamodb.send(
      new UpdateItemCommand({
        ...{ TableName, Key, UpdateExpression, ReturnValues: 'ALL_NEW' },
        ...(values === undefined ? {} : { ExpressionAttributeValues: values }),
      }),
    );
  answers['an update'] = (await update('SET m = :m REMOVE n', { ':m': { N: '3' } })).Attributes;
  // Without a record, DynamoDB Local stores the 3.0; the next update puts the 3 back.
  for (const N of ['3.0', '3']) await update('SET m = :m', { ':m': { N } });
  await update('REMOVE nothing');
  answers['an update of the key'] = await outcome(update('SET id = :m', { ':m': { S: 'b' } }));
  answers['a failed condition'] = await outcome(
    dynamodb.send(new DeleteItemCommand({ TableName, Key, ConditionExpression: 'attribute_not_exists(id)' })),
  );
  await dynamodb.send(new DeleteItemCommand({ TableName, Key: { id: { S: 'absent' } } }));
  await dynamodb.send(new DeleteItemCommand({ TableName, Key }));
  const batch = ['c', 'a', 'b'].map((id) => ({ PutRequest: { Item: { id: { S: id } } } }));
  await dynamodb.send(
    new BatchWriteItemCommand({
      RequestItems: { [TableName]: [...batch, { DeleteRequest: { Key: { id: { S: 'list' } } } }] },
    }),
  );
}

describe('DynamoDB Local', function () {
  this.timeout(120_000);
  let local: DynamoDbLocal;
  let scripted: ScriptedServer;

  before(async function () {
    const made = await startDynamoDbLocal();
    if (typeof made === 'string') {
      process.stdout.write(`      skipped: ${made}\n`);
      return this.skip();
    }
    local = made;
    scripted = await scriptedServer({ tables: { childFilter: false, eventTimes: 'minute' } });
  });
  after(async () => {
    await scripted?.stop();
    await local?.stop();
  });

  it('and the scripted tables make the same records of the same writes, and answer the same calls alike', async () => {
    const [theirs, ours] = [await play(local.clientConfig), await play(scripted.clientConfig)];
    expect(ours.answers).to.deep.equal(theirs.answers);
    expect(ours.records).to.deep.equal(theirs.records);
  });

  for (const initialPosition of ['TRIM_HORIZON', 'LATEST'] as const)
    it(`is read from ${initialPosition} by a consumer, which goes on after its checkpoints when another one takes over`, async () => {
      const table = `changes-${initialPosition.toLowerCase()}`;
      const dynamodb = new DynamoDBClient(local.clientConfig);
      await dynamodb.send(
        new CreateTableCommand({
          TableName: table,
          KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
          AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
          BillingMode: 'PAY_PER_REQUEST',
          StreamSpecification: { StreamEnabled: true, StreamViewType: 'NEW_IMAGE' },
        }),
      );
      const write = async (from: number, to: number): Promise<void> => {
        for (let n = from; n < to; n += 1)
          await dynamodb.send(
            new PutItemCommand({ TableName: table, Item: { id: { S: `item ${n % 7}` }, n: { N: String(n) } } }),
          );
      };
      const seen: number[] = [];
      let wake: () => void = () => {};
      const until = (n: number): Promise<void> =>
        new Promise((resolve) => {
          wake = () => (seen.includes(n) ? resolve() : undefined);
          wake();
        });
      const start = async (workerId: string): Promise<Consumer> => {
        const consumer = createConsumer({
          ...{ application: `app-${table}`, workerId, logger: false, reducers: 3 },
          source: dynamodbStream<{ readonly id: string; readonly n: number }>({
            ...{ tableName: table, initialPosition, idleMs: 100 },
            ...{ client: new DynamoDBStreamsClient(local.clientConfig), tableClient: dynamodb },
          }),
          leases: { client: dynamodb },
          reducer: defineReducer({
            init: () => 0,
            reduce: (count: number, { value }: Item<Change<{ readonly id: string; readonly n: number }>>) => {
              seen.push(value.newImage!.n);
              wake();
              return count + 1;
            },
          }),
        });
        await consumer.start();
        return consumer;
      };

      await write(0, 50);
      const first = await start('a');
      await write(50, 100);
      await until(99);
      await first.stop();
      await write(100, 150);
      const second = await start('b');
      await until(149);
      await second.stop();
      const numbers = Array.from({ length: 150 }, (_, n) => n);
      const due = initialPosition === 'LATEST' ? numbers.slice(50) : numbers;
      expect(seen, 'nothing lost').to.include.members(due);
      expect(new Set(seen).size, 'nothing twice').to.equal(seen.length);
      for (const item of [0, 1, 2, 3, 4, 5, 6]) {
        const ofItem = seen.filter((n) => n % 7 === item);
        expect(ofItem, 'in order').to.deep.equal(ofItem.toSorted((a, b) => a - b));
      }
    });
});
