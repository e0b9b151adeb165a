// `kinact reset` overwrites no worker's write. It stops at a row that a worker has written in between, and writes each row only once
// even if replies are lost. A scripted proxy in front of a local DynamoDB makes the faults.
import { DynamoDBClient, PutItemCommand, ScanCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { expect } from 'chai';
import { openLeaseTable } from '../../src/aws/dynamodb/lease-table.js';
import { hostEnvironment } from '../../src/consumer/host-environment.js';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { scriptedServer, type ScriptedServer } from '../../src/testing/scripted-server/scripted-server.js';
import { environment, type Ended } from '../support/command.js';
import { kinactInside } from '../support/command-inside.js';
import { LocalStream } from '../support/local-stream.js';
import { leaseRow } from '../support/memory-lease-store.js';

type Row = Record<string, { readonly S?: string; readonly N?: string; readonly SS?: readonly string[] }>;

const never = new AbortController().signal;
const idOf = (index: number): string => `shardId-${String(index).padStart(12, '0')}`;

describe('kinact reset under faults', function () {
  this.timeout(400_000);
  let servers: LocalServers;
  let scripted: ScriptedServer;
  let dynamodb: DynamoDBClient;
  let stream: LocalStream;
  let application: string;
  let runs = 0;

  before(async () => {
    servers = await startLocalServers();
    dynamodb = new DynamoDBClient(servers.clientConfig.dynamodb);
    stream = new LocalStream(servers.clientConfig.kinesis, 'faulty');
    await stream.create(3);
  });
  after(async () => {
    stream.close();
    dynamodb.destroy();
    await servers.stop();
  });
  beforeEach(async () => {
    runs += 1;
    application = `faulty-${runs}`;
    scripted = await scriptedServer({ proxy: { upstream: servers.dynamodb } });
    const { region, credentials } = servers.clientConfig.dynamodb;
    const table = openLeaseTable({
      tableName: application,
      region,
      credentials,
      endpoint: servers.dynamodb,
      ...hostEnvironment,
    });
    await table.ensureTable(never);
    for (const index of [0, 1, 2]) {
      await table.create(leaseRow({ leaseKey: idOf(index), leaseCounter: 10, checkpoint: 'SHARD_END' }), never);
    }
    table.close();
  });
  afterEach(() => scripted.stop());

  const rows = async (): Promise<Row[]> => {
    const { Items = [] } = await dynamodb.send(new ScanCommand({ TableName: application }));
    return (Items as Row[]).sort((a, b) => (a['leaseKey']!.S! < b['leaseKey']!.S! ? -1 : 1));
  };
  const checkpoints = async (): Promise<(string | undefined)[]> =>
    (await rows()).map(({ checkpoint }) => checkpoint?.S);
  const counters = async (): Promise<(string | undefined)[]> =>
    (await rows()).map(({ leaseCounter }) => leaseCounter?.N);
  const reset = (...more: readonly string[]): Promise<Ended> => {
    const args = [
      'reset',
      '--application',
      application,
      '--stream',
      'faulty',
      '--to',
      'TRIM_HORIZON',
      '--yes',
      ...more,
    ];
    return kinactInside(args, environment({ ...servers, dynamodb: scripted.url }));
  };
  const all = (text: string): string[] => [text, text, text];

  it('repeats throttled calls, and writes each row once', async () => {
    scripted.respond('Scan', 2, { type: 'error', code: 'ProvisionedThroughputExceededException' });
    scripted.respond('UpdateItem', 4, { type: 'error', code: 'ThrottlingException' });
    const ended = await reset();
    expect(ended).to.include({ code: 0 });
    expect(ended.stderr).to.match(/^(dynamodb:(Scan|UpdateItem) is repeated: [^\n]+ was throttled [^\n]+\n)+$/);
    expect(await checkpoints()).to.deep.equal(all('TRIM_HORIZON'));
    expect(await counters()).to.deep.equal(all('11'));
  });

  it('writes each row once even if replies are lost', async () => {
    scripted.respond('UpdateItem', 2, { type: 'dropReply' });
    expect(await reset()).to.include({ code: 0 });
    expect(await checkpoints()).to.deep.equal(all('TRIM_HORIZON'));
    expect(await counters()).to.deep.equal(all('11'));
  });

  it('stops at the first row that another writer has changed, and says how many rows were done', async () => {
    const isSecond = (input: unknown): boolean => JSON.stringify(input).includes(idOf(1));
    scripted.respond('UpdateItem', 1, { type: 'error', code: 'ConditionalCheckFailedException' }, isSecond);
    const { code, stdout, stderr } = await reset();
    expect({ code, done: stdout.includes('rewritten') }).to.deep.equal({ code: 1, done: false });
    expect(stderr).to.match(/^REFUSED: row \S+1 has been changed by another writer: 1 of 3 rows were done; [^\n]*\n$/);
    expect(await checkpoints()).to.deep.equal(['TRIM_HORIZON', 'SHARD_END', 'SHARD_END']);
  });

  it('reports no row as done, and names the permission, if it may not write', async () => {
    scripted.respond('UpdateItem', Infinity, { type: 'error', code: 'AccessDeniedException', message: 'not you' });
    const { code, stderr } = await reset();
    expect(code).to.equal(1);
    expect(stderr).to.match(
      /^REFUSED: row \S+0 could not be written \([^\n]*UpdateItem[^\n]*\): 0 of 3 rows were done/,
    );
  });

  it('resets the row of a dead worker after it has watched, and keeps a foreign attribute', async () => {
    await dynamodb.send(
      new UpdateItemCommand({
        TableName: application,
        Key: { leaseKey: { S: idOf(2) } },
        UpdateExpression: 'SET leaseOwner = :o, checkpoint = :c, mine = :m, pendingCheckpoint = :c',
        ExpressionAttributeValues: { ':o': { S: 'dead' }, ':c': { S: 'TRIM_HORIZON' }, ':m': { S: 'kept' } },
      }),
    );
    const done = await kinactInside(
      ['reset', '--application', application, '--stream', 'faulty', '--to', 'TRIM_HORIZON', '--yes'],
      environment(servers),
      { limitMs: 150_000 },
    );
    expect(done).to.include({ code: 0 });
    expect(done.stderr).to.match(/^watching [^\n]* for 30 s[^\n]*\n$/);
    const last = (await rows())[2]!;
    expect(last).to.include.keys('mine').and.not.have.any.keys('leaseOwner', 'pendingCheckpoint');
    expect(last)
      .to.have.deep.property('kinactStream')
      .that.has.property('S')
      .that.matches(/stream\/faulty#\d+$/);
  });

  it('refuses rows of another stream, unless --stream gives the ARN', async () => {
    await dynamodb.send(
      new UpdateItemCommand({
        TableName: application,
        Key: { leaseKey: { S: idOf(2) } },
        UpdateExpression: 'SET kinactStream = :s',
        ExpressionAttributeValues: { ':s': { S: 'arn:aws:kinesis:us-east-1:999999999999:stream/faulty#1700000000' } },
      }),
    );
    const args = ['reset', '--application', application, '--to', 'TRIM_HORIZON', '--yes'];
    const refused = await kinactInside(args, environment(servers));
    expect(refused).to.include({ code: 1, stdout: '' });
    const why =
      /^REFUSED: row \S+2 was made for arn:\S+999999999999\S+ \(created \S+\), not for (arn:\S+): [^\n]*own application name/;
    expect(refused.stderr).to.match(why);
    const named = await reset();
    expect(named).to.include({ code: 1, stdout: '' });
    expect(named.stderr).to.match(why);
    const [, arn = ''] = why.exec(named.stderr) ?? [];
    const told = [...args.slice(0, 3), '--stream', arn, ...args.slice(3)];
    expect(await kinactInside(told, environment(servers))).to.include({ code: 0 });
    expect(await checkpoints()).to.deep.equal(all('TRIM_HORIZON'));
  });

  it('never touches a row of another entity, and refuses a KCL 3 table', async () => {
    const metric = { leaseKey: { S: 'worker-1' }, entityType: { S: 'WORKER_METRIC_STATS' }, lut: { N: '1' } };
    await dynamodb.send(new PutItemCommand({ TableName: application, Item: metric }));
    expect(await reset()).to.include({ code: 0 });
    expect((await rows()).find(({ leaseKey }) => leaseKey!.S === 'worker-1')).to.deep.equal(metric);
    const leader = { leaseKey: { S: 'Leader' }, entityType: { S: 'LEADER' }, ownerName: { S: 'j1' } };
    await dynamodb.send(new PutItemCommand({ TableName: application, Item: leader }));
    const before = await rows();
    const refused = await reset();
    expect(refused).to.include({ code: 1, stdout: '' });
    expect(refused.stderr).to.match(/^KCL3_TABLE: /);
    expect(await rows()).to.deep.equal(before);
  });
});
