// `kinact lag` against the scripted server: the streams and tables are the server's, and the lease table is dynalite's. No worker runs.
import {
  CreateTableCommand,
  DeleteItemCommand,
  DynamoDBClient,
  PutItemCommand,
  waitUntilTableExists,
  type AttributeValue,
} from '@aws-sdk/client-dynamodb';
import { expect } from 'chai';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { scriptedServer, type ScriptedServer } from '../../src/testing/scripted-server/scripted-server.js';
import { environment, startKinact, type Ended } from '../support/command.js';
import { kinactInside } from '../support/command-inside.js';

interface Line {
  readonly leaseKey: string;
  readonly owner: string | null;
  readonly hasLease: boolean;
  readonly isMalformed: boolean;
  readonly waits: boolean;
  readonly readLagMs: number | null;
  readonly settledLagMs: number | null;
  readonly arrivingPerSecond: number | null;
  readonly settledPerSecond: number | null;
  readonly problem: string | null;
}

const first = 'shardId-000000000000';
const second = 'shardId-000000000001';

describe('kinact lag', function () {
  this.timeout(120_000);
  let local: LocalServers;
  let server: ScriptedServer;
  let client: DynamoDBClient;
  before(async () => (local = await startLocalServers()));
  after(() => local.stop());
  let application = '';
  let made = 0;
  beforeEach(async () => {
    server = await scriptedServer({ proxy: { upstream: local.dynamodb } });
    client = new DynamoDBClient(local.clientConfig.dynamodb);
    made += 1;
    application = `lagging-${made}`;
    await client.send(
      new CreateTableCommand({
        TableName: application,
        AttributeDefinitions: [{ AttributeName: 'leaseKey', AttributeType: 'S' }],
        KeySchema: [{ AttributeName: 'leaseKey', KeyType: 'HASH' }],
        BillingMode: 'PAY_PER_REQUEST',
      }),
    );
    await waitUntilTableExists({ client, maxWaitTime: 10, minDelay: 0.01, maxDelay: 0.1 }, { TableName: application });
  });
  afterEach(async () => {
    client.destroy();
    await server.stop();
  });

  const env = (): Record<string, string> =>
    environment({ kinesis: server.url, dynamodb: server.url, streams: server.url });
  const lag = (...args: readonly string[]): Promise<Ended> =>
    kinactInside(['lag', '--application', application, ...args], env());
  const row = (leaseKey: string, checkpoint: string, more: Record<string, AttributeValue> = {}): Promise<unknown> =>
    client.send(
      new PutItemCommand({
        TableName: application,
        Item: {
          leaseKey: { S: leaseKey },
          checkpoint: { S: checkpoint },
          checkpointSubSequenceNumber: { N: '0' },
          leaseCounter: { N: '3' },
          ownerSwitchesSinceCheckpoint: { N: '0' },
          ...more,
        },
      }),
    );
  /** Puts records that arrived so long ago, oldest first. */
  const put = (shardId: string, ...ages: readonly number[]): string[] =>
    ages.map((ms) => {
      server.kinesis.advance(-ms);
      const { sequenceNumber } = server.kinesis.put('orders', { partitionKey: 'k', data: 'x', shardId });
      server.kinesis.advance(ms);
      return sequenceNumber;
    });
  const linesOf = ({ stdout }: { readonly stdout: string }): readonly Line[] =>
    stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Line);
  const arn = 'arn:aws:kinesis:us-east-1:000000000000:stream/orders';

  it('prints for each shard its owner and how old the oldest record after the checkpoint is, with few reads', async () => {
    const { arn: named } = server.kinesis.createStream('orders', 2);
    const [done] = put(first, 90_000, 60_000, 40_000, 20_000);
    const [all] = put(second, 50_000);
    await row(first, done!, { leaseOwner: { S: 'worker-1' }, kinactStream: { S: named } });
    await row(second, all!, { kinactStream: { S: named } });

    const ended = await lag('--json');
    expect({ code: ended.code, stderr: ended.stderr }).to.deep.equal({ code: 0, stderr: '' });
    const [one, two, ...more] = linesOf(ended);
    expect(more).to.deep.equal([]);
    expect(one).to.include({ leaseKey: first, owner: 'worker-1', problem: null, settledPerSecond: null });
    expect(one!.settledLagMs).to.be.within(60_000, 75_000);
    expect(one!.readLagMs).to.be.within(1, 60_000);
    expect(one!.arrivingPerSecond).to.be.within(0, 0.2);
    expect(two).to.include({ leaseKey: second, owner: null, waits: false, settledLagMs: 0, arrivingPerSecond: 0 });
    expect(server.count('GetRecords')).to.be.at.most(2 * 4);
    expect(server.count('GetShardIterator')).to.equal(2);

    const table = await lag();
    expect(table.code).to.equal(0);
    expect(table.stdout).to.match(/LEASE +OWNER +READ LAG +SETTLED LAG +ARRIVING +SETTLED\n/);
    expect(table.stdout).to.match(/shardId-000000000000 +worker-1 +[\d.]+ s +6\d\.\d s +[\d.]+\/s +-\n/);
    expect(table.stdout).to.match(/shardId-000000000001 +\(free\) +0 ms +0 ms +0\/s +-\n/);
    expect(table.stdout).to.include('2 shards: the oldest record without a durable checkpoint is 6');
    expect(table.stdout).to.include('1 without an owner');
  });

  for (const aheadMs of [60_000, -60_000]) {
    it(`shows the age of the oldest record by the service's clock, also if that is ${aheadMs / 1_000} s ahead`, async () => {
      server.kinesis.advance(aheadMs);
      server.kinesis.createStream('orders', 1);
      put(first, 5_000, 4_000);
      await row(first, 'TRIM_HORIZON', { leaseOwner: { S: 'worker-1' } });
      const [line] = linesOf(await lag('--stream', 'orders', '--json'));
      expect(line!.settledLagMs).to.be.within(3_000, 30_000);
      const { stdout } = await lag('--stream', 'orders');
      expect(stdout).to.include('the oldest record without a durable checkpoint is').and.not.include('everything');
    });
  }

  it('leaves ended shards out, counts a child that waits, and starts where a row without a record says', async () => {
    server.kinesis.createStream('orders', 1);
    put(first, 30_000);
    const [left, right] = server.kinesis.split('orders', first);
    put(left, 10_000);
    await row(first, 'TRIM_HORIZON', { leaseOwner: { S: 'worker-1' } });
    await row(left, 'TRIM_HORIZON', { parentShardId: { SS: [first] } });
    await row(right, 'SHARD_END', { parentShardId: { SS: [first] } });
    const lines = linesOf(await lag('--stream', 'orders', '--json'));
    expect(lines.map(({ leaseKey, waits }) => [leaseKey, waits])).to.deep.equal([
      [first, false],
      [left, true],
    ]);
    expect(lines[0]!.settledLagMs).to.be.within(30_000, 45_000);
    expect(lines[1]!.settledLagMs).to.be.within(10_000, 25_000);
    expect((await lag('--stream', 'orders')).stdout).to.include('(waits for its parent)');
  });

  it('ends with 1 if a shard cannot be looked at, and still shows the others', async () => {
    const { arn: named } = server.kinesis.createStream('orders', 1);
    put(first, 5_000);
    await row(first, 'TRIM_HORIZON', { kinactStream: { S: named } });
    await row(second, '49');
    const ended = await lag('--json');
    expect(ended.code).to.equal(1);
    expect(ended.stderr).to.equal(`${second}: the row names no stream: give --stream or --table\n`);
    const [one, two] = linesOf(ended);
    expect(one!.settledLagMs).to.be.within(5_000, 20_000);
    expect(two).to.include({ settledLagMs: null, readLagMs: null });
    expect(two!.problem).to.include('names no stream');

    const absent = await kinactInside(['lag', '--application', 'no-such-table'], env());
    expect({ code: absent.code, stdout: absent.stdout }).to.deep.equal({ code: 1, stdout: '' });
    expect(absent.stderr).to.match(/^TABLE_NOT_FOUND: .*\n$/);
  });

  it('looks at the shards that the service lists without a row, from their start, and not at those that have ended', async () => {
    server.kinesis.createStream('orders', 1);
    put(first, 30_000);
    const [left, right] = server.kinesis.split('orders', first);
    put(left, 10_000);
    await row(first, 'TRIM_HORIZON', { leaseOwner: { S: 'worker-1' } });
    const lines = linesOf(await lag('--stream', 'orders', '--json'));
    expect(lines.map(({ leaseKey, hasLease, waits }) => [leaseKey, hasLease, waits])).to.deep.equal([
      [first, true, false],
      [left, false, true],
      [right, false, true],
    ]);
    expect(lines[1]!.settledLagMs).to.be.within(10_000, 25_000);
    expect((await lag('--stream', 'orders')).stdout).to.match(/shardId-000000000001 +\(no lease\)/);

    await client.send(new DeleteItemCommand({ TableName: application, Key: { leaseKey: { S: first } } }));
    for (const leaseKey of [left, right]) await row(leaseKey, 'TRIM_HORIZON', { parentShardId: { SS: [first] } });
    const later = linesOf(await lag('--stream', 'orders', '--json'));
    expect(later.map(({ leaseKey }) => leaseKey)).to.deep.equal([left, right]);
  });

  it('says of a shard with a malformed row that the row cannot be read, and not that it is settled', async () => {
    server.kinesis.createStream('orders', 2);
    await row(first, 'TRIM_HORIZON');
    await row(second, 'garbage!!');
    const ended = await lag('--stream', 'orders');
    expect(ended.code).to.equal(1);
    expect(ended.stdout).to.match(/shardId-000000000001 +\(malformed row\) +- +-/);
    expect(ended.stdout).to.include('2 shards: what is known of is settled and durable');
    expect(ended.stderr.match(/cannot be read/g)).to.have.length(1);
    const [, two] = linesOf(await lag('--stream', 'orders', '--json'));
    expect(two).to.deep.include({ hasLease: true, isMalformed: true, settledLagMs: null, owner: null });
    expect(two!.problem).to.include('its row cannot be read');
  });

  it('says of a checkpoint that is not of the shard that it is beyond the newest record, and not that it is settled', async () => {
    server.kinesis.createStream('orders', 1);
    const newest = put(first, 30_000, 20_000).at(-1);
    for (const checkpoint of ['9'.repeat(56), `${BigInt(newest ?? 0) + 1n}`]) {
      await row(first, checkpoint);
      const ended = await lag('--stream', 'orders', '--json');
      expect(ended.code, checkpoint).to.equal(1);
      const [one] = linesOf(ended);
      expect(one, checkpoint).to.include({ settledLagMs: null, readLagMs: null });
      expect(one!.problem).to.include(`beyond the newest record, ${newest}`);
    }
  });

  it('is an error without a row of the application or of the stream, and if the service does not know the stream', async () => {
    const empty = await lag();
    expect({ code: empty.code, stdout: empty.stdout }).to.deep.equal({ code: 1, stdout: '' });
    expect(empty.stderr).to.include(`the lease table ${application} has no rows`);
    const { arn: named } = server.kinesis.createStream('orders', 1);
    await row(first, 'SHARD_END', { kinactStream: { S: named } });
    const other = await lag('--stream', 'others');
    expect({ code: other.code, stdout: other.stdout }).to.deep.equal({ code: 1, stdout: '' });
    expect(other.stderr).to.include('has no row of others');
    await row(second, 'SHARD_END');
    const unknown = await lag('--stream', 'others');
    expect(unknown.code).to.equal(1);
    expect(unknown.stderr).to.include('others: its shards cannot be listed: STREAM_NOT_FOUND');
  });

  it('shows the shards of the given stream only', async () => {
    server.kinesis.createStream('orders', 1);
    put(first, 5_000);
    await row(first, 'TRIM_HORIZON');
    await row(`000000000000:other:1:${first}`, 'TRIM_HORIZON', {
      streamName: { S: '000000000000:other:1' },
      shardId: { S: first },
    });
    expect(linesOf(await lag('--stream', 'orders', '--json')).map(({ leaseKey }) => leaseKey)).to.deep.equal([first]);
    expect(linesOf(await lag('--stream', arn, '--json')).map(({ leaseKey }) => leaseKey)).to.deep.equal([first]);
  });

  it('shows the shards of a table, where nobody says how far a reader is behind', async () => {
    server.tables.createTable('orders');
    server.tables.advance(-30_000);
    server.tables.put('orders', { id: { S: 'a' } });
    server.tables.put('orders', { id: { S: 'b' } });
    server.tables.advance(30_000);
    const [shardId] = server.tables.openShards('orders');
    const [one, two] = server.tables.sequenceNumbers('orders', shardId!);
    await row(shardId!, one!, { leaseOwner: { S: 'worker-1' } });
    const [line] = linesOf(await lag('--table', 'orders', '--json'));
    expect(line).to.include({ leaseKey: shardId, owner: 'worker-1', problem: null });
    expect(line!.settledLagMs).to.be.within(29_000, 50_000);
    expect(line!.readLagMs).to.be.within(29_000, 50_000);
    await row(shardId!, two!, { leaseOwner: { S: 'worker-1' } });
    expect(linesOf(await lag('--table', 'orders', '--json'))[0]).to.include({ settledLagMs: 0, readLagMs: 0 });
  });

  it('watches: the second look says how many records a second became durable, and a signal ends it with 0', async () => {
    server.kinesis.createStream('orders', 1);
    const numbers = put(first, 60_000, 50_000, 40_000, 30_000, 20_000);
    await row(first, numbers[0]!, { leaseOwner: { S: 'worker-1' } });
    const watching = startKinact(
      ['lag', '--application', application, '--stream', 'orders', '--watch', '2000', '--json'],
      env(),
    );
    await watching.until(({ stdout }) => linesOf({ stdout }).length > 0);
    await row(first, numbers[2]!, { leaseOwner: { S: 'worker-1' } });
    await watching.until(({ stdout }) => linesOf({ stdout }).some((line) => (line.settledPerSecond ?? 0) > 0));
    const lines = linesOf(watching.output);
    expect(lines[0]).to.include({ settledPerSecond: null });
    watching.child.kill('SIGTERM');
    expect((await watching.ended).code).to.equal(0);
  });
});
