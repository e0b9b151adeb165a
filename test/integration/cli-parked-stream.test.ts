// `kinact parked --stream` reads what `kinesisSink` has put, from all shards, and replays it with a progress file of its own.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { kinesisSink } from '../../src/parking/kinesis-sink.js';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { environment, type Ended } from '../support/command.js';
import { kinactInside } from '../support/command-inside.js';
import { LocalStream } from '../support/local-stream.js';
import { never, parkedItem, temporaryFolder } from '../support/parked.js';

describe('kinact parked --stream', function () {
  this.timeout(120_000);
  let servers: LocalServers;
  let folder: ReturnType<typeof temporaryFolder>;
  let kept: LocalStream;
  let target: LocalStream;

  before(async () => {
    servers = await startLocalServers();
    folder = temporaryFolder();
    kept = new LocalStream(servers.clientConfig.kinesis, 'kept');
    target = new LocalStream(servers.clientConfig.kinesis, 'target');
    await Promise.all([kept.create(3), target.create(1)]);
  });
  after(async () => {
    kept.close();
    target.close();
    folder.remove();
    await servers.stop();
  });

  const parked = (...args: readonly string[]): Promise<Ended> =>
    kinactInside(['parked', ...args], environment(servers));

  it('lists, shows and replays what is in all shards, and keeps its progress in a file', async () => {
    const sink = kinesisSink({ streamName: 'kept', client: kept.client });
    const data = Buffer.from('large '.repeat(300_000));
    const items = [1, 2, 3, 4, 5].map((n) => parkedItem(n, { key: `k${n}`, ...(n === 4 ? { data } : {}) }));
    for (const item of [...items, items[0]!]) await sink(item, { signal: never });
    expect([...(await kept.read()).values()].filter(({ length }) => length > 0).length).to.be.greaterThan(1);

    const list = await parked('list', '--stream', 'kept');
    expect({ code: list.code, stderr: list.stderr }).to.deep.equal({ code: 0, stderr: '' });
    const keys = items.map(({ idempotencyKey }) => idempotencyKey);
    expect(
      list.stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split('  ')[0]),
    ).to.deep.equal(keys);
    const show = await parked('show', '--stream', 'kept', '--id', keys[3]!);
    expect(show.stdout).to.include(`data (${data.length} bytes, text): large large`);

    const progress = join(folder.path, 'progress.jsonl');
    const replay = (...args: readonly string[]): Promise<Ended> =>
      parked('replay', '--stream', 'kept', '--into-stream', 'target', '--progress', progress, ...args);
    const plan = await replay();
    expect(plan.stdout).to.match(/^replay: 4 items of 4 records would go .*\nrefused: 1 item/);
    expect(plan.stderr).to.match(/ would not be replayed: it has \d+ bytes, and the stream takes 1048576\n$/);
    expect(existsSync(progress)).to.equal(false);
    expect((await replay('--yes', '--limit', '3')).code).to.equal(0);
    expect((await target.read()).get('shardId-000000000000')).to.have.length(3);
    expect((await replay()).stdout).to.match(/^replay: 1 item of 1 record would go .*\nleft out: 3 items/);
    const after = await parked('list', '--stream', 'kept', '--progress', progress, '--json');
    const lines = after.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { replayedAt: string | null });
    expect(lines.map(({ replayedAt }) => replayedAt !== null)).to.deep.equal([true, true, true, false, false]);
  });

  it('explains wrong usage, and a stream that is missing', async () => {
    const usage = [
      [['replay', '--stream', 'kept', '--into-stream', 'b'], /--progress is missing/],
      [['list', '--stream', 'kept', '--path', 'x'], /expected --path or --stream, got both/],
      [['list', '--path', 'x', '--progress', 'x'], /--progress goes with --stream/],
      [['list', '--stream', 'a b'], /--stream: expected a stream name/],
    ] as const;
    for (const [args, text] of usage) {
      const { code, stderr } = await parked(...args);
      expect({ args, code }).to.deep.equal({ args, code: 2 });
      expect(stderr).to.match(text);
    }
    const missing = await parked('list', '--stream', 'none');
    expect([missing.code, missing.stderr.split(':')[0]]).to.deep.equal([1, 'STREAM_NOT_FOUND']);
  });
});
