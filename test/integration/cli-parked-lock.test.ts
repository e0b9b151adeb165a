// One replay of a folder at a time: a second one is refused while the first one runs, and none is held up by one that was killed. A
// consumer may park meanwhile. Real processes, and kill -9.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { ParkedItem } from '../../src/api/parking.js';
import { fileSink } from '../../src/parking/file-sink.js';
import { scriptedServer, type ScriptedServer } from '../../src/testing/scripted-server/scripted-server.js';
import { environment, kinact, startKinact } from '../support/command.js';
import { never, parkedItem, temporaryFolder } from '../support/parked.js';

describe('two replays of one folder', function () {
  this.timeout(120_000);
  let folder: ReturnType<typeof temporaryFolder>;
  let server: ScriptedServer;
  let env: Record<string, string>;

  beforeEach(async () => {
    folder = temporaryFolder();
    server = await scriptedServer();
    server.kinesis.createStream('orders', 1);
    env = environment({ kinesis: server.url });
  });
  afterEach(async () => {
    await server.stop();
    folder.remove();
  });

  const args = (): string[] => ['parked', 'replay', '--path', folder.path, '--into-stream', 'orders', '--yes'];
  const park = async (...items: readonly ParkedItem[]): Promise<void> => {
    const sink = fileSink({ path: folder.path });
    for (const item of items) await sink(item, { signal: never });
  };
  const locks = (): string[] => readdirSync(folder.path).filter((name) => name.endsWith('.lock'));
  const recorded = (): string[] =>
    readFileSync(join(folder.path, 'replayed.jsonl'), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => (JSON.parse(line) as { idempotencyKey: string }).idempotencyKey);

  it('refuses the second, lets a sink park, and goes on after kill -9 of the first', async () => {
    await park(parkedItem(1));
    const throttled = server.respond('PutRecords', Infinity, {
      type: 'error',
      code: 'ProvisionedThroughputExceededException',
    });
    const first = startKinact(args(), env);
    await server.called('PutRecords', 1);

    const second = await kinact(args(), env);
    expect(second.code).to.equal(1);
    expect(second.stderr).to.match(
      new RegExp(
        `^REFUSED: process ${first.pid} on \\S+ replays with .*replayed.jsonl since \\S+; wait for its end\n$`,
      ),
    );
    // A dry run only reads, and a sink has files of its own.
    expect((await kinact(args().slice(0, -1), env)).stdout).to.include('1 item of 1 record would go');
    await park(parkedItem(2));

    first.child.kill('SIGKILL');
    expect((await first.ended).signal).to.equal('SIGKILL');
    expect(locks()).to.have.length(1);
    throttled.cancel();
    const third = await kinact(args(), env);
    expect({ code: third.code, stderr: third.stderr }).to.deep.equal({ code: 0, stderr: '' });
    expect(third.stdout).to.include('2 items of 2 records went');
    expect(locks()).to.deep.equal([]);
  });

  it('lets one of several that start together run, and the others not', async () => {
    await park(...Array.from({ length: 50 }, (_, n) => parkedItem(n, { partitionKey: 'same' })));
    const all = await Promise.all([1, 2, 3].map(() => kinact(args(), env)));
    for (const { code, stderr } of all) if (code !== 0) expect(stderr).to.match(/^REFUSED: process \d+ on/);
    const again = await kinact(args(), env);
    expect(again.stderr).to.equal('');
    expect(recorded().toSorted())
      .to.deep.equal([...new Set(recorded())].toSorted())
      .and.to.have.length(50);
    expect(server.calls('PutRecords')).to.have.length(50);
  });

  it('records what an answer has accepted before it puts the refused records again', async () => {
    await park(parkedItem(1), parkedItem(2));
    const code = 'ProvisionedThroughputExceededException';
    server.respond('PutRecords', 1, { type: 'failRecords', indices: [1], code });
    server.respond('PutRecords', Infinity, { type: 'error', code });
    const running = startKinact(args(), env);
    await server.called('PutRecords', 2);
    running.child.kill('SIGKILL');
    await running.ended;
    expect(recorded()).to.deep.equal([parkedItem(1).idempotencyKey]);
  });
});
