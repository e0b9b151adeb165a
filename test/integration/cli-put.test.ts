// `kinact put` counts only records that the stream has accepted, and names the lines that the stream refused. The tests run real
// processes against local servers, and against a scripted server that throttles and fails.
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { decodeAggregate } from '../../src/aws/aggregation/aggregate.js';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { scriptedServer, type ScriptedServer } from '../../src/testing/scripted-server/scripted-server.js';
import { environment, startKinact } from '../support/command.js';
import { kinactInside } from '../support/command-inside.js';
import { LocalStream } from '../support/local-stream.js';

const refusal = (code: string) => ({ type: 'error' as const, code });

describe('kinact put', () => {
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
    stream = new LocalStream(servers.clientConfig.kinesis, `orders-${(streams += 1)}`);
    await stream.create(2);
  });
  afterEach(() => stream.close());

  const stored = async (): Promise<{ key: string; data: string }[]> =>
    [...(await stream.read()).values()].flat().map(({ partitionKey, data }) => ({
      key: partitionKey,
      data: data.toString('latin1'),
    }));

  it('puts every line of stdin without changing a byte, with keys that spread over the shards', async () => {
    const lines = Array.from({ length: 1_201 }, (_, index) => (index === 700 ? '' : `line ${index}\r`));
    lines[3] = '\u00ff\u0000\u00fe';
    const ended = await kinactInside(['put', '--stream', stream.name], env, {
      input: Buffer.from(lines.join('\n'), 'latin1'),
    });
    expect(ended).to.include({ code: 0, stdout: '', stderr: '1201 records put\n' });
    const records = await stored();
    expect(records.map(({ data }) => data).toSorted()).to.deep.equal(lines.toSorted());
    expect(new Set(records.map(({ key }) => key)).size).to.equal(1_201);
    for (const [, inShard] of await stream.read()) expect(inShard.length).to.be.greaterThan(400);
  });

  it('takes the partition key from the member that --key-field names', async () => {
    const input = '{"id":"a","n":1}\n{"id":9007199254740993}\n{"id":true}\n';
    const ended = await kinactInside(['put', '--stream', stream.name, '--key-field', 'id'], env, { input });
    expect(ended).to.include({ code: 0, stderr: '3 records put\n' });
    expect((await stored()).toSorted((a, b) => (a.key < b.key ? -1 : 1))).to.deep.equal([
      { key: '9007199254740993', data: '{"id":9007199254740993}' },
      { key: 'a', data: '{"id":"a","n":1}' },
      { key: 'true', data: '{"id":true}' },
    ]);
  });

  it('refuses each line without a usable key, puts the others, and exits with 1', async () => {
    const input = 'x\n[1]\n{"a":1}\n{"id":{}}\n{"id":""}\n{"id":"ok"}\n{"toString":1}\n';
    const ended = await kinactInside(['put', '--stream', stream.name, '--key-field', 'id'], env, { input });
    expect(ended).to.include({ code: 1, stdout: '' });
    expect(ended.stderr.split('\n')).to.deep.equal([
      'line 1 refused: not JSON',
      'line 2 refused: not a JSON object',
      "line 3 refused: no member 'id'",
      "line 4 refused: member 'id' is no string, number or boolean",
      "line 5 refused: member 'id' has 0 characters; a partition key has 1 to 256",
      "line 7 refused: no member 'id'",
      '1 records put',
      '',
    ]);
    expect(await stored()).to.deep.equal([{ key: 'ok', data: '{"id":"ok"}' }]);
  });

  it('refuses lines above 1 MiB with their key, accepts exactly 1 MiB, names at most ten refusals', async () => {
    const fits = 'y'.repeat(1024 * 1024 - 36);
    const input = `${fits}y\n${fits}\n${'x'.repeat(3 * 1024 * 1024)}\nlast\n`;
    const ended = await kinactInside(['put', '--stream', stream.name], env, { input });
    expect(ended.code).to.equal(1);
    expect(ended.stderr).to.match(/^line 1 refused: larger than .*\nline 3 refused: larger than .*\n2 records put\n$/);
    const many = await kinactInside(['put', '--stream', stream.name, '--key-field', 'k'], env, {
      input: 'x\n'.repeat(15),
    });
    expect(many.stderr.split('\n').slice(9)).to.deep.equal([
      'line 10 refused: not JSON',
      '15 lines refused in all',
      '0 records put',
      '',
    ]);
  });

  it('packs only keys of one shard into an aggregate, in the order of the input', async () => {
    const lines = Array.from({ length: 3_000 }, (_, index) => JSON.stringify({ id: `k${index % 50}`, index }));
    const args = ['put', '--stream', stream.name, '--aggregate', '--key-field', 'id'];
    const ended = await kinactInside(args, env, { input: lines.join('\n') });
    expect(ended).to.include({ code: 0, stderr: '3000 records put\n' });
    const byKey = new Map<string, number[]>();
    const shardOf = new Map<string, string>();
    let count = 0;
    for (const [shardId, records] of await stream.read()) {
      expect(records.length, 'aggregates in a shard').to.be.greaterThan(0).and.lessThan(20);
      for (const { data, partitionKey } of records) {
        // A line that goes alone, such as the last one, is no aggregate.
        for (const user of decodeAggregate(data).records ?? [{ data, partitionKey }]) {
          count += 1;
          expect(shardOf.get(user.partitionKey) ?? shardId).to.equal(shardId);
          shardOf.set(user.partitionKey, shardId);
          const { index } = JSON.parse(Buffer.from(user.data).toString()) as { index: number };
          byKey.set(user.partitionKey, [...(byKey.get(user.partitionKey) ?? []), index]);
        }
      }
    }
    expect(count).to.equal(3_000);
    for (const [key, indices] of byKey) expect(indices, key).to.deep.equal(indices.toSorted((a, b) => a - b));
  });

  it('puts a complete line while the input stays open', async () => {
    const running = startKinact(['put', '--stream', stream.name], env, { input: 'open' });
    running.child.stdin!.write('early\n');
    // Only a read shows that the record is in the stream. The process's time limit bounds this loop.
    while ((await stored()).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    running.child.stdin!.end('late');
    expect(await running.ended).to.include({ code: 0, stderr: '2 records put\n' });
  });

  it('puts and counts the complete lines on SIGTERM, drops an incomplete line, and exits with 0', async () => {
    const running = startKinact(['put', '--stream', stream.name], env, { input: 'open' });
    running.child.stdin!.write('one\ntwo\nthr');
    while ((await stored()).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    running.child.kill('SIGTERM');
    expect(await running.ended).to.include({ code: 0, stderr: '2 records put\n' });
    expect((await stored()).map(({ data }) => data).toSorted()).to.deep.equal(['one', 'two']);
  });

  describe('against a server that misbehaves', () => {
    let scripted: ScriptedServer;
    beforeEach(async () => {
      scripted = await scriptedServer();
      scripted.kinesis.createStream('orders', 2);
      env = environment({ kinesis: scripted.url });
    });
    afterEach(() => scripted.stop());

    it('puts lines without keys if the stream places records itself, unless --key-field asks for keys', async () => {
      scripted.kinesis.createStream('auto', 2, { mode: 'ON_DEMAND', distribution: 'AUTO' });
      const put = await kinactInside(['put', '--stream', 'auto'], env, { input: '{"id":"a"}\n' });
      expect(put).to.include({ code: 0, stderr: '1 records put\n' });
      await kinactInside(['put', '--stream', 'auto', '--key-field', 'id'], env, { input: '{"id":"a"}\n' });
      const sent = scripted
        .calls('PutRecords')
        .flatMap(({ input: { Records } }) => Records as { PartitionKey?: string }[]);
      expect(sent.map(({ PartitionKey }) => PartitionKey)).to.deep.equal([undefined, 'a']);
    });

    it('puts lines with keys after all if the stream changes to placing records by key', async () => {
      const summary = { StreamName: 'orders', StreamARN: 'arn:aws:kinesis:us-east-1:123456789012:stream/orders' };
      const body = { StreamDescriptionSummary: { ...summary, RecordDistributionStrategy: 'AUTO' } };
      scripted.respond('DescribeStreamSummary', 1, { type: 'json', body });
      const ended = await kinactInside(['put', '--stream', 'orders'], env, { input: 'x\ny\n' });
      expect(ended).to.include({ code: 0, stderr: '2 records put\n' });
    });

    it('refuses --aggregate if the stream places records itself, and says why', async () => {
      scripted.kinesis.createStream('auto', 2, { mode: 'ON_DEMAND', distribution: 'AUTO' });
      const ended = await kinactInside(['put', '--stream', 'auto', '--aggregate'], env, { input: 'x\n' });
      expect(ended.code).to.equal(1);
      expect(ended.stderr)
        .to.include('AUTO')
        .and.include('INVALID_OPTION')
        .and.match(/\n0 records put\n$/);
      expect(scripted.count('PutRecords')).to.equal(0);
    });

    it('puts only the throttled records again, until the stream has all of them', async () => {
      scripted.respond('PutRecords', 1, { type: 'failRecords', indices: [1, 4] });
      scripted.respond('PutRecords', 1, refusal('ProvisionedThroughputExceededException'));
      const input = Array.from({ length: 6 }, (_, index) => `r${index}`).join('\n');
      const ended = await kinactInside(['put', '--stream', 'orders'], env, { input });
      expect(ended).to.include({ code: 0, stderr: '6 records put\n' });
      const sent = scripted.calls('PutRecords').map(({ input: { Records } }) => (Records as { Data: string }[]).length);
      expect(sent).to.deep.equal([5, 2, 2, 1]); // the last line ends with the input
      const [, , third] = scripted.calls('PutRecords');
      const texts = (third!.input['Records'] as { Data: string }[]).map(({ Data }) =>
        Buffer.from(Data, 'base64').toString(),
      );
      expect(texts).to.deep.equal(['r1', 'r4']);
    });

    it('waits for throttled records on SIGTERM, and exits with 1 if they are then refused', async () => {
      for (const refused of [false, true]) {
        const throttled = scripted.respond('PutRecords', Infinity, refusal('ProvisionedThroughputExceededException'));
        const before = scripted.calls('PutRecords').length;
        const running = startKinact(['put', '--stream', 'orders'], env, { input: 'open' });
        running.child.stdin!.write('one\ntwo\n');
        await scripted.called('PutRecords', before + 1);
        running.child.kill('SIGTERM');
        await scripted.called('PutRecords', before + 3);
        throttled.cancel();
        if (refused) scripted.respond('PutRecords', Infinity, refusal('AccessDeniedException'));
        const { code, stderr } = await running.ended;
        const lastLine = refused ? '0 records put' : '2 records put';
        expect({ code, lastLine: stderr.split('\n').at(-2) }).to.deep.equal({ code: refused ? 1 : 0, lastLine });
      }
    });

    it('names the missing permission, then prints the count, without waiting for the end of the input', async () => {
      scripted.respond('PutRecords', Infinity, refusal('AccessDeniedException'));
      const running = startKinact(['put', '--stream', 'orders'], env, { input: 'open' });
      running.child.stdin!.write('one\n');
      const ended = await running.ended;
      expect(ended.code).to.equal(1);
      const [first, second, ...rest] = ended.stderr.split('\n');
      expect(first).to.match(/^ACCESS_DENIED: .*grant kinesis:PutRecords/);
      expect([second, ...rest]).to.deep.equal(['0 records put', '']);
    });

    it('names the missing permission, if the input is a file that is read already, and exits with 1', async () => {
      scripted.respond('PutRecords', Infinity, refusal('AccessDeniedException'));
      const directory = mkdtempSync(join(tmpdir(), 'kinact-put-'));
      writeFileSync(join(directory, 'lines'), 'one\ntwo\n');
      const stdin = openSync(join(directory, 'lines'), 'r');
      const ended = await startKinact(['put', '--stream', 'orders'], env, { stdin }).ended;
      closeSync(stdin);
      rmSync(directory, { recursive: true });
      expect(ended.stderr).to.match(/^ACCESS_DENIED: [^\n]*grant kinesis:PutRecords[^\n]*\n0 records put\n$/);
      expect(ended.code).to.equal(1);
    });

    it('ends with STREAM_NOT_FOUND or CREDENTIALS_MISSING before it reads the input', async () => {
      const missing = await startKinact(['put', '--stream', 'nope'], env, { input: 'open' }).ended;
      expect(missing.code).to.equal(1);
      expect(missing.stderr).to.match(/^STREAM_NOT_FOUND: [^\n]*'nope'[^\n]*check name[^\n]*\n0 records put\n$/);
      const keyless = { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined };
      const noKeys = await startKinact(['put', '--stream', 'orders'], environment({ kinesis: scripted.url }, keyless), {
        input: 'open',
      }).ended;
      expect(noKeys.code).to.equal(1);
      expect(noKeys.stderr).to.match(/^CREDENTIALS_MISSING: [^\n]*configure them as for any AWS tool[^\n]*\n0 records/);
      const noRegion = await startKinact(
        ['put', '--stream', 'orders'],
        environment({ kinesis: scripted.url }, { AWS_REGION: undefined }),
        { input: 'open' },
      ).ended;
      expect(noRegion.code).to.equal(1);
      expect(noRegion.stderr).to.match(/^CREDENTIALS_MISSING: [^\n]*AWS_REGION[^\n]*\n0 records put\n$/);
    });
  });
});
