// After `kinact reset` a new worker reads exactly from the requested position, even if the stream was created again under its name.
// A killed reset can be finished, and no worker starts on a half-finished one.
import { setTimeout as sleep } from 'node:timers/promises';
import { DynamoDBClient, GetItemCommand, ScanCommand } from '@aws-sdk/client-dynamodb';
import { DeleteStreamCommand, KinesisClient } from '@aws-sdk/client-kinesis';
import { expect } from 'chai';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { environment, kinact, startKinact, type Ended } from '../support/command.js';
import { kinactInside } from '../support/command-inside.js';
import { faultyProxy } from '../support/faulty-proxy.js';
import { LocalStream } from '../support/local-stream.js';

type Row = Record<string, { readonly S?: string; readonly N?: string; readonly SS?: readonly string[] }>;

const numbered = (from: number, to: number): { key: string; data: string }[] =>
  Array.from({ length: to - from }, (_, index) => ({ key: `key-${from + index}`, data: String(from + index) }));
const dataOf = ({ stdout }: { readonly stdout: string }): number[] =>
  stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => Number((JSON.parse(line) as { readonly data: string }).data))
    .sort((a, b) => a - b);
const upTo = (count: number, from = 0): number[] => Array.from({ length: count }, (_, index) => from + index);

