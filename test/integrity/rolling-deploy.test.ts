// Three rolling deploys of real processes, `kinact tail --application`, under load and in three ways. A new process starts before an
// old one stops; or an old one stops first; or all new ones start beside all old ones. Nothing is killed, so no record may be lost
// or delivered twice. Two independent judges: the lines that the processes printed, and the writes to the table.
import { expect } from 'chai';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { environment, startKinact, type Running } from '../support/command.js';
import { witnessLeases, type LeaseWitness } from '../support/lease-witness.js';
import { judgeWrites, type WriteVerdict } from '../support/lease-write-laws.js';
import { LocalStream } from '../support/local-stream.js';

interface Line {
  readonly shardId: string;
  readonly sequenceNumber: string;
  readonly data: string;
}

interface Member extends Running {
  readonly name: string;
}

const shards = 6;
const size = 2;
/** Every `putMs`, `putCount` numbered lines are written. */
const putMs = 100;
const putCount = 30;
const limitMs = 150_000;

describe('three rolling deploys of kinact tail --application', function () {
  this.timeout(limitMs + 15_000);
  let servers: LocalServers;
  let witness: LeaseWitness;
  let stream: LocalStream;
  let written = 0;
  let stopWriting: () => Promise<void>;
  const members: Member[] = [];
  const gone: Member[] = [];

  before(async () => {
    servers = await startLocalServers();
    witness = await witnessLeases(servers.dynamodb);
    stream = new LocalStream(servers.clientConfig.kinesis, 'deployed');
    await stream.create(shards);
    stopWriting = keepWriting();
  });
  after(async () => {
    await stopWriting?.();
    for (const { child, ended } of members) {
      child.kill('SIGKILL');
      await ended;
    }
    stream?.close();
    await witness?.stop();
    await servers?.stop();
  });

  function keepWriting(): () => Promise<void> {
    const ending = new AbortController();
    const done = (async () => {
      while (!ending.signal.aborted) {
        const lines = Array.from({ length: putCount }, (_, place) => written + place);
        await stream.put(lines.map((line) => ({ key: `key ${line % 40}`, data: String(line) })));
        written += putCount;
        await new Promise((resolve) => setTimeout(resolve, putMs));
      }
    })();
    return async () => {
      ending.abort();
      await done;
    };
  }

  function start(): Member {
    const name = `m${gone.length + members.length + 1}`;
    const env = environment({ kinesis: servers.kinesis, dynamodb: witness.endpoint(name) });
    const args = ['tail', '--stream', stream.name, '--application', 'deployed-app', '--text'];
    const member = { ...startKinact(args, env, { limitMs: limitMs + 10_000 }), name };
    members.push(member);
    return member;
  }

  const prints = (member: Member): Promise<void> => member.until(({ stdout }) => stdout.includes('\n'));

  async function leave(member: Member): Promise<void> {
    member.child.kill('SIGTERM');
    const { code, signal, stderr } = await member.ended;
    expect({ code, signal }, `${member.name}: ${stderr}`).to.deep.equal({ code: 0, signal: null });
    members.splice(members.indexOf(member), 1);
    gone.push(member);
  }

  const linesOf = ({ output }: Member): Line[] =>
    output.stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Line);

  /** Judges the writes. A worker id contains the id of its process, which identifies the member. */
  function verdict(): WriteVerdict {
    const names = new Map([...gone, ...members].map(({ pid, name }) => [String(pid), name]));
    return judgeWrites(witness.writes, (workerId) => names.get(workerId.split(':')[1] ?? ''));
  }

  async function everythingPrinted(): Promise<void> {
    for (;;) {
      const seen = new Set([...gone, ...members].flatMap((member) => linesOf(member).map(({ data }) => data)));
      if (seen.size >= written) return;
      for (const { child, name } of members) expect(child.exitCode, name).to.equal(null);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  /**
   * Lists shards that a member gave away before it was drained. After a drain, the checkpoint is the member's last printed line of the
   * shard. It is further if others have printed lines since, and the member got the shard again and gave it away without printing any.
   */
  function undrained({ changes }: WriteVerdict): readonly string[] {
    return gone.flatMap((member) => {
      const last = new Map(linesOf(member).map(({ shardId, sequenceNumber }) => [shardId, sequenceNumber]));
      return [...last].flatMap(([shardId, sequenceNumber]) => {
        const given = changes.findLast(({ leaseKey, from }) => leaseKey === shardId && from === member.name);
        const checkpoint = given?.row['checkpoint']?.S ?? 'nowhere';
        return isAtLeast(checkpoint, sequenceNumber)
          ? []
          : [`${member.name}: ${shardId} printed to ${sequenceNumber}, given at ${checkpoint}`];
      });
    });
  }

  it('lose nothing, print nothing twice, and break no law of lease writes', async () => {
    const began = Date.now();
    await Promise.all(Array.from({ length: size }, () => prints(start())));

    for (const old of [...members]) {
      await prints(start());
      await leave(old);
    }
    for (const old of [...members]) {
      await leave(old);
      await prints(start());
    }
    const before = [...members];
    await Promise.all(before.map(() => prints(start())));
    await Promise.all(before.map(leave));

    await stopWriting();
    await everythingPrinted();
    await Promise.all([...members].map(leave));

    const printed = gone.flatMap((member) => linesOf(member).map(({ data }) => ({ data, name: member.name })));
    const seen = new Map<string, string>();
    const twice = printed.flatMap(({ data, name }) => {
      const first = seen.get(data);
      seen.set(data, first ?? name);
      return first === undefined ? [] : [`${data} by ${first} and ${name}`];
    });
    const lost = Array.from({ length: written }, (_, line) => String(line)).filter((line) => !seen.has(line));
    const judged = verdict();
    const counts = (['take', 'release', 'handOver'] as const).map(
      (kind) => `${judged.changes.filter((change) => change.kind === kind).length} ${kind}s`,
    );
    process.stdout.write(
      `        ${written} written, ${lost.length} lost, ${twice.length} printed twice, in ${Math.round((Date.now() - began) / 1_000)} s; ${witness.writes.length} writes: ${counts.join(', ')}\n`,
    );
    expect(judged.complaints.slice(0, 5), 'writes').to.deep.equal([]);
    expect(lost.slice(0, 5), 'lost').to.deep.equal([]);
    expect(twice.slice(0, 5), 'printed twice').to.deep.equal([]);
    expect(undrained(judged), 'not drained').to.deep.equal([]);
    // Otherwise the deploys would have tested no hand-over.
    expect(judged.changes.filter(({ kind }) => kind === 'handOver').length, 'hand-overs').to.be.at.least(size);
    expect(seen.size).to.equal(written);
  });
});

function isAtLeast(checkpoint: string, sequenceNumber: string): boolean {
  return /^\d+$/.test(checkpoint) && BigInt(checkpoint) >= BigInt(sequenceNumber);
}
