// A missing lease table is created once, however many workers start together. A table of another kind, or of a KCL 3, is refused.
// The server is dynalite, slow enough that workers meet while the table is being created.
import {
  CreateTableCommand,
  DescribeTableCommand,
  DynamoDBClient,
  PutItemCommand,
  type AttributeValue,
  type KeySchemaElement,
} from '@aws-sdk/client-dynamodb';
import { expect } from 'chai';
import { openLeaseTable, type LeaseTableOptions } from '../../src/aws/dynamodb/lease-table.js';
import type { KinactError } from '../../src/api/errors.js';
import type { LeaseStore } from '../../src/api/ports.js';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';

const signal = new AbortController().signal;
const harness: Pick<LeaseTableOptions, 'clock' | 'timers'> = {
  clock: { now: () => performance.now(), wallNow: () => Date.now() },
  timers: {
    after(ms, callback) {
      const timer = setTimeout(callback, ms);
      return () => clearTimeout(timer);
    },
  },
};

async function rejection(promise: Promise<unknown>): Promise<KinactError> {
  try {
    await promise;
  } catch (error) {
    return error as KinactError;
  }
  throw new Error('it was expected to reject');
}

describe('ensuring a lease table', () => {
  let servers: LocalServers;
  let raw: DynamoDBClient;
  let tables = 0;
  let tableName: string;
  const opened: LeaseStore[] = [];

  const open = (more: Partial<LeaseTableOptions> = {}): LeaseStore => {
    const { region, credentials } = servers.clientConfig.dynamodb;
    const store = openLeaseTable({
      tableName,
      region,
      credentials,
      endpoint: servers.dynamodb,
      tablePollMs: 20,
      ...harness,
      ...more,
    });
    opened.push(store);
    return store;
  };
  const createRaw = (
    name: string,
    key: readonly (readonly [string, 'S' | 'N', 'HASH' | 'RANGE'])[],
  ): Promise<unknown> =>
    raw.send(
      new CreateTableCommand({
        TableName: name,
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: key.map(([AttributeName, AttributeType]) => ({ AttributeName, AttributeType })),
        KeySchema: key.map(([AttributeName, , KeyType]): KeySchemaElement => ({ AttributeName, KeyType })),
      }),
    );
  /** Waits for ACTIVE: 40 ms on this server. */
  const settled = async (name: string): Promise<void> => {
    for (;;) {
      const { Table } = await raw.send(new DescribeTableCommand({ TableName: name }));
      if (Table?.TableStatus === 'ACTIVE') return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  const putRaw = (name: string, item: Record<string, AttributeValue>): Promise<unknown> =>
    raw.send(new PutItemCommand({ TableName: name, Item: item }));

  before(async () => {
    // Slow enough that the tests see CREATING, and that two creators meet.
    servers = await startLocalServers({ createMs: 40 });
    raw = new DynamoDBClient(servers.clientConfig.dynamodb);
  });
  after(async () => {
    for (const store of opened) store.close();
    raw.destroy();
    await servers.stop();
  });
  beforeEach(() => {
    tableName = `app-${++tables}`;
  });

  it('creates a missing table, billed per request, and waits until it can be used', async () => {
    expect(await open().ensureTable(signal)).to.deep.equal({ created: true });
    expect((await open().scan(signal)).rows).to.deep.equal([]);
    const { Table } = await raw.send(new DescribeTableCommand({ TableName: tableName }));
    expect(Table?.BillingModeSummary?.BillingMode).to.equal('PAY_PER_REQUEST');
    expect(Table?.KeySchema).to.deep.equal([{ AttributeName: 'leaseKey', KeyType: 'HASH' }]);
    expect(await open().ensureTable(signal)).to.deep.equal({ created: false });
  });

  it('creates the table with provisioned capacity if the option asks for it', async () => {
    await open({ billing: { readCapacityUnits: 7, writeCapacityUnits: 9 } }).ensureTable(signal);
    const { Table } = await raw.send(new DescribeTableCommand({ TableName: tableName }));
    expect(Table?.ProvisionedThroughput).to.include({ ReadCapacityUnits: 7, WriteCapacityUnits: 9 });
  });

  it('succeeds on three workers that start at once on a missing table, and creates it only once', async () => {
    for (let round = 0; round < 3; round++) {
      tableName = `app-${tables}-race-${round}`;
      const stores = [open(), open(), open()];
      const ensured = await Promise.all(stores.map((store) => store.ensureTable(signal)));
      expect(ensured.filter(({ created }) => created).length).to.equal(1);
      await Promise.all(stores.map((store) => store.scan(signal)));
    }
  });

  it('rejects with STOPPED when it is aborted', async () => {
    const abort = new AbortController();
    const pending = rejection(open({ tablePollMs: 60_000 }).ensureTable(abort.signal));
    for (;;) {
      const found = await raw.send(new DescribeTableCommand({ TableName: tableName })).then(
        () => true,
        () => false,
      );
      if (found) break;
      await new Promise(setImmediate);
    }
    abort.abort();
    expect(await pending).to.include({ code: 'STOPPED' });
  });

  const wrong: readonly (readonly [string, readonly (readonly [string, 'S' | 'N', 'HASH' | 'RANGE'])[], RegExp])[] = [
    ['of vmware-go-kcl', [['ShardID', 'S', 'HASH']], /key is ShardID \(S\).*vmware-go-kcl.*another application name/],
    [
      'of lifion-kinesis',
      [
        ['consumerGroup', 'S', 'HASH'],
        ['streamName', 'S', 'RANGE'],
      ],
      /lifion-kinesis/,
    ],
    [
      'of kinesis-client-library',
      [
        ['type', 'S', 'HASH'],
        ['id', 'S', 'RANGE'],
      ],
      /kinesis-client-library/,
    ],
    ["that is the application's own", [['id', 'S', 'HASH']], /the lease table has the name of the application/],
    ["that is KCL 3's side table", [['key', 'S', 'HASH']], /CoordinatorState/],
    [
      'with a range key',
      [
        ['leaseKey', 'S', 'HASH'],
        ['at', 'N', 'RANGE'],
      ],
      /leaseKey \(S\) with range key at/,
    ],
    ['with a numeric key', [['leaseKey', 'N', 'HASH']], /leaseKey \(N\)/],
  ];
  for (const [whose, key, message] of wrong) {
    it(`refuses a table ${whose}, with the action to take`, async () => {
      await createRaw(tableName, key);
      const error = await rejection(open().ensureTable(signal));
      expect(error).to.include({ code: 'TABLE_NOT_KCL', retryable: false });
      expect(error.message).to.match(message);
    });
  }

  describe('with signs of a KCL 3 fleet', () => {
    const side = (): string => `${tableName}-CoordinatorState`;
    const leader = { entityType: { S: 'LEADER' }, ownerName: { S: 'worker-a' }, recordVersionNumber: { S: 'u' } };
    const version = (cv: string): Record<string, AttributeValue> => ({
      entityType: { S: 'CLIENT_VERSION_MIGRATION' },
      cv: { S: `CLIENT_VERSION_${cv}` },
    });
    const cases: readonly (readonly [string, string, Record<string, AttributeValue>, RegExp | undefined])[] = [
      ['the client version 3X', 'Migration3.0', version('3X'), /cv = CLIENT_VERSION_3X/],
      ['the client version 3X_WITH_ROLLBACK', 'Migration3.0', version('3X_WITH_ROLLBACK'), /3X_WITH_ROLLBACK/],
      ['a client version nobody knows', 'Migration3.0', version('4X'), /4X/],
      ['a leader that was not released', 'Leader', leader, /worker 'worker-a' holds the row 'Leader'/],
      ['the client version UPGRADE_FROM_2X', 'Migration3.0', version('UPGRADE_FROM_2X'), undefined],
      ['the client version 2X', 'Migration3.0', version('2X'), undefined],
      ['the client version INIT', 'Migration3.0', version('INIT'), undefined],
      ['a released leader', 'Leader', { ...leader, isReleased: { S: '1' } }, undefined],
    ];
    it('finds a leader in the side table by a scan 60 s later, and says what to remove', async () => {
      let lateMs = 0;
      const clock = { now: () => performance.now() + lateMs, wallNow: () => Date.now() };
      const table = open({ clock });
      await table.ensureTable(signal);
      await createRaw(side(), [['key', 'S', 'HASH']]);
      await settled(side());
      await putRaw(side(), { key: { S: 'Leader' }, ...leader });
      await table.scan(signal);
      lateMs = 60_000;
      const { code, message } = await rejection(table.scan(signal));
      expect(code).to.equal('KCL3_TABLE');
      expect(message).to.include('has an entityType other than LEASE');
      expect(message).to.include(`'${side()}' and '${tableName}-WorkerMetricStats'`);
    });

    for (const [what, key, attributes, message] of cases) {
      it(`${message === undefined ? 'accepts' : 'refuses'} ${what}, in the side table or lease table, at start and in a scan`, async () => {
        const table = open();
        await table.ensureTable(signal);
        await createRaw(side(), [['key', 'S', 'HASH']]);
        await settled(side());
        await putRaw(side(), { key: { S: key }, ...attributes });
        const inSide =
          message === undefined ? await table.ensureTable(signal) : await rejection(table.ensureTable(signal));
        tableName = `${tableName}-single`;
        const single = open();
        await single.ensureTable(signal);
        await putRaw(tableName, { leaseKey: { S: key }, ...attributes });
        if (message === undefined) {
          expect(inSide).to.deep.equal({ created: false });
          expect(await single.ensureTable(signal)).to.deep.equal({ created: false });
          expect(await single.scan(signal)).to.deep.include({ rows: [], malformed: [] });
          return;
        }
        for (const error of [
          inSide,
          await rejection(single.ensureTable(signal)),
          await rejection(single.scan(signal)),
        ]) {
          expect(error).to.include({ code: 'KCL3_TABLE', retryable: false });
          expect((error as KinactError).message)
            .to.match(message)
            .and.match(/Use another application name; or roll the fleet back/)
            .and.match(
              /every row that has an entityType other than LEASE .* '\S+-CoordinatorState' and '\S+-WorkerMetricStats'/,
            );
        }
      });
    }

    it('refuses a scan that shows a handoff under way', async () => {
      const table = open();
      await table.ensureTable(signal);
      await putRaw(tableName, {
        leaseKey: { S: 'shardId-1' },
        leaseCounter: { N: '1' },
        checkpoint: { S: '1' },
        leaseOwner: { S: 'b' },
        checkpointOwner: { S: 'a' },
      });
      const error = await rejection(table.scan(signal));
      expect(error).to.include({ code: 'KCL3_TABLE' });
      expect(error.message).to.match(/shardId-1 is being handed over/);
    });

    it('ignores a table with the name of the side table but another key', async () => {
      const table = open();
      await createRaw(side(), [['id', 'S', 'HASH']]);
      await settled(side());
      expect(await table.ensureTable(signal)).to.deep.equal({ created: true });
    });
  });
});