describe('kinact reset', function () {
  this.timeout(400_000);
  let servers: LocalServers;
  let env: Record<string, string>;
  let dynamodb: DynamoDBClient;
  let kinesis: KinesisClient;
  let runs = 0;
  let stream: LocalStream;
  let application: string;

  before(async () => {
    servers = await startLocalServers();
    env = environment(servers);
    dynamodb = new DynamoDBClient(servers.clientConfig.dynamodb);
    kinesis = new KinesisClient(servers.clientConfig.kinesis);
  });
  after(async () => {
    dynamodb.destroy();
    kinesis.destroy();
    await servers.stop();
  });
  beforeEach(() => {
    runs += 1;
    stream = new LocalStream(servers.clientConfig.kinesis, `reset-${runs}`);
    application = `reset-app-${runs}`;
  });
  afterEach(() => stream.close());

  const rows = async (): Promise<Row[]> => {
    const { Items = [] } = await dynamodb.send(new ScanCommand({ TableName: application }));
    return (Items as Row[]).sort((a, b) => (a['leaseKey']!.S! < b['leaseKey']!.S! ? -1 : 1));
  };
  const tail = (name = stream.name): Promise<Ended> =>
    kinactInside(['tail', '--stream', name, '--application', application, '--text', '--until-idle', '1000'], env);
  const reset = (...args: readonly string[]): Promise<Ended> =>
    kinactInside(['reset', '--application', application, ...args], env);
  const recreate = async (shards: number): Promise<void> => {
    await kinesis.send(new DeleteStreamCommand({ StreamName: stream.name }));
    // Creation times have whole seconds, and the new stream must have another one.
    await sleep(1_100);
    await stream.create(shards);
  };

  it('prints the change of each of 16 rows, and makes the changes with --yes', async () => {
    await stream.create(16);
    await stream.put(numbered(0, 200));
    expect(dataOf(await tail())).to.deep.equal(upTo(200));
    expect(dataOf(await tail())).to.deep.equal([]);
    const before = await rows();
    const dry = await reset('--to', 'TRIM_HORIZON');
    expect(dry).to.include({ code: 0, stderr: '' });
    const lines = dry.stdout.trimEnd().split('\n');
    expect(lines).to.have.length(18);
    expect(lines[0]).to.match(/^LEASE +OWNER +CHECKPOINT +BECOMES$/);
    for (const line of lines.slice(1, 17)) expect(line).to.match(/^shardId-0{10}\d\d +\(free\) +\d+ +TRIM_HORIZON$/);
    const last = `16 rows to rewrite, 0 to create, 0 to remove in table '${application}'; nothing was changed, --yes applies it`;
    expect(lines[17]).to.equal(`reset: ${last}`);
    expect(await rows()).to.deep.equal(before);

    const done = await reset('--to', 'TRIM_HORIZON', '--yes');
    expect(done).to.include({ code: 0, stderr: '' });
    expect(done.stdout).to.include(`reset: 16 rows rewritten, 0 created, 0 removed in table '${application}'\n`);
    for (const [index, row] of (await rows()).entries()) {
      const { leaseCounter, checkpoint, kinactWriter, ...rest } = row;
      const {
        leaseCounter: counter,
        checkpoint: _,
        kinactWriter: writer,
        kinactLatestAt: _2,
        ...same
      } = before[index]!;
      expect(rest).to.deep.equal(same);
      expect(checkpoint).to.deep.equal({ S: 'TRIM_HORIZON' });
      expect(leaseCounter).to.deep.equal({ N: String(Number(counter!.N) + 1) });
      expect(kinactWriter).not.to.deep.equal(writer);
    }
    expect(dataOf(await tail())).to.deep.equal(upTo(200));
  });

  it('is the remedy for a stream created again while no worker read it: all 40 records come', async () => {
    await stream.create(2);
    await stream.put(numbered(0, 20));
    expect(dataOf(await tail())).to.deep.equal(upTo(20));
    await recreate(2);
    await stream.put(numbered(100, 140));
    const before = await rows();
    const refused = await tail();
    expect(refused).to.include({ code: 1, stdout: '' });
    expect(refused.stderr).to.match(/^STREAM_CHANGED: [^\n]*\n$/);
    const remedy = /kinact (reset --application \S+ --stream \S+ --to TRIM_HORIZON)/.exec(refused.stderr)![1]!;
    expect(await rows()).to.deep.equal(before);
    expect(await kinact([...remedy.split(' '), '--yes'], env)).to.include({ code: 0 });
    expect(dataOf(await tail())).to.deep.equal(upTo(40, 100));
  });

  it('is the remedy for a stream created again while a worker reads it, which ends the worker', async () => {
    await stream.create(2);
    await stream.put(numbered(0, 20));
    const args = ['tail', '--stream', stream.name, '--application', application, '--text'];
    const running = startKinact(args, env, { limitMs: 150_000 });
    await running.until(({ stdout }) => stdout.split('\n').length > 20);
    await kinesis.send(new DeleteStreamCommand({ StreamName: stream.name }));
    // The process has noticed that the stream is gone, and the new stream will have another creation time.
    await Promise.all([running.until(({ stderr }) => stderr.includes(' is repeated')), sleep(1_100)]);
    await stream.create(2);
    await stream.put(numbered(100, 140));
    const ended = await running.ended;
    expect(ended.code).to.equal(1);
    expect(ended.stderr).to.match(/\nSTREAM_CHANGED: [^\n]*kinact reset --application [^\n]*\n$/);
    expect(dataOf(ended)).to.deep.equal(upTo(20));
    expect((await rows()).map(({ leaseOwner }) => leaseOwner)).to.deep.equal([undefined, undefined]);
    expect(await reset('--to', 'TRIM_HORIZON', '--yes')).to.include({ code: 0 });
    expect(dataOf(await tail())).to.deep.equal(upTo(40, 100));
  });

  it('is the remedy for a new stream with fewer shards, whose later split reuses the old ids', async () => {
    await stream.create(4);
    await stream.put(numbered(0, 20));
    expect(dataOf(await tail())).to.deep.equal(upTo(20));
    await recreate(1);
    await stream.put(numbered(100, 110));
    await stream.split('shardId-000000000000');
    await stream.put(numbered(110, 140));
    expect(await tail()).to.include({ code: 1, stdout: '' });
    const done = await reset('--to', 'TRIM_HORIZON', '--yes');
    expect(done.stdout)
      .to.include('3 rows rewritten, 0 created, 1 removed')
      .and.to.match(/0003 .*\(removed: not a shard of this stream\)/);
    expect(dataOf(await tail())).to.deep.equal(upTo(40, 100));
  });

  it('is not needed for a second stream under one application name, which kinact refuses without a write', async () => {
    await stream.create(2);
    await stream.put(numbered(0, 20));
    await tail();
    const before = await rows();
    const second = new LocalStream(servers.clientConfig.kinesis, `${stream.name}-second`);
    await second.create(3);
    await second.put(numbered(0, 40));
    const refused = await tail(second.name);
    second.close();
    expect(refused).to.include({ code: 1, stdout: '' });
    expect(refused.stderr).to.match(
      /^STREAM_CHANGED: .*stream\/reset-\d+ \(created .*stream\/reset-\d+-second \(created .*its own application name/,
    );
    expect(await rows()).to.deep.equal(before);
    await stream.put(numbered(20, 30));
    expect(dataOf(await tail())).to.deep.equal(upTo(10, 20));
  });

  it('writes nothing while a worker holds a lease, names the row, and does not disturb the worker', async () => {
    await stream.create(2);
    await stream.put(numbered(0, 10));
    const running = startKinact(['tail', '--stream', stream.name, '--application', application, '--text'], env);
    await running.until(({ stdout }) => stdout.split('\n').length > 10);
    const refused = await reset('--to', 'TRIM_HORIZON', '--yes');
    expect(refused).to.include({ code: 1, stdout: '' });
    expect(refused.stderr).to.match(
      /^watching [^\n]*for 30 s[^\n]*\nREFUSED: row shardId-\d+ is being written to, by worker/,
    );
    running.child.kill('SIGTERM');
    const { code, stdout } = await running.ended;
    expect({ code, data: dataOf({ stdout }) }).to.deep.equal({ code: 0, data: upTo(10) });
  });

  it('can be finished after a kill half-way, and no worker starts before that', async () => {
    await stream.create(4);
    await stream.put(numbered(0, 40));
    await tail();
    await recreate(4);
    await stream.put(numbered(100, 140));
    const proxy = await faultyProxy(servers.dynamodb);
    try {
      const cut = environment({ ...servers, dynamodb: proxy.endpoint });
      const args = ['reset', '--application', application, '--to', 'TRIM_HORIZON', '--yes'];
      proxy.set({ type: 'slow', ms: 400 });
      const running = startKinact(args, cut);
      const written = async (): Promise<number> =>
        (await rows()).filter(({ checkpoint }) => checkpoint!.S === 'TRIM_HORIZON').length;
      while ((await written()) === 0) await sleep(20);
      running.child.kill('SIGKILL');
      await running.ended;
      expect(await written()).to.be.within(1, 3);
      const refused = await tail();
      expect(refused).to.include({ code: 1, stdout: '' });
      expect(refused.stderr).to.match(/^STREAM_CHANGED/);
      expect(await reset('--to', 'TRIM_HORIZON', '--yes')).to.include({ code: 0 });
      expect(dataOf(await tail())).to.deep.equal(upTo(40, 100));
    } finally {
      await proxy.close();
    }
  });

  it('makes a worker read a shard again after a sequence number, from LATEST, or from a time', async () => {
    await stream.create(1);
    await stream.put(numbered(0, 10));
    const { stdout } = await tail();
    const [, second] = stdout
      .split('\n')
      .map((line) => line && (JSON.parse(line) as { sequenceNumber: string; data: string }));
    const { sequenceNumber, data } = second as { sequenceNumber: string; data: string };
    expect(await reset('--shard', 'shardId-000000000000', '--to', sequenceNumber, '--yes')).to.include({ code: 0 });
    const { Item } = await dynamodb.send(
      new GetItemCommand({ TableName: application, Key: { leaseKey: { S: 'shardId-000000000000' } } }),
    );
    expect(Item).to.have.deep.property('checkpoint', { S: sequenceNumber });
    expect(dataOf(await tail()))
      .to.have.length(8)
      .and.not.to.include(Number(data));
    const early = await reset('--shard', 'shardId-000000000000', '--to', '1', '--yes');
    expect(early.stderr).to.match(/^REFUSED: shard shardId-000000000000 goes from \d+ to now: 1 is outside/);
    await sleep(2_100);
    expect((await reset('--to', 'LATEST', '--yes')).stdout).to.match(/LATEST \(from \d{4}-/);
    await stream.put(numbered(50, 53));
    expect(dataOf(await tail())).to.deep.equal([50, 51, 52]);
    const from = new Date(Date.now() - 3_600_000).toISOString();
    expect(await reset('--to', from, '--yes')).to.include({ code: 0 });
    expect(dataOf(await tail())).to.deep.equal([...upTo(10), 50, 51, 52]);
  });

  it('answers wrong usage with exit code 2', async () => {
    const wrong: [string[], RegExp][] = [
      [['--to', 'LATEST'], /--application is missing/],
      [['--application', 'app'], /--to is missing/],
      [['--application', 'app', '--to', 'yesterday'], /--to: expected TRIM_HORIZON, LATEST, a date/],
      [['--application', 'app', '--to', '2999-01-01'], /in the future/],
      [['--application', 'app', '--to', '12'], /one --shard/],
      [['--application', 'app', '--to', '12', '--shard', 'a', 'b'], /one --shard/],
      [['--application', 'app', '--to', 'LATEST', '--shard'], /--shard: expected a shard id/],
      [['--application', 'app', '--to', 'LATEST', '--failover-ms', '-1'], /--failover-ms/],
      [
        ['--application', 'app', '--to', 'LATEST', '--stream', 'arn:x'],
        /--stream: expected a stream name .* or an ARN/,
      ],
    ];
    const ended = await Promise.all(wrong.map(([args]) => kinactInside(['reset', ...args], env)));
    for (const [index, { code, stdout, stderr }] of ended.entries()) {
      expect({ code, stdout }, String(wrong[index]![0])).to.deep.equal({ code: 2, stdout: '' });
      expect(stderr)
        .to.match(/^USAGE: [^\n]+\n$/)
        .and.match(wrong[index]![1]);
    }
  });
});
