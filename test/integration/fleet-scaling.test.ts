// Real processes read a stream that is scaled up and down by UpdateShardCount, by polling and by enhanced fan-out, while one of them is
// killed in the middle of a change. The times of the hand-overs are those of the server's calls.
import { expect } from 'chai';
import { UpdateShardCountCommand } from '@aws-sdk/client-kinesis';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { scriptedServer, type ScriptedServer } from '../../src/testing/scripted-server/scripted-server.js';
import { isActive, startFleet, type Fleet } from '../support/fleet.js';
import { allSeen, outOfOrder, replays } from '../support/fleet-laws.js';
import { delivering } from '../support/resharding.js';
import { readStrictly } from '../support/strict-lease-reader.js';

describe('a fleet of processes while the stream is scaled', function () {
  this.timeout(200_000);
  let local: LocalServers;
  let server: ScriptedServer;
  let fleet: Fleet;
  before(async () => {
    local = await startLocalServers();
  });
  after(() => local?.stop());
  afterEach(async () => {
    await fleet?.stop();
    await server?.stop();
  });

  const openShards = (): readonly string[] =>
    [...server.kinesis.stream(fleet.streamName).shards.values()]
      .filter(({ endingSequenceNumber }) => endingSequenceNumber === undefined)
      .map(({ shardId }) => shardId);

  const scale = async (TargetShardCount: number): Promise<void> => {
    await fleet.until('ACTIVE', () => isActive(fleet.kinesis, fleet.streamName));
    const target = { StreamName: fleet.streamName, TargetShardCount, ScalingType: 'UNIFORM_SCALING' } as const;
    await fleet.kinesis.send(new UpdateShardCountCommand(target));
  };

  /** From the last call that read a parent to the first that reads the child, on the server. */
  const handOverMs = (): readonly number[] => {
    const reads = ['GetShardIterator', 'SubscribeToShard']
      .flatMap((operation) => server.calls(operation))
      .map(({ at, input }) => ({ at, shardId: (input as { ShardId: string }).ShardId }))
      .toSorted((a, b) => a.at - b.at);
    return [...server.kinesis.stream(fleet.streamName).shards.values()].flatMap(({ shardId, parents }) => {
      const first = reads.find((read) => read.shardId === shardId);
      const last = reads.findLast((read) => parents.includes(read.shardId));
      return first === undefined || last === undefined ? [] : [Math.round(first.at - last.at)];
    });
  };

  for (const retrieval of ['polling', 'fan-out'] as const)
    it(`follows 4 → 8 → 4 → 2 while one process is killed, and loses nothing (${retrieval})`, async () => {
      server = await scriptedServer({ proxy: { upstream: local.dynamodb }, kinesis: { updateMs: 500 } });
      fleet = await startFleet({
        shards: 4,
        application: `scaled-by-${retrieval}`,
        endpoints: { kinesis: server.url, dynamodb: server.url },
      });
      const stopWriting = fleet.keepWriting(24, 100);
      const workers = ['a', 'b'].map((name) => fleet.start(name, { retrieval, failoverMs: 2_000, idleMs: 250 }));
      for (const shardId of openShards()) await delivering(fleet, shardId);
      await fleet.balanced(workers);

      await scale(8);
      for (const shardId of openShards()) await delivering(fleet, shardId);
      await scale(4);
      workers[0]!.kill('SIGKILL');
      for (const shardId of openShards()) await delivering(fleet, shardId);
      const successor = fleet.start('c', { retrieval, failoverMs: 2_000, idleMs: 250 });
      await scale(2);
      for (const shardId of openShards()) await delivering(fleet, shardId);

      await fleet.balanced([workers[1]!, successor]);
      await stopWriting();
      await allSeen(fleet);
      for (const worker of [workers[1]!, successor]) {
        worker.kill('SIGTERM');
        expect(await worker.exited, worker.name).to.equal(0);
      }
      expect(outOfOrder(fleet.deliveries())).to.deep.equal([]);
      await readStrictly(fleet.dynamodb, fleet.application, { afterCleanStop: true, expectKinact: true });
      const times = handOverMs().toSorted((a, b) => a - b);
      expect(times).to.have.length(server.kinesis.stream(fleet.streamName).shards.size - 4);
      expect(server.count('SubscribeToShard') > 0, 'subscriptions').to.equal(retrieval === 'fan-out');
      process.stdout.write(`        ${fleet.written.length} written, 0 lost, ${replays(fleet)} replays\n`);
      process.stdout.write(`        from the proof of a parent's end to its child: ${times.join(', ')} ms\n`);
    });
});
