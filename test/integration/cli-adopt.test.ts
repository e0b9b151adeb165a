// `kinact adopt` removes everything that a KCL 3 has left, but keeps every lease as it is. It refuses while anything in the tables
// still changes. The tables are real ones on a local server. A clock that runs forty times as fast shortens the watch.
import {
  CreateTableCommand,
  DynamoDBClient,
  ListTablesCommand,
  PutItemCommand,
  ScanCommand,
  waitUntilTableExists,
  waitUntilTableNotExists,
  type AttributeValue,
} from '@aws-sdk/client-dynamodb';
import { expect } from 'chai';
import { failoverText } from '../../src/core/lease-failover.js';
import { writerPrefixOf, writerOf } from '../../src/core/writer-signature.js';
import { PassThrough } from 'node:stream';
import { openKcl3Remains, type Kcl3Remains } from '../../src/aws/dynamodb/kcl3-remains.js';
import { openLeaseTable } from '../../src/aws/dynamodb/lease-table.js';
import { adoptTables } from '../../src/cli/adopt.js';
import type { CommandIo } from '../../src/cli/command.js';
import { hostEnvironment } from '../../src/consumer/host-environment.js';
import type { Environment } from '../../src/api/source.js';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { environment, kinact } from '../support/command.js';

type Item = Record<string, AttributeValue>;

/** Rows as a KCL 3.5 leaves them (KCL clauses 1.5, 1.6, 1.8). */
const lease: Item = {
  leaseKey: { S: 'shardId-000000000000' },
  leaseCounter: { N: '41' },
  leaseOwner: { S: 'worker-1' },
  ownerSwitchesSinceCheckpoint: { N: '0' },
  checkpoint: { S: '49590338271490256608559692538361571095921575989136588898' },
  checkpointSubSequenceNumber: { N: '0' },
  entityType: { S: 'LEASE' },
  throughputKBps: { N: '1.5' },
};
const handedOver: Item = {
  ...lease,
  leaseKey: { S: 'shardId-000000000001' },
  leaseOwner: { S: 'worker-2' },
  checkpointOwner: { S: 'worker-1' },
};
const migration: Item = {
  leaseKey: { S: 'Migration3.0' },
  cv: { S: 'CLIENT_VERSION_3X' },
  entityType: { S: 'CLIENT_VERSION_MIGRATION' },
};
const leader: Item = {
  leaseKey: { S: 'Leader' },
  ownerName: { S: 'worker-1' },
  recordVersionNumber: { S: 'a' },
  entityType: { S: 'LEADER' },
};
const metrics: Item = {
  leaseKey: { S: 'worker-1' },
  lut: { N: '1700000000' },
  sts: { M: { C: { L: [{ N: '12' }] } } },
  entityType: { S: 'WORKER_METRIC_STATS' },
};

/** In this environment a minute takes a second and a half. */
const quick: Environment = {
  ...hostEnvironment,
  clock: { now: () => hostEnvironment.clock.now() * 40, wallNow: () => hostEnvironment.clock.wallNow() },
  timers: { after: (ms, callback) => hostEnvironment.timers.after(ms / 40, callback) },
};

