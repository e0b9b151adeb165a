// `kinact tail` writes one line per user record, in order per key through splits and merges, and loses nothing if its pipe is full.
import { expect } from 'chai';
import { encodeAggregate } from '../../src/aws/aggregation/aggregate-encoder.js';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { scriptedServer } from '../../src/testing/scripted-server/scripted-server.js';
import { environment, startKinact } from '../support/command.js';
import { kinactInside } from '../support/command-inside.js';
import { LocalStream } from '../support/local-stream.js';

interface Line {
  readonly shardId: string;
  readonly sequenceNumber: string;
  readonly subSequenceNumber: number | null;
  readonly partitionKey: string;
  readonly data: string;
}

const linesOf = (stdout: string): Line[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);

/** Numbered records; each key has its own rising numbers. */
const numbered = (from: number, to: number): { key: string; data: string }[] =>
  Array.from({ length: to - from }, (_, index) => ({ key: `key-${(from + index) % 17}`, data: String(from + index) }));

const expectOrderedByKey = (lines: readonly Line[]): void => {
  const last = new Map<string, number>();
  for (const { partitionKey, data } of lines) {
    expect(Number(data), partitionKey).to.be.greaterThan(last.get(partitionKey) ?? -1);
    last.set(partitionKey, Number(data));
  }
};

