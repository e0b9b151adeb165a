// `kinact parked replay --into-stream`: the stream gets each record once, as it was, and what the service has accepted is recorded
// before the next record is put. Real processes, against a local server, and against one that refuses.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { ParkedItem } from '../../src/api/parking.js';
import { fileSink } from '../../src/parking/file-sink.js';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { scriptedServer, type ScriptedServer } from '../../src/testing/scripted-server/scripted-server.js';
import { environment, startKinact, type Ended } from '../support/command.js';
import { kinactInside } from '../support/command-inside.js';
import { LocalStream } from '../support/local-stream.js';
import { never, parkedItem, temporaryFolder } from '../support/parked.js';

describe('kinact parked replay --into-stream', function () {
  this.timeout(120_000);
  let servers: LocalServers;
  let folder: ReturnType<typeof temporaryFolder>;
  let stream: LocalStream;
  let streams = 0;

  before(async () => {
    servers = await startLocalServers();
  });
  after(() => servers.stop());
  beforeEach(async () => {
    folder = temporaryFolder();
    streams += 1;
    stream = new LocalStream(servers.clientConfig.kinesis, `replayed-${streams}`);
    await stream.create(1);
  });
  afterEach(() => {
    stream.close();
    folder.remove();
  });

  const park = async (...items: readonly ParkedItem[]): Promise<void> => {
    const sink = fileSink({ path: folder.path });
    for (const item of items) await sink(item, { signal: never });
  };
  const replay = (...args: readonly string[]): Promise<Ended> =>
    kinactInside(
      ['parked', 'replay', '--path', folder.path, '--into-stream', stream.name, ...args],
      environment(servers),
    );
  const stored = async () => [...(await stream.read()).values()].flat();
  const recorded = (): string[] =>
    readFileSync(join(folder.path, 'replayed.jsonl'), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => (JSON.parse(line) as { idempotencyKey: string }).idempotencyKey);

  /** Two items of record 1, and one of record 2. */
  const three = [
    parkedItem(1, { data: Buffer.from([0, 255, 1]), explicitHashKey: '99' }),
    parkedItem(1, { idempotencyKey: 'second', itemIndex: 1, parkedAt: 1_700_000_003_000 }),
    parkedItem(2, { partitionKey: undefined }),
  ];

  it('does nothing without --yes, and says what it would do', async () => {
    await park(...three);
    const { code, stdout, stderr } = await replay();
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
    expect(stdout.split('\n')).to.deep.equal([
      `replay: 3 items of 2 records would go into stream '${stream.name}'`,
      'all items of each record come again, not only the parked ones, and every consumer of the stream gets them',
      'they come after the later items of their keys, with new sequence numbers and so new idempotency keys',
      'nothing was done; --yes does it',
      '',
    ]);
    expect(await stored()).to.deep.equal([]);
    expect(existsSync(join(folder.path, 'replayed.jsonl'))).to.equal(false);
  });

  it('puts each record once, with its own bytes and keys, and leaves it out the next time', async () => {
    await park(...three);
    const { code, stdout, stderr } = await replay('--yes');
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
    expect(stdout).to.equal(`replay: 3 items of 2 records went into stream '${stream.name}'\n`);
    const records = await stored();
    expect(records.map(({ data }) => data.toString('latin1'))).to.deep.equal(['\u0000ÿ\u0001', 'data of 2']);
    expect(records[0]!.partitionKey).to.equal('partition-1');
    expect(recorded()).to.have.members(three.map(({ idempotencyKey }) => idempotencyKey));

    await park(parkedItem(2, { parkedAt: 1_800_000_000_000 }), parkedItem(3));
    expect((await replay()).stdout).to.match(
      /^replay: 1 item of 1 record would go .*\nleft out: 3 items replayed before/,
    );
    expect((await replay('--yes')).stdout).to.include('1 item of 1 record went');
    expect((await replay('--yes')).stdout).to.include('0 items of 0 records went');
    expect(await stored()).to.have.length(3);
    expect((await replay('--yes', '--again')).stdout).to.include('4 items of 3 records went');
    expect(await stored()).to.have.length(6);
  });

  it('selects by --id and --limit; the other items of a record come with it', async () => {
    await park(...three, parkedItem(3), parkedItem(4));
    await replay('--yes', '--id', 'second');
    expect(recorded()).to.have.members([parkedItem(1).idempotencyKey, 'second']);
    await replay('--yes', '--limit', '2');
    expect((await stored()).map(({ data }) => data.toString())).to.include.members(['data of 2', 'data of 3']);
    expect(await stored()).to.have.length(3);
    expect((await replay('--id', 'second')).stdout).to.match(
      /^replay: nothing to do\nleft out: 1 item replayed before/,
    );
  });

  it('goes on after a progress line that was torn', async () => {
    await park(parkedItem(1), parkedItem(2));
    await replay('--yes', '--limit', '1');
    appendFileSync(join(folder.path, 'replayed.jsonl'), '{"version":1,"idempo');
    await replay('--yes');
    expect(recorded()).to.deep.equal([1, 2].map((n) => parkedItem(n).idempotencyKey));
    expect((await replay()).stdout).to.include('nothing to do');
  });

  it('explains wrong usage', async () => {
    for (const [args, text] of [
      [['--limit', '0'], /--limit: expected how many/],
      [['--into-stream', 'b'], /--into-stream is given 2 times/],
      [['--id', 'none'], /REFUSED: .* has no parked item 'none'/],
    ] as const) {
      const { code, stderr } = await replay(...args);
      expect({ args, code }).to.deep.equal({ args, code: stderr.startsWith('USAGE') ? 2 : 1 });
      expect(stderr).to.match(text);
    }
  });

  describe('against a server that refuses', () => {
    let scripted: ScriptedServer;
    let env: Record<string, string>;
    beforeEach(async () => {
      scripted = await scriptedServer();
      scripted.kinesis.createStream('orders', 1);
      env = environment({ kinesis: scripted.url });
    });
    afterEach(() => scripted.stop());
    const args = (): string[] => ['parked', 'replay', '--path', folder.path, '--into-stream', 'orders', '--yes'];
    const sentKeys = (): (string | undefined)[][] =>
      scripted
        .calls('PutRecords')
        .map(({ input: { Records } }) => (Records as { PartitionKey?: string }[]).map((each) => each.PartitionKey));

    it('puts again what is throttled, and sends the hash key of the producer', async () => {
      await park(parkedItem(1, { explicitHashKey: '99' }));
      scripted.respond('PutRecords', 2, { type: 'error', code: 'ProvisionedThroughputExceededException' });
      expect((await kinactInside(args(), env)).code).to.equal(0);
      expect(scripted.calls('PutRecords')).to.have.length(3);
      const [record] = scripted.calls('PutRecords')[2]!.input['Records'] as Record<string, unknown>[];
      expect(record).to.include({ PartitionKey: 'partition-1', ExplicitHashKey: '99' });
    });

    it('puts two records of one partition key one after the other, so their order stays', async () => {
      await park(...[1, 2, 3].map((n) => parkedItem(n, { partitionKey: n === 2 ? 'b' : 'a' })));
      expect((await kinactInside(args(), env)).code).to.equal(0);
      expect(sentKeys()).to.deep.equal([['a', 'b'], ['a']]);
    });

    it('ends on SIGTERM after the put that runs, records it, and exits with 1', async () => {
      await park(...[1, 2, 3].map((n) => parkedItem(n, { partitionKey: 'same' })));
      const throttled = scripted.respond('PutRecords', Infinity, {
        type: 'error',
        code: 'ProvisionedThroughputExceededException',
      });
      const running = startKinact(args(), env);
      await scripted.called('PutRecords', 1);
      running.child.kill('SIGTERM');
      await scripted.called('PutRecords', 3);
      throttled.cancel();
      const { code, stdout, stderr } = await running.ended;
      expect({ code, stdout }).to.deep.equal({
        code: 1,
        stdout: "replay: 1 item of 1 record went into stream 'orders'\n",
      });
      expect(stderr).to.equal('STOPPED: the replay is incomplete: 2 of 3 are left; run it again\n');
      expect(recorded()).to.deep.equal([parkedItem(1).idempotencyKey]);
      expect((await kinactInside(args(), env)).stdout).to.include('2 items of 2 records went');
    });

    it('names a record that the service does not take, puts the others, and exits with 1', async () => {
      await park(parkedItem(1), parkedItem(2, { data: Buffer.alloc(2 * 1024 * 1024) }), parkedItem(3));
      const { code, stdout, stderr } = await kinactInside(args(), env);
      expect({ code, stdout }).to.deep.equal({
        code: 1,
        stdout: "replay: 2 items of 2 records went into stream 'orders'\n",
      });
      expect(stderr).to.match(
        /^s\/\S+\/2\/-\/0 is not replayed: it has 2097163 bytes, and the stream takes 1048576\nREFUSED: 1 of 3/,
      );
      expect(recorded()).to.deep.equal([1, 3].map((n) => parkedItem(n).idempotencyKey));
    });

    it('fails at once if the stream is missing, and records what was put before a failure', async () => {
      await park(...[1, 2].map((n) => parkedItem(n, { partitionKey: 'same' })));
      const missing = await kinactInside([...args().slice(0, 5), 'none', '--yes'], env);
      expect([missing.code, missing.stdout, missing.stderr.split(':')[0]]).to.deep.equal([1, '', 'STREAM_NOT_FOUND']);
      scripted.respond('PutRecords', 1, { type: 'delay', ms: 0 });
      scripted.respond('PutRecords', Infinity, { type: 'error', code: 'AccessDeniedException' });
      const { code, stderr } = await kinactInside(args(), env);
      expect(code).to.equal(1);
      expect(stderr).to.match(/^ACCESS_DENIED: /);
      expect(recorded()).to.deep.equal([parkedItem(1).idempotencyKey]);
    });
  });
});
