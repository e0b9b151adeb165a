// The scripted Kinesis changes its number of shards: UpdateShardCount with the limits of AWS, and streams that scale by themselves.
import { expect } from 'chai';
import {
  DescribeStreamSummaryCommand,
  KinesisClient,
  MergeShardsCommand,
  SplitShardCommand,
  UpdateShardCountCommand,
} from '@aws-sdk/client-kinesis';
import { scriptedServer, type ScriptedServer } from '../../../src/testing/scripted-server/scripted-server.js';
import type { ScriptedShard } from '../../../src/testing/scripted-server/scripted-shards.js';

const hashKeys = 2n ** 128n;

describe('the scripted Kinesis scales', () => {
  let server: ScriptedServer;
  let client: KinesisClient;
  beforeEach(async () => {
    server = await scriptedServer({ kinesis: { updateMs: 5_000, now: () => 1_700_000_000_000 } });
    client = new KinesisClient({ ...server.clientConfig, maxAttempts: 1 });
  });
  afterEach(() => server.stop());

  const update = (TargetShardCount: number) =>
    client.send(
      new UpdateShardCountCommand({ StreamName: 'orders', TargetShardCount, ScalingType: 'UNIFORM_SCALING' }),
    );
  const summary = async () =>
    (await client.send(new DescribeStreamSummaryCommand({ StreamName: 'orders' }))).StreamDescriptionSummary!;
  const nameOf = (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'no error',
      (error: Error) => error.name,
    );
  const shards = (): ScriptedShard[] => [...server.kinesis.stream('orders').shards.values()];
  const open = (): ScriptedShard[] => shards().filter((one) => one.closedAt === undefined);
  /** The open ranges, which must be of equal width and leave no gap. */
  const expectUniform = (count: number): void => {
    const width = hashKeys / BigInt(count);
    const ranges = open()
      .toSorted((a, b) => (a.startingHashKey < b.startingHashKey ? -1 : 1))
      .map((one) => [one.startingHashKey, one.endingHashKey]);
    const wanted = Array.from({ length: count }, (_, index) => {
      const end = index === count - 1 ? hashKeys : BigInt(index + 1) * width;
      return [BigInt(index) * width, end - 1n];
    });
    expect(ranges).to.deep.equal(wanted);
  };

  it('to any count between half and double, with shards of equal width, and keeps every record and its place', async () => {
    server.kinesis.createStream('orders', 4);
    const put: string[] = [];
    for (const [from, to] of [
      [4, 8],
      [8, 16],
      [16, 8],
      [8, 4],
      [4, 2],
      [2, 3],
      [3, 5],
      [5, 4],
      [4, 4],
    ] as const) {
      // prettier-ignore
      put.push(server.kinesis.put('orders', { partitionKey: `to ${to}`, data: 'x' }).sequenceNumber);
      expect(await update(to)).to.include({ StreamName: 'orders', CurrentShardCount: from, TargetShardCount: to });
      expectUniform(to);
      server.kinesis.advance(5_000);
    }
    expect(
      shards()
        .flatMap((one) => one.records.map((record) => record.sequenceNumber))
        .toSorted(),
    ).to.deep.equal(put);
    for (const { parents, startingHashKey, endingHashKey } of shards())
      for (const parent of shards().filter((one) => parents.includes(one.shardId)))
        expect(parent.endingHashKey >= startingHashKey && parent.startingHashKey <= endingHashKey).to.equal(true);
  });

  it('not to more than double or less than half, not when on-demand, and not to a count that is none', async () => {
    server.kinesis.createStream('orders', 5);
    for (const target of [11, 2, 0])
      expect(await nameOf(update(target)), `${target}`).to.equal('InvalidArgumentException');
    expect(open()).to.have.length(5);
    server.kinesis.stream('orders').mode = 'ON_DEMAND';
    expect(await nameOf(update(6))).to.equal('ValidationException');
  });

  it('and is UPDATING for a while: further changes are refused, records are not', async () => {
    server.kinesis.createStream('orders', 2);
    await update(4);
    expect(await summary()).to.include({ StreamStatus: 'UPDATING', OpenShardCount: 4 });
    const [first, second] = open().map((one) => one.shardId);
    const StreamName = 'orders';
    const merge = new MergeShardsCommand({ StreamName, ShardToMerge: first!, AdjacentShardToMerge: second! });
    const split = new SplitShardCommand({
      StreamName,
      ShardToSplit: second!,
      NewStartingHashKey: String(hashKeys / 3n),
    });
    for (const refused of [update(8), client.send(merge), client.send(split)])
      expect(await nameOf(refused)).to.equal('ResourceInUseException');
    server.kinesis.put('orders', { partitionKey: 'a', data: 'a' });
    server.kinesis.advance(4_999);
    expect(await summary()).to.include({ StreamStatus: 'UPDATING' });
    server.kinesis.advance(1);
    expect(await summary()).to.include({ StreamStatus: 'ACTIVE' });
    await client.send(split);
    expect(await summary()).to.include({ StreamStatus: 'UPDATING', OpenShardCount: 5 });
  });

  it('by itself at the moment that the test has set, and an open subscription learns it', () => {
    const { kinesis } = server;
    const { arn } = kinesis.createStream('orders', 4, { mode: 'ON_DEMAND' });
    const { Consumer } = kinesis.handle('RegisterStreamConsumer', { StreamARN: arn, ConsumerName: 'app' }) as {
      Consumer: { ConsumerARN: string };
    };
    const subscription = kinesis.subscribe({
      ConsumerARN: Consumer.ConsumerARN,
      ShardId: 'shardId-000000000000',
      StartingPosition: { Type: 'TRIM_HORIZON' },
    });
    kinesis.scale('orders', 4, 2_000);
    kinesis.scale('orders', 8, 1_000);
    expect(subscription.dueAt).to.equal(kinesis.now() + 1_000);
    kinesis.advance(999);
    expectUniform(4);
    expect(subscription.next()).to.equal(undefined);
    let changes = 0;
    subscription.onChange(() => (changes += 1));
    kinesis.advance(1);
    expect(changes).to.be.above(0);
    expect(subscription.next()).to.have.nested.property('event.ChildShards').with.length(2);
    expectUniform(8);
    kinesis.advance(1_000);
    expectUniform(4);
    kinesis.scale('orders', 3);
    expectUniform(3);
    expect(() => kinesis.scale('orders', 0)).to.throw('shards');
  });
});