describe('kinact tail', () => {
  let servers: LocalServers;
  let env: Record<string, string>;
  let streams = 0;
  let stream: LocalStream;

  before(async () => {
    servers = await startLocalServers();
    env = environment(servers);
  });
  after(() => servers.stop());
  beforeEach(async () => {
    stream = new LocalStream(servers.clientConfig.kinesis, `tail-${(streams += 1)}`);
    await stream.create(2);
  });
  afterEach(() => stream.close());

  it('writes one line of exactly six members per user record, in base64 or as text', async () => {
    const user = [
      { partitionKey: 'a', data: Buffer.from('one') },
      { partitionKey: 'b', data: Buffer.from([0xff]) },
    ];
    await stream.put([{ key: 'plain', data: 'grüß\u009b31m\u202e' }]);
    await stream.put([{ key: 'a', data: encodeAggregate(user) }]);
    const args = ['tail', '--stream', stream.name, '--until-idle', '300'];
    const [coded, text] = await Promise.all([kinactInside(args, env), kinactInside([...args, '--text'], env)]);
    const [aggregate, plain] = await (async () => {
      const all = [...(await stream.read())].flatMap(([shardId, of]) => of.map((each) => ({ shardId, ...each })));
      return [
        all.find(({ partitionKey }) => partitionKey === 'a')!,
        all.find((each) => each.partitionKey === 'plain')!,
      ];
    })();
    const line = (of: typeof plain, sub: number | null, key: string, data: string): string =>
      `{"shardId":"${of.shardId}","sequenceNumber":"${of.sequenceNumber}","subSequenceNumber":${sub},` +
      `"partitionKey":"${key}","arrivedAt":"TIME","data":"${data}"}`;
    // Also proves that each line has a time that is one.
    const timeless = (stdout: string): string[] =>
      stdout
        .trimEnd()
        .split('\n')
        .map((each) => each.replace(/(?<="arrivedAt":")2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/, 'TIME'))
        .toSorted();
    expect(coded).to.include({ code: 0, stderr: '' });
    expect(timeless(coded.stdout)).to.deep.equal(
      [
        line(plain, null, 'plain', 'Z3LDvMOfwpszMW3igK4='),
        line(aggregate, 0, 'a', 'b25l'),
        line(aggregate, 1, 'b', '/w=='),
      ].toSorted(),
    );
    expect(text).to.include({ code: 0, stderr: '' });
    expect(timeless(text.stdout)).to.deep.equal(
      [
        // Characters that control a terminal are escaped.
        line(plain, null, 'plain', 'grüß\\u009b31m\\u202e'),
        line(aggregate, 0, 'a', 'one'),
        line(aggregate, 1, 'b', '\ufffd'),
      ].toSorted(),
    );
  });

  it('follows splits and merges, and keeps the order of each key across them', async () => {
    await stream.put(numbered(0, 1_000));
    await stream.split('shardId-000000000000');
    await stream.put(numbered(1_000, 2_000));
    await stream.merge('shardId-000000000002', 'shardId-000000000003');
    await stream.put(numbered(2_000, 3_000));
    const ended = await kinactInside(['tail', '--stream', stream.name, '--text', '--until-idle', '300'], env);
    expect(ended).to.include({ code: 0, stderr: '' });
    const lines = linesOf(ended.stdout);
    expect(lines).to.have.length(3_000);
    expectOrderedByKey(lines);
    const shards = new Set(lines.map(({ shardId }) => shardId.at(-1)));
    expect([...shards].toSorted()).to.deep.equal(['0', '1', '2', '3', '4']);
  });

  it('continues through a split until SIGTERM, and then exits with 0', async () => {
    await stream.put(numbered(0, 100));
    const running = startKinact(['tail', '--stream', stream.name, '--text'], env);
    const count = (): number => running.output.stdout.split('\n').length - 1;
    await running.until(() => count() >= 100);
    await stream.split('shardId-000000000001');
    await stream.put(numbered(100, 200));
    await running.until(() => count() >= 200);
    running.child.kill('SIGTERM');
    const ended = await running.ended;
    expect(ended).to.include({ code: 0, signal: null });
    expect(linesOf(ended.stdout)).to.have.length(200);
    expectOrderedByKey(linesOf(ended.stdout));
  });

  it('begins at the time in --from, or for LATEST at the tip when it listed the shards', async () => {
    const scripted = await scriptedServer();
    try {
      const at = environment({ kinesis: scripted.url });
      scripted.kinesis.advance(-60_000);
      scripted.kinesis.createStream('orders', 1);
      scripted.kinesis.put('orders', { partitionKey: 'k', data: 'old' });
      scripted.kinesis.advance(60_000);
      const args = ['tail', '--stream', 'orders', '--text', '--until-idle', '1000', '--from'];
      // The delay is between the listing and the first read. A record that arrives in this time must not be missed.
      scripted.respond('GetShardIterator', 1, { type: 'delay', ms: 300 });
      const latest = startKinact([...args, 'LATEST'], at);
      await scripted.called('ListShards', 1);
      scripted.kinesis.put('orders', { partitionKey: 'k', data: 'new' });
      const ended = await latest.ended;
      expect(ended.code).to.equal(0);
      expect(linesOf(ended.stdout).map(({ data }) => data)).to.deep.equal(['new']);
      const since = new Date(scripted.kinesis.now() - 30_000).toISOString();
      expect(linesOf((await kinactInside([...args, since], at)).stdout).map(({ data }) => data)).to.deep.equal(['new']);
      const before = new Date(scripted.kinesis.now() - 90_000).toISOString();
      const all = await kinactInside([...args, before], at);
      expect(linesOf(all.stdout).map(({ data }) => data)).to.deep.equal(['old', 'new']);
    } finally {
      await scripted.stop();
    }
  });

  it('exits with 0 and prints no error when the reader of its pipe goes away', async () => {
    await stream.put(numbered(0, 20_000));
    const running = startKinact(['tail', '--stream', stream.name], env, { readStdout: false });
    running.child.stdout!.once('data', () => running.child.stdout!.destroy());
    expect(await running.ended).to.include({ code: 0, signal: null, stderr: '' });
  });

  it('waits while its pipe is full and loses nothing, and ends on SIGTERM with an unread pipe', async () => {
    await stream.put(numbered(0, 5_000));
    const args = ['tail', '--stream', stream.name, '--text', '--until-idle', '300'];
    const running = startKinact(args, env, { readStdout: false });
    const stdout = running.child.stdout!;
    await new Promise((resolve) => stdout.once('readable', resolve));
    // Longer than --until-idle: a process that waits for its pipe is not idle.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(running.child.exitCode).to.equal(null);
    let text = '';
    stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
    expect(await running.ended).to.include({ code: 0 });
    if (!stdout.readableEnded) await new Promise((resolve) => stdout.once('end', resolve));
    expect(linesOf(text)).to.have.length(5_000);
    expectOrderedByKey(linesOf(text));

    const unread = startKinact(args, env, { readStdout: false });
    await new Promise((resolve) => unread.child.stdout!.once('readable', resolve));
    unread.child.kill('SIGTERM');
    expect(await unread.ended).to.include({ code: 0, signal: null });
  });

  it('stops reading ahead at its bounds while its pipe is full', async () => {
    const scripted = await scriptedServer();
    try {
      scripted.kinesis.createStream('orders', 1);
      // An endless stream, in answers that are larger than a pipe.
      let next = 0;
      const record = (): object => ({
        SequenceNumber: String((next += 1)),
        PartitionKey: 'k',
        Data: Buffer.alloc(1_000).toString('base64'),
      });
      const body = (): object => ({
        Records: Array.from({ length: 100 }, record),
        NextShardIterator: 'next',
        MillisBehindLatest: 1_000,
      });
      scripted.respond('GetRecords', Infinity, { type: 'json', body });
      const args = ['tail', '--stream', 'orders'];
      const running = startKinact(args, environment({ kinesis: scripted.url }), { readStdout: false });
      await new Promise((resolve) => running.child.stdout!.once('readable', resolve));
      // The limit would allow five reads a second.
      await new Promise((resolve) => setTimeout(resolve, 2_500));
      expect(scripted.count('GetRecords')).to.be.at.most(4);
      running.child.kill('SIGTERM');
      expect(await running.ended).to.include({ code: 0 });
    } finally {
      await scripted.stop();
    }
  });

  it('reports a missing stream, a missing permission or a wrong option in one line', async () => {
    const scripted = await scriptedServer();
    try {
      scripted.kinesis.createStream('orders', 1);
      const at = environment({ kinesis: scripted.url });
      const missing = await kinactInside(['tail', '--stream', 'nope'], at);
      expect(missing).to.include({ code: 1, stdout: '' });
      expect(missing.stderr).to.match(/^STREAM_NOT_FOUND: [^\n]*check name, region and credentials[^\n]*\n$/);
      scripted.respond('GetRecords', Infinity, { type: 'error', code: 'AccessDeniedException' });
      const denied = await kinactInside(['tail', '--stream', 'orders'], at);
      expect(denied).to.include({ code: 1, stdout: '' });
      expect(denied.stderr).to.match(/^ACCESS_DENIED: [^\n]*grant kinesis:GetRecords[^\n]*\n$/);
      for (const wrong of [
        ['--from', 'yesterday'],
        ['--from', '2026-13-45T00:00:00Z'],
        ['--until-idle', '-1'],
        ['--until-idle', '1.5'],
      ]) {
        const run = await kinactInside(['tail', '--stream', 'orders', ...wrong], at);
        expect(run.code, wrong.join(' ')).to.equal(2);
        expect(run.stderr).to.match(/^USAGE: [^\n]+\n$/);
      }
    } finally {
      await scripted.stop();
    }
  });

  it('repeats calls that were reset or throttled, and says so', async () => {
    const scripted = await scriptedServer();
    try {
      scripted.kinesis.createStream('orders', 1);
      scripted.respond('ListShards', 1, { type: 'reset' });
      scripted.respond('GetRecords', 1, { type: 'error', code: 'ProvisionedThroughputExceededException' });
      const run = await kinactInside(
        ['tail', '--stream', 'orders', '--until-idle', '300'],
        environment({ kinesis: scripted.url }),
      );
      expect(run).to.include({ code: 0, stdout: '' });
      expect(run.stderr)
        .to.match(/^kinesis:ListShards is repeated: AWS_ERROR: /m)
        .and.match(/^GetRecords is repeated: AWS_ERROR: shardId-\d+ is throttled$/m);
    } finally {
      await scripted.stop();
    }
  });
});
