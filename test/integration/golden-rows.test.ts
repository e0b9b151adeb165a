// kinact takes over rows of Java workers (KCL clause 1.8) and leaves them behind. The checkpoint counts, and foreign attributes and
// rows of other entities stay. The rows that kinact writes into a fresh table have the form of the KCL's rows.
import { CreateTableCommand, PutItemCommand, type AttributeValue } from '@aws-sdk/client-dynamodb';
import { expect } from 'chai';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { scriptedServer, type ScriptedServer } from '../../src/testing/scripted-server/scripted-server.js';
import { consumerHarness, eventually, textOf, type Watched, type Harness } from '../support/consumer-harness.js';
import { readStrictly, snapshotTable } from '../support/strict-lease-reader.js';

type Row = Record<string, AttributeValue>;

const idOf = (index: number): string => `shardId-${String(index).padStart(12, '0')}`;
const top = 2n ** 128n - 1n;

describe('a consumer on golden rows of the KCL', function () {
  this.timeout(400_000);
  let servers: LocalServers;
  let scripted: ScriptedServer;
  let harness: Harness;
  let application: string;
  let runs = 0;

  before(async () => {
    servers = await startLocalServers();
  });
  after(() => servers.stop());
  beforeEach(async () => {
    scripted = await scriptedServer();
    application = `application-${(runs += 1)}`;
    harness = consumerHarness({ kinesis: scripted.url, dynamodb: servers.dynamodb });
  });
  afterEach(async () => {
    await harness.close();
    await scripted.stop();
  });

  const table = async (...rows: readonly Row[]): Promise<void> => {
    await harness.dynamodb.send(
      new CreateTableCommand({
        TableName: application,
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [{ AttributeName: 'leaseKey', AttributeType: 'S' }],
        KeySchema: [{ AttributeName: 'leaseKey', KeyType: 'HASH' }],
      }),
    );
    for (const Item of rows) {
      await eventually('the table takes rows', () =>
        harness.dynamodb.send(new PutItemCommand({ TableName: application, Item })).then(
          () => true as const,
          () => false as const,
        ),
      );
    }
  };
  /** A fresh lease row of KCL 2.x. The attributes in `more` override those of the row. */
  const java = (leaseKey: string, [start, end]: readonly [bigint, bigint], more: Row = {}): Row => ({
    leaseKey: { S: leaseKey },
    leaseCounter: { N: '0' },
    ownerSwitchesSinceCheckpoint: { N: '0' },
    checkpoint: { S: 'TRIM_HORIZON' },
    checkpointSubSequenceNumber: { N: '0' },
    startingHashKey: { S: String(start) },
    endingHashKey: { S: String(end) },
    ...more,
  });
  const halves = [[0n, top / 2n] as const, [top / 2n + 1n, top] as const] as const;
  const put = (shardId: string, ...ids: readonly string[]): string[] =>
    ids.map((id) => scripted.kinesis.put('orders', { partitionKey: id, data: id, shardId }).sequenceNumber);
  const seen = ({ seen: items }: Watched): readonly string[] => items.map(textOf).toSorted();
  const seeing = (watched: Watched, ...ids: readonly string[]): Promise<unknown> =>
    eventually(
      `seen: ${ids.join()}`,
      () => ids.every((id) => seen(watched).includes(id)),
      20_000,
      () => [seen(watched), watched.said],
    );

  it('continues at the checkpoint of a dead Java worker, and keeps every foreign attribute and row', async () => {
    scripted.kinesis.createStream('orders', 2);
    const [, , third] = put(idOf(0), 'a1', 'a2', 'a3', 'a4');
    put(idOf(1), 'b1', 'b2');
    await table(
      java(idOf(0), halves[0], {
        leaseOwner: { S: 'worker-a' },
        leaseCounter: { N: '4711' },
        checkpoint: { S: third ?? '' },
        ownerSwitchesSinceCheckpoint: { N: '1' },
        throughputKBps: { N: '12.500000' },
        entityType: { S: 'LEASE' },
        somethingOfTheirs: { M: { kept: { BOOL: true } } },
      }),
      java(idOf(1), halves[1], {
        pendingCheckpoint: { S: '4711' },
        pendingCheckpointSubSequenceNumber: { N: '0' },
        pendingCheckpointState: { B: Buffer.from('theirs') },
      }),
      { leaseKey: { S: 'orders-stream' }, entityType: { S: 'STREAM' }, streamId: { S: 'x' } },
    );
    const before = await snapshotTable(harness.dynamodb, application);
    const only = harness.consumer('orders', { application, leases: { failoverMs: 1_000 } });
    await only.consumer.start();
    await seeing(only, 'a4', 'b1', 'b2');
    expect((await only.consumer.stop()).drained).to.equal(true);
    expect(seen(only), 'nothing before the checkpoint').to.deep.equal(['a4', 'b1', 'b2']);
    const after = await readStrictly(harness.dynamodb, application, { afterCleanStop: true, before });
    const row = after.get(idOf(0)) as Row;
    expect(Number(row['leaseCounter']?.N)).to.be.above(4_711);
    expect(row['ownerSwitchesSinceCheckpoint']).to.deep.equal({ N: '0' });
    expect(row['entityType']).to.deep.equal({ S: 'LEASE' });
    expect(after.get(idOf(1))).to.not.have.any.keys(
      'pendingCheckpoint',
      'pendingCheckpointSubSequenceNumber',
      'pendingCheckpointState',
    );
  });

  it('reads the children of a shard that a Java worker has ended, and not the shard again', async () => {
    scripted.kinesis.createStream('orders', 1);
    put(idOf(0), 'old');
    scripted.kinesis.split('orders', idOf(0));
    put(idOf(1), 'left');
    put(idOf(2), 'right');
    const parent = { parentShardId: { SS: [idOf(0)] } };
    await table(
      java(idOf(0), [0n, top], { checkpoint: { S: 'SHARD_END' }, childShardIds: { SS: [idOf(1), idOf(2)] } }),
      java(idOf(1), halves[0], parent),
      java(idOf(2), halves[1], parent),
    );
    const only = harness.consumer('orders', { application });
    await only.consumer.start();
    await seeing(only, 'left', 'right');
    await only.consumer.stop();
    expect(seen(only)).to.deep.equal(['left', 'right']);
    await readStrictly(harness.dynamodb, application, { afterCleanStop: true });
  });

  it('starts a child only after the Java worker that reads the parent has ended the parent', async () => {
    scripted.kinesis.createStream('orders', 1);
    put(idOf(0), 'old');
    scripted.kinesis.split('orders', idOf(0));
    put(idOf(1), 'left');
    put(idOf(2), 'right');
    const parent = { parentShardId: { SS: [idOf(0)] } };
    const alive = java(idOf(0), [0n, top], { leaseOwner: { S: 'java-worker' } });
    await table(alive, java(idOf(1), halves[0], parent), java(idOf(2), halves[1], parent));
    const only = harness.consumer('orders', { application, leases: { maxLeases: 2 } });
    await only.consumer.start();
    await eventually(
      'the children are held, and wait',
      () => {
        const [{ state } = { state: undefined }] = only.consumer.status().leases;
        const { leases = [] } = (state ?? {}) as { leases?: { here?: { awaits?: string[] } }[] };
        return leases.filter(({ here }) => here?.awaits?.join() === idOf(0)).length === 2;
      },
      15_000,
      () => only.consumer.status().leases,
    );
    expect(only.seen).to.deep.equal([]);
    const ended = {
      leaseCounter: { N: '1' },
      checkpoint: { S: 'SHARD_END' },
      childShardIds: { SS: [idOf(1), idOf(2)] },
    };
    await harness.dynamodb.send(new PutItemCommand({ TableName: application, Item: { ...alive, ...ended } }));
    await seeing(only, 'left', 'right');
    await only.consumer.stop();
    expect(seen(only)).to.deep.equal(['left', 'right']);
  });

  it('writes rows with the attributes that Java writes, and with attributes of its own', async () => {
    scripted.kinesis.createStream('orders', 1);
    const [last] = put(idOf(0), 'old');
    const only = harness.consumer('orders', { application });
    await only.consumer.start();
    await seeing(only, 'old');
    scripted.kinesis.split('orders', idOf(0));
    put(idOf(1), 'left');
    await seeing(only, 'left');
    await eventually('the parent has ended', () => only.heard('shardEnded').length === 1);
    const rows = await snapshotTable(harness.dynamodb, application);
    await only.consumer.stop();
    const parent = rows.get(idOf(0)) as Row;
    const { leaseCounter, leaseOwner, kinactWriter, kinactFailover, kinactStream, ...rest } = parent;
    expect(leaseOwner?.S, 'as the KCL leaves it').to.equal(only.consumer.status().workerId);
    expect(leaseCounter?.N).to.match(/^[1-9]\d*$/);
    expect(kinactWriter?.S).to.be.a('string');
    expect(kinactFailover?.S, 'of its owner').to.equal(`10000 ${kinactWriter?.S}`);
    expect(kinactStream?.S).to.match(/^arn:aws:kinesis:.*:stream\/orders#\d+$/);
    expect(rest).to.deep.equal({
      leaseKey: { S: idOf(0) },
      ownerSwitchesSinceCheckpoint: { N: '0' },
      checkpoint: { S: 'SHARD_END' },
      checkpointSubSequenceNumber: { N: '0' },
      startingHashKey: { S: '0' },
      endingHashKey: { S: String(top) },
      childShardIds: { SS: [idOf(1), idOf(2)] },
    });
    expect((rows.get(idOf(1)) as Row)['parentShardId']).to.deep.equal({ SS: [idOf(0)] });
    expect(last).to.be.a('string');
    await readStrictly(harness.dynamodb, application, { afterCleanStop: true, expectKinact: true });
  });
});
