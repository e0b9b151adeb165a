import {
  CreateTableCommand,
  DynamoDBClient,
  PutItemCommand,
  waitUntilTableExists,
  type AttributeValue,
} from '@aws-sdk/client-dynamodb';
import { DeleteStreamCommand } from '@aws-sdk/client-kinesis';
import { expect } from 'chai';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { kinesisPollingSource } from '../../src/aws/kinesis-polling.js';
import { hostWorld } from '../../src/cli/world.js';
import { streamIdentityOf } from '../../src/core/stream-identity.js';
import { scriptedServer } from '../../src/testing/scripted-server.js';
import { environment, kinact } from '../support/command.js';
import { LocalStream } from '../support/local-stream.js';

type Item = Record<string, AttributeValue>;

/** Rows as a Java KCL 2.x worker writes them (kcl.md 1.8). */
const free: Item = {
  leaseKey: { S: 'shardId-000000000001' },
  leaseCounter: { N: '0' },
  ownerSwitchesSinceCheckpoint: { N: '0' },
  checkpoint: { S: 'TRIM_HORIZON' },
  checkpointSubSequenceNumber: { N: '0' },
  startingHashKey: { S: '0' },
  endingHashKey: { S: '340282366920938463463374607431768211455' },
};
const held: Item = {
  ...free,
  leaseKey: { S: 'shardId-000000000002' },
  leaseCounter: { N: '41' },
  leaseOwner: { S: 'worker-1' },
  checkpoint: { S: '49590338271490256608559692538361571095921575989136588898' },
  checkpointSubSequenceNumber: { N: '3' },
  parentShardId: { SS: ['shardId-000000000000'] },
};
const ended: Item = {
  ...free,
  leaseKey: { S: 'shardId-000000000000' },
  leaseCounter: { N: '9' },
  checkpoint: { S: 'SHARD_END' },
  childShardIds: { SS: ['shardId-000000000002', 'shardId-000000000001'] },
};
const garbage: Item = { leaseKey: { S: 'shardId-\u001b[2J' }, checkpoint: { S: 'nonsense' }, leaseCounter: { N: '1' } };

