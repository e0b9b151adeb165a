// Splits, merges, and LATEST if one consumer follows another: whole consumers on kinesis-local and dynalite.
import {
  CreateStreamCommand,
  ListShardsCommand,
  MergeShardsCommand,
  PutRecordsCommand,
  SplitShardCommand,
} from '@aws-sdk/client-kinesis';
import { expect } from 'chai';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { gate } from '../support/gate.js';
import { consumerHarness, eventually, textOf, type Watched, type Harness } from '../support/consumer-harness.js';
import { isActive } from '../support/fleet.js';
import { startKinesisLocal, type KinesisLocal } from '../support/kinesis-local.js';
import { readStrictly, snapshotTable } from '../support/strict-lease-reader.js';

const idOf = (index: number): string => `shardId-${String(index).padStart(12, '0')}`;

describe('consumers on kinesis-local', function () {
  this.timeout(400_000);
  let servers: LocalServers;
  let local: KinesisLocal;
  let harness: Harness;
  let streamName: string;
  let application: string;
  let written: string[];
  let streams = 0;

  before(async () => {
    [servers, local] = await Promise.all([startLocalServers(), startKinesisLocal({ createMs: 10 })]);
  });
  after(async () => {
    await Promise.all([servers.stop(), local.stop()]);
  });
  beforeEach(async () => {
    streams += 1;
    streamName = `stream-${streams}`;
    application = `application-${streams}`;
    written = [];
    harness = consumerHarness({ kinesis: local.kinesis, dynamodb: servers.dynamodb });
  });
  afterEach(() => harness.close());

  const active = (): Promise<true> => eventually('the stream is ACTIVE', () => isActive(harness.kinesis, streamName));
  const create = async (shards: number): Promise<void> => {
    await harness.kinesis.send(new CreateStreamCommand({ StreamName: streamName, ShardCount: shards }));
    await active();
  };
  const put = async (count: number): Promise<void> => {
    const ids = Array.from({ length: count }, (_, index) => `${written.length + index}`);
    const Records = ids.map((id) => ({ PartitionKey: `key-${id}`, Data: Buffer.from(id) }));
    await harness.kinesis.send(new PutRecordsCommand({ StreamName: streamName, Records }));
    written.push(...ids);
  };
  const merge = async (): Promise<void> => {
    const shards = { ShardToMerge: idOf(0), AdjacentShardToMerge: idOf(1) };
    await harness.kinesis.send(new MergeShardsCommand({ StreamName: streamName, ...shards }));
    await active();
  };
  const split = async (shardId: string): Promise<void> => {
    const { Shards = [] } = await harness.kinesis.send(new ListShardsCommand({ StreamName: streamName }));
    const { StartingHashKey = '0', EndingHashKey = '0' } =
      Shards.find(({ ShardId }) => ShardId === shardId)?.HashKeyRange ?? {};
    const NewStartingHashKey = String((BigInt(StartingHashKey) + BigInt(EndingHashKey)) / 2n);
    await harness.kinesis.send(
      new SplitShardCommand({ StreamName: streamName, ShardToSplit: shardId, NewStartingHashKey }),
    );
    await active();
  };
  const seenBy = (...consumers: readonly Watched[]): Set<string> =>
    new Set(consumers.flatMap(({ seen }) => seen.map(textOf)));
  const allSeen = (...consumers: readonly Watched[]): Promise<true> =>
    eventually(
      'every record seen',
      () => seenBy(...consumers).size === written.length,
      20_000,
      () => ({
        missing: written.filter((id) => !seenBy(...consumers).has(id)).slice(0, 10),
        said: consumers.flatMap(({ said }) => said.slice(-10)),
      }),
    );
  const strictlyAfterStop = async (...consumers: readonly Watched[]): Promise<void> => {
    for (const { consumer } of consumers) expect((await consumer.stop()).drained).to.equal(true);
    await readStrictly(harness.dynamodb, application, { afterCleanStop: true, expectKinact: true });
  };

  it('start the child of a merge only after SHARD_END of both parents, which two workers read', async () => {
    await create(2);
    const holding = gate();
    const holds = (item: { readonly shardId: string }): Promise<void> | undefined =>
      item.shardId === idOf(1) ? holding.opened : undefined;
    const first = harness.consumer(streamName, { application, onItem: holds, workerId: 'first' });
    const second = harness.consumer(streamName, { application, onItem: holds, workerId: 'second' });
    await Promise.all([first.consumer.start(), second.consumer.start()]);
    const both = [first, second];
    const started = (shardId: string): boolean =>
      both.some(({ heard }) => heard('shardStarted').some((event) => event.shardId === shardId));
    // Each parent is read by one worker. Its owner is not enough: a worker that has just lost a lease reads on until its next renewal.
    const reading = ({ consumer }: Watched): string =>
      consumer
        .status()
        .shards.map(({ shardId }) => shardId)
        .join();
    await eventually('one parent each', () => both.map(reading).toSorted().join(' ') === `${idOf(0)} ${idOf(1)}`);
    // Not earlier: a worker that gives up a shard may still have a held call of this shard, which would hold its other shard, too.
    await put(100);
    await merge();
    const shardEnd = (rows: Awaited<ReturnType<typeof snapshotTable>>, shardId: string): boolean =>
      rows.get(shardId)?.['checkpoint']?.S === 'SHARD_END';
    await eventually('the first parent has ended', async () =>
      shardEnd(await snapshotTable(harness.dynamodb, application), idOf(0)),
    );
    // The holder of the child's lease has checked the parents and waits for the second.
    await eventually(
      'the child waits for its second parent',
      () =>
        both.some(({ consumer }) =>
          consumer.status().leases.some(({ state }) => {
            const { leases = [] } = (state ?? {}) as { leases?: { leaseKey: string; here?: { awaits?: string[] } }[] };
            return leases.some(({ leaseKey, here }) => leaseKey === idOf(2) && here?.awaits?.join() === idOf(1));
          }),
        ),
      15_000,
      () => both.map(({ consumer }) => consumer.status().leases),
    );
    expect(started(idOf(2)), 'the child before its second parent').to.equal(false);
    await put(100);
    holding.open();
    await allSeen(...both);
    for (const { said } of both) {
      const at = (name: string, shardId: string): number =>
        said.findIndex((each) => each.name === name && (each.data as { shardId?: string }).shardId === shardId);
      if (at('shardStarted', idOf(2)) >= 0 && at('shardEnded', idOf(1)) >= 0)
        expect(at('shardStarted', idOf(2))).to.be.above(at('shardEnded', idOf(1)));
    }
    await strictlyAfterStop(...both);
  });

  it('follow a split: they read the children after the parent, lose nothing, and repeat nothing', async () => {
    await create(1);
    const only = harness.consumer(streamName, { application });
    await put(50);
    await only.consumer.start();
    await split(idOf(0));
    await put(100);
    await allSeen(only);
    const order = only.seen.map(({ shardId }) => shardId);
    expect(order.lastIndexOf(idOf(0))).to.be.below(order.findIndex((shardId) => shardId !== idOf(0)));
    expect(new Set(order).size).to.equal(3);
    expect(only.seen).to.have.length(150);
    expect(only.heard('shardEnded').map(({ shardId, children }) => [shardId, ...children.toSorted()])).to.deep.equal([
      [idOf(0), idOf(1), idOf(2)],
    ]);
    await strictlyAfterStop(only);
  });

  it('miss no record at LATEST if one stops before the first record and another takes over', async () => {
    await create(2);
    const latest = { application, stream: { initialPosition: 'LATEST' as const } };
    const first = harness.consumer(streamName, latest);
    await first.consumer.start();
    await eventually('both shards are read', () => first.heard('shardStarted').length === 2);
    await first.consumer.stop();
    expect(first.seen).to.deep.equal([]);
    const rows = await readStrictly(harness.dynamodb, application, { afterCleanStop: true });
    for (const row of rows.values()) expect(row['checkpoint']?.S).to.equal('LATEST');
    await put(40);
    const second = harness.consumer(streamName, latest);
    await second.consumer.start();
    await allSeen(second);
    expect(second.seen).to.have.length(40);
    await strictlyAfterStop(second);
  });
});
