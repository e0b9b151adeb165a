// `kinact leases` shows every row as it is, unreadable ones too, and names a shard that is open although its row is at SHARD_END. The
// rows are those of Java workers, in a table on a local server.
import { PassThrough } from 'node:stream';
import {
  CreateTableCommand,
  DynamoDBClient,
  PutItemCommand,
  waitUntilTableExists,
  type AttributeValue,
} from '@aws-sdk/client-dynamodb';
import { DeleteStreamCommand } from '@aws-sdk/client-kinesis';
import { expect } from 'chai';
import { failoverText } from '../../src/core/lease-failover.js';
import { wishText } from '../../src/core/lease-wish.js';
import { writerPrefixOf, writerOf } from '../../src/core/writer-signature.js';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { kinesisSource } from '../../src/aws/kinesis/kinesis-source.js';
import { printLeases } from '../../src/cli/leases.js';
import { hostEnvironment } from '../../src/consumer/host-environment.js';
import { arnOf, streamIdentityOf } from '../../src/core/stream-identity.js';
import type { Environment } from '../../src/api/source.js';
import { scriptedServer } from '../../src/testing/scripted-server/scripted-server.js';
import { environment, kinact } from '../support/command.js';
import { kinactInside } from '../support/command-inside.js';
import { LocalStream } from '../support/local-stream.js';

type Item = Record<string, AttributeValue>;