describe('kinact adopt', () => {
  let servers: LocalServers;
  let client: DynamoDBClient;
  let tables: Kcl3Remains;
  let application: string;
  let runs = 0;

  before(async () => {
    servers = await startLocalServers();
    client = new DynamoDBClient(servers.clientConfig.dynamodb);
  });
  after(async () => {
    client.destroy();
    await servers.stop();
  });
  beforeEach(async () => {
    runs += 1;
    application = `adopted-${runs}`;
    tables = openKcl3Remains({ tableName: application, client, ...hostEnvironment });
    await create(application, 'leaseKey', [lease, handedOver, migration, leader, metrics]);
  });
  afterEach(() => tables.close());

  const create = async (TableName: string, key: string, items: readonly Item[]): Promise<void> => {
    await client.send(
      new CreateTableCommand({
        TableName,
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [{ AttributeName: key, AttributeType: 'S' }],
        KeySchema: [{ AttributeName: key, KeyType: 'HASH' }],
      }),
    );
    await waitUntilTableExists({ client, maxWaitTime: 10, minDelay: 0.05, maxDelay: 0.05 }, { TableName });
    for (const Item of items) await client.send(new PutItemCommand({ TableName, Item }));
  };
  const rows = async (): Promise<Item[]> => {
    const { Items = [] } = await client.send(new ScanCommand({ TableName: application }));
    return Items.sort((a, b) => (a['leaseKey']!.S! < b['leaseKey']!.S! ? -1 : 1));
  };
  const run = async (yes: boolean): Promise<string> => {
    const stdout = new PassThrough();
    const io: CommandIo = {
      stdin: new PassThrough(),
      stdout,
      stderr: new PassThrough(),
      env: {},
      signal: new AbortController().signal,
    };
    await adoptTables({ tableName: application, watchMs: 70_000, yes }, { tables, environment: quick }, io);
    return String(stdout.read());
  };
  const failure = (promise: Promise<unknown>): Promise<Error> =>
    promise.then(
      () => expect.fail('it did not fail'),
      (error: Error) => error,
    );

  it('lists what it would remove, and changes nothing without --yes', async () => {
    const before = await rows();
    const { code, stdout } = await kinact(['adopt', '--application', application], environment(servers));
    expect(code).to.equal(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.slice(1, -1).map((line) => line.split(/ {2,}/))).to.deep.equal([
      ['row worker-1', 'WORKER_METRIC_STATS', '(removed)'],
      ['row shardId-000000000001', 'checkpointOwner worker-1', '(attribute removed; the lease stays)'],
      ['row Leader', 'LEADER', '(removed)'],
      ['row Migration3.0', 'CLIENT_VERSION_MIGRATION', '(removed)'],
    ]);
    expect(lines.at(-1)).to.equal(
      `adopt: 3 rows, 1 attribute, 0 tables to remove for '${application}'; nothing was changed, --yes applies it`,
    );
    expect(await rows()).to.deep.equal(before);
  });

  it('removes KCL 3 rows, pending hand-overs and side tables, and keeps the leases in a usable table', async () => {
    const sides = [`${application}-CoordinatorState`, `${application}-WorkerMetricStats`] as const;
    await create(sides[0], 'key', [{ key: { S: 'Leader' }, ownerName: { S: 'worker-1' } }]);
    await create(sides[1], 'wid', []);
    const said = await run(true);
    expect(said.trimEnd().split('\n').at(-1)).to.equal(
      `adopt: 3 rows, 1 attribute, 2 tables removed for '${application}'`,
    );
    const { checkpointOwner: _gone, ...kept } = handedOver;
    expect(await rows()).to.deep.equal([lease, kept]);
    for (const TableName of sides)
      await waitUntilTableNotExists({ client, maxWaitTime: 10, minDelay: 0.05, maxDelay: 0.05 }, { TableName });
    const table = openLeaseTable({ tableName: application, client, ...hostEnvironment });
    expect(await table.ensureTable(new AbortController().signal)).to.deep.equal({ created: false });
    expect(await run(true)).to.equal(`adopt: table '${application}' has no KCL 3 state\n`);
  });

  it('refuses while a row of the table still changes, and names the row', async () => {
    const before = await rows();
    const beat = quick.timers.after(30_000, () => {
      void client.send(new PutItemCommand({ TableName: application, Item: { ...metrics, lut: { N: '1700000030' } } }));
    });
    const error = await failure(run(true));
    beat();
    expect(error).to.include({ code: 'REFUSED' });
    expect(error.message).to.include(`row ${application}/worker-1 is being written to`);
    expect((await rows()).length).to.equal(before.length);
  });

  it('finds the failoverMs of a kinact worker that holds a lease', async () => {
    const find = async (): Promise<number> => (await tables.find(new AbortController().signal)).failoverMs;
    expect(await find()).to.equal(0);
    const writer = writerOf(writerPrefixOf('worker-2', 'p'), 1);
    const ours = { kinactWriter: { S: writer }, kinactFailover: { S: failoverText(300_000, writer) } };
    await client.send(new PutItemCommand({ TableName: application, Item: { ...handedOver, ...ours } }));
    expect(await find()).to.equal(300_000);
  });

  it('refuses to remove a row that was written after it was found', async () => {
    const { remains } = await tables.find(new AbortController().signal);
    const Item = { ...leader, recordVersionNumber: { S: 'b' } };
    await client.send(new PutItemCommand({ TableName: application, Item }));
    const seen = remains.find((each) => each.type === 'row' && each.key === 'Leader')!;
    expect(await tables.remove(seen, new AbortController().signal)).to.equal('refused');
    const other = remains.find((each) => each.type === 'row' && each.key === 'worker-1')!;
    expect(await tables.remove(other, new AbortController().signal)).to.equal('removed');
    expect(await tables.remove(other, new AbortController().signal)).to.equal('removed');
    expect((await rows()).map((row) => row['leaseKey']!.S)).to.include('Leader');
  });

  it('keeps a table that has the name of a side table but another key', async () => {
    const side = `${application}-CoordinatorState`;
    await create(side, 'id', []);
    await run(true);
    const { TableNames } = await client.send(new ListTablesCommand({}));
    expect(TableNames).to.include(side);
  });
});