describe('kinact leases', () => {
  let servers: LocalServers;
  let client: DynamoDBClient;
  let env: Record<string, string>;
  before(async () => {
    servers = await startLocalServers();
    client = new DynamoDBClient(servers.clientConfig.dynamodb);
    env = environment(servers);
  });
  after(async () => {
    client.destroy();
    await servers.stop();
  });

  const tableOf = async (name: string, rows: readonly Item[], key = 'leaseKey'): Promise<void> => {
    await client.send(
      new CreateTableCommand({
        TableName: name,
        AttributeDefinitions: [{ AttributeName: key, AttributeType: 'S' }],
        KeySchema: [{ AttributeName: key, KeyType: 'HASH' }],
        BillingMode: 'PAY_PER_REQUEST',
      }),
    );
    await waitUntilTableExists({ client, maxWaitTime: 10, minDelay: 0.01, maxDelay: 0.1 }, { TableName: name });
    for (const Item of rows) await client.send(new PutItemCommand({ TableName: name, Item }));
  };

  it('prints one JSON array with a member per row, malformed ones with their reason', async () => {
    await tableOf('rows', [held, free, ended, garbage]);
    const run = await kinact(['leases', '--application', 'rows', '--json'], env);
    expect(run).to.include({ code: 0, stderr: '' });
    expect(run.stdout).to.match(/^\[.*\]\n$/);
    const [bad, ...rows] = JSON.parse(run.stdout) as Record<string, unknown>[];
    expect(rows).to.deep.equal([
      {
        leaseKey: 'shardId-000000000000',
        owner: null,
        counter: 9,
        checkpoint: 'SHARD_END',
        subSequenceNumber: 0,
        parents: [],
        children: ['shardId-000000000001', 'shardId-000000000002'],
        millisBehindLatest: null,
      },
      {
        leaseKey: 'shardId-000000000001',
        owner: null,
        counter: 0,
        checkpoint: 'TRIM_HORIZON',
        subSequenceNumber: 0,
        parents: [],
        children: [],
        millisBehindLatest: null,
      },
      {
        leaseKey: 'shardId-000000000002',
        owner: 'worker-1',
        counter: 41,
        checkpoint: '49590338271490256608559692538361571095921575989136588898',
        subSequenceNumber: 3,
        parents: ['shardId-000000000000'],
        children: [],
        millisBehindLatest: null,
      },
    ]);
    expect(bad).to.include({ leaseKey: 'shardId-\u001b[2J', owner: null, checkpoint: null });
    expect(bad!['malformed']).to.match(/^checkpoint is neither/);
  });

  it('prints a table for people, in which nothing of a row can move the cursor', async () => {
    await tableOf('people', [held, free, ended, garbage]);
    const { code, stdout } = await kinact(['leases', '--application', 'people'], env);
    expect(code).to.equal(0);
    expect(stdout).not.to.include('\u001b');
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).to.match(/^LEASE +OWNER +COUNTER +CHECKPOINT +PARENTS +CHILDREN$/);
    expect(lines[1]).to.match(/^shardId-\\u001b\[2J +! +malformed: checkpoint is neither/);
    expect(lines[2]).to.match(/^shardId-000000000000 +\(ended\) +9 +SHARD_END +shardId-0+1,shardId-0+2$/);
    expect(lines[3]).to.match(/^shardId-000000000001 +\(free\) +0 +TRIM_HORIZON$/);
    expect(lines[4]).to.match(/^shardId-000000000002 +worker-1 +41 +4959033\d+\/3 +shardId-000000000000$/);
    expect(lines).to.have.length(5);
  });

  it('says that an empty table is empty', async () => {
    await tableOf('empty', []);
    expect(await kinact(['leases', '--application', 'empty', '--json'], env)).to.include({ code: 0, stdout: '[]\n' });
    const { stdout } = await kinact(['leases', '--application', 'empty'], env);
    expect(stdout).to.equal("table 'empty' has no leases\n");
  });

  it('marks an ended row of a shard that its stream lists as open', async () => {
    const stream = new LocalStream(servers.clientConfig.kinesis, 'marked');
    await stream.create(2);
    const source = kinesisPollingSource({ streamName: 'marked', client: stream.client }, hostWorld);
    const identity = streamIdentityOf(await source.describe(new AbortController().signal));
    const stamped = (row: Item, kinactStream: string): Item => ({ ...row, kinactStream: { S: kinactStream } });
    const other = { ...ended, leaseKey: { S: 'shardId-000000000001' } };
    await tableOf('contradicted', [stamped(ended, identity), stamped(other, `${identity.split('#')[0]}#1`)]);
    const { code, stdout, stderr } = await kinact(['leases', '--application', 'contradicted', '--json'], env);
    expect([code, stderr]).to.deep.equal([0, '']);
    expect((JSON.parse(stdout) as { shardIsOpen?: true }[]).map(({ shardIsOpen }) => shardIsOpen)).to.deep.equal([
      true,
      undefined,
    ]);
    const table = await kinact(['leases', '--application', 'contradicted'], env);
    expect(table.stdout).to.match(
      /^shardId-000000000000 +! +9 +SHARD_END, but the shard is open: see kinact reset --help/m,
    );
    await stream.client.send(new DeleteStreamCommand({ StreamName: 'marked' }));
    const after = await kinact(['leases', '--application', 'contradicted'], env);
    expect(after.stdout).not.to.include('the shard is open');
    expect(after.stderr).to.match(/^whether shards of arn:[^\n]* are open is not known: STREAM_NOT_FOUND: /);
    stream.close();
  });

  it('lists a table that a KCL 3 governs, and says so', async () => {
    const leader = { leaseKey: { S: 'Leader' }, ownerName: { S: 'worker-2' }, entityType: { S: 'LEADER' } };
    await tableOf('kcl3', [{ ...held, checkpointOwner: { S: 'worker-2' } }, free, leader]);
    const { code, stdout, stderr } = await kinact(['leases', '--application', 'kcl3', '--json'], env);
    expect(code).to.equal(0);
    expect((JSON.parse(stdout) as { leaseKey: string }[]).map(({ leaseKey }) => leaseKey)).to.deep.equal([
      'shardId-000000000001',
      'shardId-000000000002',
    ]);
    expect(stderr).to.match(/^table 'kcl3' is governed by KCL 3: [^\n]*kinact adopt --help[^\n]*\n$/);
  });

  it('refuses a missing table and one of another kind, each in one line with the action', async () => {
    await tableOf('go-table', [], 'ShardID');
    const [missing, foreign] = await Promise.all(
      ['missing', 'go-table'].map((application) => kinact(['leases', '--application', application], env)),
    );
    expect(missing).to.include({ code: 1, stdout: '' });
    expect(missing!.stderr).to.match(/^TABLE_NOT_FOUND: table 'missing' does not exist[^\n]*check[^\n]*\n$/);
    expect(foreign).to.include({ code: 1, stdout: '' });
    expect(foreign!.stderr).to.match(
      /^TABLE_NOT_KCL: table 'go-table' is not a KCL lease table[^\n]*Choose another[^\n]*\n$/,
    );
  });

  it('says which permission is missing', async () => {
    const scripted = await scriptedServer();
    try {
      scripted.respond('DescribeTable', Infinity, { type: 'error', code: 'AccessDeniedException', message: 'not you' });
      const run = await kinact(['leases', '--application', 'app'], environment({ dynamodb: scripted.url }));
      expect(run).to.include({ code: 1, stdout: '' });
      expect(run.stderr).to.match(/^ACCESS_DENIED: [^\n]*grant dynamodb:DescribeTable[^\n]*\n$/);
    } finally {
      await scripted.stop();
    }
  });

  it('waits out throttling, and what no time cures it says at once', async () => {
    const scripted = await scriptedServer();
    try {
      scripted.respond('DescribeTable', 2, { type: 'error', code: 'ThrottlingException', message: 'slow down' });
      scripted.respond('DescribeTable', Infinity, { type: 'error', code: 'AccessDeniedException', message: 'not you' });
      const run = await kinact(['leases', '--application', 'app'], environment({ dynamodb: scripted.url }));
      expect(run.stderr).to.match(/^ACCESS_DENIED: [^\n]*\n$/);
      expect(scripted.calls('DescribeTable').length).to.equal(3);
    } finally {
      await scripted.stop();
    }
  });
});