/** Rows as a Java KCL 2.x worker writes them (KCL clause 1.8). */
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

  it('prints one JSON array with a member per row, and the reason for each malformed row', async () => {
    const writer = writerOf(writerPrefixOf('worker-1', 'p'), 1);
    const ours = { kinactWriter: { S: writer }, kinactFailover: { S: failoverText(20_000, writer) } };
    await tableOf('rows', [{ ...held, ...ours }, free, ended, garbage]);
    const run = await kinact(['leases', '--application', 'rows', '--json'], env);
    // As every command that lists: what could not be read is named, and the exit code is 1.
    expect(run.code).to.equal(1);
    expect(run.stderr).to.match(/^lease shardId-\\u001b\[2J cannot be read: checkpoint is neither/);
    expect(run.stdout).to.match(/^\[.*\]\n$/);
    const [bad, ...rows] = JSON.parse(run.stdout) as Record<string, unknown>[];
    expect(rows).to.deep.equal([
      {
        leaseKey: 'shardId-000000000000',
        stream: null,
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
        stream: null,
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
        stream: null,
        owner: 'worker-1',
        counter: 41,
        checkpoint: '49590338271490256608559692538361571095921575989136588898',
        subSequenceNumber: 3,
        parents: ['shardId-000000000000'],
        children: [],
        millisBehindLatest: null,
        failoverMs: 20_000,
      },
    ]);
    expect(bad).to.include({ leaseKey: 'shardId-\u001b[2J', owner: null, checkpoint: null });
    expect(bad!['malformed']).to.match(/^checkpoint is neither/);
  });

  it('names the worker that asks the owner for a lease, unless the wish is for another tenure', async () => {
    const writer = writerOf(writerPrefixOf('worker-1', 'p'), 1);
    const wish = {
      writer: writerOf(writerPrefixOf('new', 'q'), 1),
      workerId: 'new \u001b[2J',
      failoverMs: 20_000,
      number: 1,
    };
    const asked: Item = {
      ...held,
      kinactWriter: { S: writer },
      kinactFailover: { S: failoverText(20_000, writer) },
      kinactWish: { S: wishText({ ...wish, holder: writer }) },
    };
    const old: Item = {
      ...asked,
      leaseKey: free['leaseKey']!,
      kinactWish: { S: wishText({ ...wish, holder: 'another' }) },
    };
    await tableOf('asked', [asked, old]);
    const [other, line] = JSON.parse(
      (await kinactInside(['leases', '--application', 'asked', '--json'], env)).stdout,
    ) as object[];
    expect(line).to.include({ owner: 'worker-1', askedBy: 'new \u001b[2J' });
    expect(other).not.to.have.property('askedBy');
    const { stdout } = await kinactInside(['leases', '--application', 'asked'], env);
    expect(stdout).to.match(/^shardId-0+1 +worker-1 +41 /m);
    expect(stdout).to.match(/^shardId-0+2 +worker-1, asked by new \\u001b\[2J +41 /m);
  });

  it('prints a table for people, without control characters from the rows', async () => {
    await tableOf('people', [held, free, ended, garbage]);
    const { code, stdout } = await kinactInside(['leases', '--application', 'people'], env);
    expect(code, 'a row cannot be read').to.equal(1);
    expect(stdout).not.to.include('\u001b');
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).to.match(/^LEASE +OWNER +COUNTER +CHECKPOINT +PARENTS +CHILDREN$/);
    expect(lines[1]).to.match(/^shardId-\\u001b\[2J +! +malformed: checkpoint is neither/);
    expect(lines[2]).to.match(/^shardId-000000000000 +\(ended\) +9 +SHARD_END +shardId-0+1,shardId-0+2$/);
    expect(lines[3]).to.match(/^shardId-000000000001 +\(free\) +0 +TRIM_HORIZON$/);
    expect(lines[4]).to.match(/^shardId-000000000002 +worker-1 +41 +4959033\d+\/3 +shardId-000000000000$/);
    expect(lines.slice(5)).to.deep.equal(['', 'no stream named in the row: 3 leases']);
  });

  it('names the streams of the leases, and when the streams were created', async () => {
    const arn = 'arn:aws:kinesis:eu-west-1:111122223333:stream/orders';
    const of = (row: Item, kinactStream: string): Item => ({ ...row, kinactStream: { S: kinactStream } });
    await tableOf('named', [of(free, `${arn}#1767225600`), of(held, `${arn}#1767225600`), ended]);
    const { stdout } = await kinactInside(['leases', '--application', 'named'], env);
    const [, below = ''] = stdout.split('\n\n');
    expect(below.trimEnd().split('\n')).to.deep.equal([
      'no stream named in the row: 1 lease',
      `stream ${arn} (created 2026-01-01T00:00:00Z): 2 leases`,
    ]);
    const json = await kinactInside(['leases', '--application', 'named', '--json'], env);
    const [first, second] = JSON.parse(json.stdout) as { stream: unknown; streamCreatedAt?: unknown }[];
    expect(first).to.include({ stream: null }).and.to.not.have.property('streamCreatedAt');
    expect(second).to.include({ stream: arn, streamCreatedAt: '2026-01-01T00:00:00Z' });
  });

  it('says that an empty table is empty', async () => {
    await tableOf('empty', []);
    expect(await kinactInside(['leases', '--application', 'empty', '--json'], env)).to.include({
      code: 0,
      stdout: '[]\n',
    });
    const { stdout } = await kinactInside(['leases', '--application', 'empty'], env);
    expect(stdout).to.equal("table 'empty' has no leases\n");
  });

  describe('for an open shard whose lease has ended', () => {
    let stream: LocalStream;
    let identity: string;
    let streams = 0;
    let application: string;
    beforeEach(async () => {
      application = `contradicted-${(streams += 1)}`;
      stream = new LocalStream(servers.clientConfig.kinesis, application);
      await stream.create(2);
      const source = kinesisSource({ streamName: application, client: stream.client }, hostEnvironment);
      identity = streamIdentityOf(await source.describe(new AbortController().signal));
      source.close();
      const stamped = (row: Item, kinactStream: string): Item => ({ ...row, kinactStream: { S: kinactStream } });
      const other = { ...ended, leaseKey: { S: 'shardId-000000000001' } };
      await tableOf(application, [stamped(ended, identity), stamped(other, `${arnOf(identity)}#1`)]);
    });
    afterEach(() => stream.close());

    /** Prints the leases. `meanwhile` takes the place of the minute between the two listings; all other timers are real. */
    const listed = async (meanwhile: () => Promise<unknown>, asJson = false): Promise<{ out: string; err: string }> => {
      const [stdout, stderr] = [new PassThrough(), new PassThrough()];
      const io = { stdin: new PassThrough(), stdout, stderr, env: {}, signal: new AbortController().signal };
      const timers: Environment['timers'] = {
        after: (ms, callback) => {
          if (ms !== 60_000) return hostEnvironment.timers.after(ms, callback);
          void (async () => {
            await meanwhile();
            callback();
          })();
          return () => {};
        },
      };
      const before = Object.keys(env).map((name) => [name, process.env[name]] as const);
      Object.assign(process.env, env);
      try {
        expect(await printLeases({ tableName: application, asJson }, { ...hostEnvironment, timers }, io)).to.equal(0);
      } finally {
        for (const [name, value] of before) {
          if (value === undefined) delete process.env[name];
          else process.env[name] = value;
        }
      }
      return { out: String(stdout.read()), err: String(stderr.read() ?? '') };
    };

    it('waits a minute for a second listing, says so, marks the row, and prints the remedy', async () => {
      let waits = 0;
      const { out, err } = await listed(() => Promise.resolve((waits += 1)));
      expect(waits).to.equal(1);
      expect(out).to.match(/^shardId-000000000000 +! +9 +SHARD_END, but the shard is open: see kinact reset --help/m);
      const [waiting, remedy, ...rest] = err.trimEnd().split('\n');
      expect(waiting).to.match(/^lease shardId-000000000000 has ended, .* a second follows in 60 s$/);
      expect(remedy).to.include(
        `kinact reset --application ${application} --stream ${arnOf(identity)} --shard shardId-000000000000 --to TRIM_HORIZON`,
      );
      expect(rest).to.deep.equal([]);
      const json = JSON.parse((await listed(() => Promise.resolve(), true)).out) as { shardIsOpen?: true }[];
      expect(json.map(({ shardIsOpen }) => shardIsOpen)).to.deep.equal([true, undefined]);
    });

    it('marks nothing if the shard is closed in the second listing', async () => {
      const { out, err } = await listed(() => stream.split('shardId-000000000000'));
      expect(out).to.match(/^shardId-000000000000 +\(ended\) +9 +SHARD_END/m);
      expect(err).to.not.include('kinact reset');
    });

    it('marks nothing, and says so, if the stream is gone before the second listing', async () => {
      const remove = (): Promise<unknown> => stream.client.send(new DeleteStreamCommand({ StreamName: application }));
      const { out, err } = await listed(remove);
      expect(out).not.to.include('the shard is open');
      expect(err).to.match(/\ncannot tell if shards of arn:[^\n]* are open: /);
    });

    it('waits for no second listing if the stream is gone from the start', async () => {
      await stream.client.send(new DeleteStreamCommand({ StreamName: application }));
      const { stdout, stderr } = await kinactInside(['leases', '--application', application], env);
      expect(stdout).not.to.include('the shard is open');
      expect(stderr).to.match(/^cannot tell if shards of arn:[^\n]* are open: STREAM_NOT_FOUND: [^\n]*\n$/);
    });
  });

  it('lists the leases of a table that KCL 3 governs, and says so', async () => {
    const leader = { leaseKey: { S: 'Leader' }, ownerName: { S: 'worker-2' }, entityType: { S: 'LEADER' } };
    await tableOf('kcl3', [{ ...held, checkpointOwner: { S: 'worker-2' } }, free, leader]);
    const { code, stdout, stderr } = await kinactInside(['leases', '--application', 'kcl3', '--json'], env);
    expect(code).to.equal(0);
    expect((JSON.parse(stdout) as { leaseKey: string }[]).map(({ leaseKey }) => leaseKey)).to.deep.equal([
      'shardId-000000000001',
      'shardId-000000000002',
    ]);
    expect(stderr).to.match(/^table 'kcl3' is governed by KCL 3: [^\n]*kinact adopt --help[^\n]*\n$/);
  });

  it('refuses a missing table and a foreign table, each in one line with the action to take', async () => {
    await tableOf('go-table', [], 'ShardID');
    const [missing, foreign] = await Promise.all(
      ['missing', 'go-table'].map((application) => kinactInside(['leases', '--application', application], env)),
    );
    expect(missing).to.include({ code: 1, stdout: '' });
    expect(missing!.stderr).to.match(/^TABLE_NOT_FOUND: Table 'missing' does not exist[^\n]*Check[^\n]*\n$/);
    expect(foreign).to.include({ code: 1, stdout: '' });
    expect(foreign!.stderr).to.match(
      /^TABLE_NOT_KCL: Table 'go-table' is not a KCL lease table[^\n]*Choose another[^\n]*\n$/,
    );
  });

  it('names the missing permission', async () => {
    const scripted = await scriptedServer();
    try {
      scripted.respond('DescribeTable', Infinity, { type: 'error', code: 'AccessDeniedException', message: 'not you' });
      const run = await kinactInside(['leases', '--application', 'app'], environment({ dynamodb: scripted.url }));
      expect(run).to.include({ code: 1, stdout: '' });
      expect(run.stderr).to.match(/^ACCESS_DENIED: [^\n]*grant dynamodb:DescribeTable[^\n]*\n$/);
    } finally {
      await scripted.stop();
    }
  });

  it('repeats a throttled call, and ends at once when access is denied', async () => {
    const scripted = await scriptedServer();
    try {
      scripted.respond('DescribeTable', 2, { type: 'error', code: 'ThrottlingException', message: 'slow down' });
      scripted.respond('DescribeTable', Infinity, { type: 'error', code: 'AccessDeniedException', message: 'not you' });
      const run = await kinactInside(['leases', '--application', 'app'], environment({ dynamodb: scripted.url }));
      expect(run.stderr).to.match(/^dynamodb:DescribeTable is repeated: [^\n]*\nACCESS_DENIED: [^\n]*\n$/);
      expect(scripted.calls('DescribeTable').length).to.equal(3);
    } finally {
      await scripted.stop();
    }
  });
});
