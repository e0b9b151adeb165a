// `kinact tail --application` is a full worker. Its checkpoints never pass a line that has not left the process, even if the pipe is
// full. Real processes are stopped, killed and blocked.
import type { Readable } from 'node:stream';
import { expect } from 'chai';
import { compareSequenceNumbers } from '../../src/core/sequence-number.js';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { environment, startKinact } from '../support/command.js';
import { kinactInside } from '../support/command-inside.js';
import { LocalStream } from '../support/local-stream.js';

interface Line {
  readonly shardId: string;
  readonly sequenceNumber: string;
  readonly partitionKey: string;
  readonly data: string;
}

interface Lease {
  readonly leaseKey: string;
  readonly owner: string | null;
  readonly counter: number;
  readonly checkpoint: string;
}

/** Parses whole lines only, because a killed process may leave a part of a line. */
const linesOf = (stdout: string): Line[] =>
  stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);

const numbered = (from: number, to: number): { key: string; data: string }[] =>
  Array.from({ length: to - from }, (_, index) => ({ key: `key-${(from + index) % 17}`, data: String(from + index) }));

/** Reads a pipe to its end. */
async function everything(from: Readable): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of from) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

/** Between two looks at what no event reports. */
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50));

const dataOf = (lines: readonly Line[]): Set<string> => new Set(lines.map(({ data }) => data));

describe('kinact tail --application', function () {
  this.timeout(400_000);
  let servers: LocalServers;
  let env: Record<string, string>;
  let runs = 0;
  let stream: LocalStream;
  let args: string[];
  let application: string;

  before(async () => {
    servers = await startLocalServers();
    env = environment(servers);
  });
  after(() => servers.stop());
  beforeEach(async () => {
    runs += 1;
    stream = new LocalStream(servers.clientConfig.kinesis, `member-${runs}`);
    application = `app-${runs}`;
    args = ['tail', '--stream', stream.name, '--application', application, '--text'];
    await stream.create(2);
  });
  afterEach(() => stream.close());

  const leases = async (of = application): Promise<Lease[]> =>
    JSON.parse((await kinactInside(['leases', '--application', of, '--json'], env)).stdout) as Lease[];

  /** Expects that no checkpoint is ahead of the lines that the process has written. */
  const expectBehind = (rows: readonly Lease[], lines: readonly Line[]): void => {
    for (const { leaseKey, checkpoint } of rows) {
      if (!/^\d+$/.test(checkpoint)) continue;
      const last = lines.filter(({ shardId }) => shardId === leaseKey).at(-1)?.sequenceNumber ?? '0';
      expect(compareSequenceNumbers(checkpoint, last), `${leaseKey}: ${checkpoint} against ${last}`).to.be.at.most(0);
    }
  };

  it('drains on SIGTERM and exits with 0, and the next member continues with the next line', async () => {
    await stream.put(numbered(0, 3_000));
    const first = startKinact(args, env);
    await first.until(({ stdout }) => stdout.split('\n').length > 500);
    first.child.kill('SIGTERM');
    first.child.kill('SIGTERM');
    const one = await first.ended;
    expect(one).to.include({ code: 0, signal: null, stderr: '' });
    for (const { owner } of await leases()) expect(owner).to.equal(null);
    expectBehind(await leases(), linesOf(one.stdout));
    await stream.put(numbered(3_000, 3_100));
    const two = await kinactInside([...args, '--until-idle', '600'], env);
    expect(two).to.include({ code: 0, stderr: '' });
    const all = [...linesOf(one.stdout), ...linesOf(two.stdout)];
    expect(all.map(({ data }) => data).toSorted(), 'each line once').to.deep.equal(
      numbered(0, 3_100)
        .map(({ data }) => data)
        .toSorted(),
    );
    const last = new Map<string, number>();
    for (const { partitionKey, data } of all) {
      expect(Number(data), partitionKey).to.be.greaterThan(last.get(partitionKey) ?? -1);
      last.set(partitionKey, Number(data));
    }
  });

  it('renews its leases while its pipe is full, checkpoints only lines that went out, and loses nothing', async () => {
    await stream.put(numbered(0, 5_000));
    const doomed = [...args];
    doomed[4] = `${application}-killed`;
    const [running, killed] = [
      startKinact([...args, '--until-idle', '600'], env, { readStdout: false }),
      startKinact(doomed, env, { readStdout: false }),
    ];
    const held = async (of: string): Promise<Lease[]> => {
      const rows = await leases(of);
      return rows.length === 2 && rows.every(({ owner }) => owner !== null) ? rows : pause().then(() => held(of));
    };
    // Once a pipe has data and the test does not read, the process fills the pipe.
    for (const { child } of [running, killed]) await new Promise((resolve) => child.stdout!.once('readable', resolve));
    for (const of of [doomed[4], application]) {
      const before = await held(of);
      let now = before;
      // Two renewals: two thirds of the failover time of 10 s.
      while (now.some(({ counter }, index) => counter < before[index]!.counter + 2)) {
        await pause();
        now = await leases(of);
      }
      expect(now.map(({ owner }) => owner)).to.deep.equal(before.map(({ owner }) => owner));
    }
    killed.child.kill('SIGKILL');
    // Read at once, because Node discards unread output of a process that has ended.
    const written = linesOf(await everything(killed.child.stdout!));
    expect(written.length).to.be.within(1, 4_999);
    expectBehind(await leases(doomed[4]), written);

    const rest = everything(running.child.stdout!);
    expect(await running.ended).to.include({ code: 0, signal: null });
    expect(dataOf(linesOf(await rest)).size).to.equal(5_000);
    expectBehind(await leases(), linesOf(await rest));
  });

  it('exits with 0 when its pipe is closed, prints no error, and releases its leases', async () => {
    await stream.put(numbered(0, 20_000));
    const cut = startKinact(args, env, { readStdout: false });
    cut.child.stdout!.once('data', () => cut.child.stdout!.destroy());
    expect(await cut.ended).to.include({ code: 0, signal: null, stderr: '' });
    for (const { owner } of await leases()) expect(owner).to.equal(null);
  });

  it('shares the stream with another member, and follows a split', async () => {
    await stream.put(numbered(0, 500));
    const members = [startKinact(args, env), startKinact(args, env)];
    const both = (): Line[] => members.flatMap(({ output }) => linesOf(output.stdout));
    const reached = async (count: number): Promise<void> => {
      while (dataOf(both()).size < count) {
        expect(members.map(({ child }) => child.exitCode)).to.deep.equal([null, null]);
        await pause();
      }
    };
    await reached(500);
    await stream.split('shardId-000000000000');
    await stream.put(numbered(500, 1_000));
    await reached(1_000);
    for (const { child } of members) child.kill('SIGTERM');
    for (const { ended } of members) expect(await ended).to.include({ code: 0, signal: null });
    expect(dataOf(both()).size).to.equal(1_000);
    const rows = await leases();
    // The row of an ended shard keeps its owner, as in the KCL. No worker waits for this row.
    expect(rows[0]!.checkpoint).to.equal('SHARD_END');
    expect(rows.slice(1).map(({ owner }) => owner)).to.deep.equal([null, null, null]);
  });

  it('ends at once with STREAM_NOT_FOUND if the stream is missing', async () => {
    const run = await kinactInside(['tail', '--stream', 'nope', '--application', 'some-app'], env);
    expect(run).to.include({ code: 1, stdout: '' });
    expect(run.stderr).to.match(/^STREAM_NOT_FOUND: [^\n]*'nope'[^\n]*\n$/);
  });
});
