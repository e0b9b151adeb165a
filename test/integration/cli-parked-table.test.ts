// Changes that a consumer of a table has parked in a folder, at `extract` and at `reduce`, run again by `kinact parked replay --module` as
// changes. The scripted server has the table.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBStreamsClient } from '@aws-sdk/client-dynamodb-streams';
import { expect } from 'chai';
import {
  createConsumer,
  defineReducer,
  dynamodbStream,
  fileSink,
  park,
  type Change,
  type Item,
} from '../../src/index.js';
import { memoryLeases } from '../../src/parking/memory-leases.js';
import { scriptedServer } from '../../src/testing/scripted-server/scripted-server.js';
import { environment, kinact } from '../support/command.js';
import { temporaryFolder } from '../support/parked.js';

/** Parks the change of `b`, which is refused, and that of `c`, whose number does not fit, in either order. */
async function parkInto(path: string): Promise<readonly (string | undefined)[]> {
  await using server = await scriptedServer();
  server.tables.createTable('orders');
  const client = new DynamoDBStreamsClient(server.clientConfig);
  const tableClient = new DynamoDBClient(server.clientConfig);
  const numbers = { a: '1', b: '2', c: '9007199254740993' };
  for (const [id, n] of Object.entries(numbers)) server.tables.put('orders', { id: { S: id }, n: { N: n } });
  const source = {
    ...dynamodbStream({ tableName: 'orders', client, tableClient }),
    openLeases: (_: unknown, { tableName }: { readonly tableName: string }) => memoryLeases(tableName, () => 0),
  };
  const consumer = createConsumer({
    application: 'totals',
    source,
    reducers: 1,
    reducer: defineReducer({
      init: () => 0,
      reduce: (count, { value }: Item<Change>) => {
        if (value.keys['id'] === 'b') throw new Error('no b');
        return count + 1;
      },
    }),
    onFailure: park(fileSink({ path })),
    logger: false,
  });
  const keys: (string | undefined)[] = [];
  const bothParked = new Promise<void>((resolve) => {
    consumer.on('itemParked', ({ key, partitionKey }) => void (keys.push(key ?? partitionKey) === 2 && resolve()));
  });
  await consumer.start();
  await bothParked;
  await consumer.stop();
  client.destroy();
  tableClient.destroy();
  return keys.toSorted();
}

describe('kinact parked, with changes of a table', function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  const path = join(folder.path, 'parked');
  let told: readonly (string | undefined)[] = [];
  before(async () => (told = await parkInto(path)));
  after(() => folder.remove());

  const replay = async (text: string): Promise<unknown[]> => {
    const file = join(folder.path, `${text.length}.mjs`);
    writeFileSync(file, text);
    const ended = await kinact(['parked', 'replay', '--path', path, '--module', file, '--yes'], environment({}));
    expect({ code: ended.code, stderr: ended.stderr }).to.deep.equal({ code: 0, stderr: '' });
    const lines = ended.stdout.split('\n').filter((line) => line.startsWith('{"was"'));
    return lines.toSorted().map((line) => JSON.parse(line) as unknown);
  };
  const reducer = `({ init: () => 0, reduce: (count, { key, value }) => {
    console.log(JSON.stringify({ was: key, image: value.newImage }));
    return count + 1;
  } })`;
  const images = [
    { was: '{"id":{"S":"b"}}', image: { id: 'b', n: '2' } },
    { was: '{"id":{"S":"c"}}', image: { id: 'c', n: '9007199254740993' } },
  ];

  it('reports and lists both under the key of the changed item', async () => {
    const { stdout } = await kinact(['parked', 'list', '--path', path], environment({}));
    const keys = stdout.split('\n').flatMap((line) => /\{"id".*?\}\}/.exec(line)?.[0] ?? []);
    expect(told).to.deep.equal(keys.toSorted());
    expect(keys.toSorted()).to.deep.equal(['{"id":{"S":"b"}}', '{"id":{"S":"c"}}']);
  });

  it('gives extract of a module the change of each', async () => {
    const extract = `export const numbers = 'string';
      export const extract = ({ partitionKey, change }) => [{ key: partitionKey, value: change }];
      export const reducer = ${reducer};`;
    expect(await replay(extract)).to.deep.equal(images);
  });
});
