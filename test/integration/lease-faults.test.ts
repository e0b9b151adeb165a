// Faults of a lease while a whole consumer holds it: a lost reply, a shard that is gone, a deleted or half-empty row. The scripted
// server provides the stream and the faults, dynalite the lease table.
import { DeleteItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { expect } from 'chai';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { scriptedServer, type ScriptedServer } from '../../src/testing/scripted-server/scripted-server.js';
import { gate } from '../support/gate.js';
import { consumerHarness, eventually, textOf, type Watched, type Harness } from '../support/consumer-harness.js';
import { readStrictly, snapshotTable } from '../support/strict-lease-reader.js';

const first = 'shardId-000000000000';
const second = 'shardId-000000000001';

describe('a consumer whose lease has a fault', function () {
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
    scripted = await scriptedServer({ proxy: { upstream: servers.dynamodb } });
    application = `application-${(runs += 1)}`;
    harness = consumerHarness({ kinesis: scripted.url, dynamodb: scripted.url });
  });
  afterEach(async () => {
    await harness.close();
    await scripted.stop();
  });

  const put = (count: number, from = 0): void => {
    for (let index = from; index < from + count; index += 1)
      scripted.kinesis.put('orders', { partitionKey: `key-${index}`, data: `${index}` });
  };
  const seen = ({ seen: items }: Watched): Set<string> => new Set(items.map(textOf));
  const ended = async (watched: Watched, expectKinact = true): Promise<void> => {
    const { drained } = await watched.consumer.stop();
    expect(drained).to.equal(true);
    await readStrictly(harness.dynamodb, application, { afterCleanStop: true, expectKinact });
  };
  const row = async (leaseKey: string): Promise<Record<string, { S?: string; N?: string }>> =>
    ((await snapshotTable(harness.dynamodb, application)).get(leaseKey) ?? {}) as never;

  it('keeps its lease when the reply to a checkpoint is lost, and reports the checkpoint once', async () => {
    scripted.kinesis.createStream('orders', 1);
    const checkpoints: string[] = [];
    const only = harness.consumer('orders', {
      application,
      leases: { failoverMs: 1_500 },
      onCheckpoint: ({ sequenceNumber }) => checkpoints.push(sequenceNumber),
    });
    await only.consumer.start();
    await eventually('the shard is read', () => only.heard('shardStarted').length === 1);
    const carries = (input: { UpdateExpression?: unknown }): boolean =>
      /SET.*#checkpoint = /.test(String(input.UpdateExpression)) &&
      !/REMOVE.*#leaseOwner/.test(String(input.UpdateExpression));
    const order = scripted.respond('UpdateItem', 1, { type: 'dropReply' }, carries);
    put(10);
    const last = scripted.kinesis.stream('orders').shards.get(first)?.records.at(-1)?.sequenceNumber;
    await eventually('the reply was lost', () => order.remaining === 0);
    await eventually(
      'the checkpoint is reported',
      () => checkpoints.includes(last ?? ''),
      15_000,
      () => only.said,
    );
    expect((await row(first))['checkpoint']?.S).to.equal(last);
    expect(new Set(checkpoints).size, 'no checkpoint reported twice').to.equal(checkpoints.length);
    put(10, 10);
    await eventually('what came later', () => seen(only).size === 20);
    expect(only.seen, 'nothing twice: the lease was never lost').to.have.length(20);
    expect(only.heard('leaseLost')).to.deep.equal([]);
    await ended(only);
  });

  it('ends a shard that is proven gone, reports a possible loss, and reads all other shards', async () => {
    scripted.kinesis.createStream('orders', 2);
    const only = harness.consumer('orders', { application, leases: { failoverMs: 1_500 } });
    put(20);
    await only.consumer.start();
    await eventually('all seen', () => seen(only).size === 20);
    const before = await row(first);
    expect(before['leaseOwner']?.S).to.be.a('string');
    // The shard is closed, and past its retention, before a reader could reach its end.
    const children = scripted.kinesis.split('orders', first);
    scripted.kinesis.dropShard('orders', first);
    await eventually(
      'the shard has ended',
      () => only.heard('shardEnded').length === 1,
      15_000,
      () => only.said,
    );
    expect(only.heard('shardEnded')[0]).to.deep.include({ shardId: first, children });
    expect(only.heard('trimmed')[0]).to.include({ shardId: first, certain: false });
    for (const shardId of [second, ...children])
      scripted.kinesis.put('orders', { partitionKey: 'late', data: `late ${shardId}`, shardId });
    await eventually('the others go on', () => [second, ...children].every((id) => seen(only).has(`late ${id}`)));
    await ended(only);
    const left = await row(first);
    expect(left['checkpoint']?.S ?? 'SHARD_END').to.equal('SHARD_END');
  });

  it('reads a shard whose row has no hash range', async () => {
    scripted.kinesis.createStream('orders', 2);
    const before = harness.consumer('orders', { application });
    put(10);
    await before.consumer.start();
    await eventually('all seen', () => seen(before).size === 10);
    await ended(before);
    await harness.dynamodb.send(
      new UpdateItemCommand({
        TableName: application,
        Key: { leaseKey: { S: first } },
        UpdateExpression: 'REMOVE startingHashKey, endingHashKey',
      }),
    );
    put(20, 10);
    const after = harness.consumer('orders', { application });
    await after.consumer.start();
    await eventually(
      'what came in between',
      () => seen(after).size === 20,
      15_000,
      () => after.said,
    );
    await after.consumer.stop();
    await readStrictly(harness.dynamodb, application, { afterCleanStop: true, allowMissingHashRange: true });
  });

  it('creates a deleted row again at its last checkpoint, with a higher counter, and continues to read', async () => {
    scripted.kinesis.createStream('orders', 1);
    const only = harness.consumer('orders', { application, leases: { failoverMs: 1_500 } });
    put(10);
    await only.consumer.start();
    await eventually('a checkpoint is durable', () => only.heard('checkpoint').length > 0 && seen(only).size === 10);
    const before = await row(first);
    await harness.dynamodb.send(new DeleteItemCommand({ TableName: application, Key: { leaseKey: { S: first } } }));
    await eventually(
      'the row is there again',
      async () => (await row(first))['leaseOwner']?.S !== undefined,
      15_000,
      () => only.said,
    );
    const after = await row(first);
    expect(Number(after['leaseCounter']?.N)).to.be.above(Number(before['leaseCounter']?.N));
    expect(after['checkpoint']).to.deep.equal(before['checkpoint']);
    put(10, 10);
    await eventually(
      'reading goes on',
      () => seen(only).size === 20,
      15_000,
      () => only.said,
    );
    await ended(only);
  });

  it('loses nothing when a Java worker takes its lease by force, and takes the lease back later', async () => {
    scripted.kinesis.createStream('orders', 1);
    const holding = gate();
    const victim = harness.consumer('orders', {
      application,
      workerId: 'victim',
      leases: { failoverMs: 1_500 },
      onItem: (item) => (textOf(item) === '5' ? holding.opened : undefined),
    });
    put(10);
    await victim.consumer.start();
    await eventually('the victim is inside a record', () => seen(victim).has('5'));
    const { leaseCounter } = await row(first);
    // Take the lease like a Java worker of KCL 2.x: on the condition of the counter, and without touching kinactWriter.
    await eventually('the take succeeds', async () => {
      const counter = (await row(first))['leaseCounter']?.N ?? '0';
      return harness.dynamodb
        .send(
          new UpdateItemCommand({
            TableName: application,
            Key: { leaseKey: { S: first } },
            ConditionExpression: 'leaseCounter = :n',
            UpdateExpression: 'SET leaseCounter = :m, leaseOwner = :w ADD ownerSwitchesSinceCheckpoint :one',
            ExpressionAttributeValues: {
              ':n': { N: counter },
              ':m': { N: String(Number(counter) + 1) },
              ':w': { S: 'java-worker' },
              ':one': { N: '1' },
            },
          }),
        )
        .then(
          () => true,
          () => false,
        );
    });
    await eventually(
      'the loss is noticed',
      () => victim.heard('leaseLost').length === 1,
      15_000,
      () => victim.said,
    );
    expect(Number(leaseCounter?.N)).to.be.below(Number((await row(first))['leaseCounter']?.N));
    holding.open();
    // The Java worker never renews: its lease expires, and everything not checkpointed is read again.
    await eventually(
      'taken back and read to the end',
      () => seen(victim).size === 10,
      20_000,
      () => victim.said,
    );
    const fences = victim.seen.filter((item) => textOf(item) === '9').map(({ fence }) => fence);
    expect(fences.at(-1)).to.be.above(Number(leaseCounter?.N));
    await ended(victim);
  });
});
