// Symptom: a row whose checkpoint lay beyond the newest record of its shard withheld the shard for ever, with one `trimmed` warning and a
// lag of 0; at the end of the shard it became SHARD_END. Cause: reading began at the oldest record, and left out all up to the checkpoint,
// or waited at a number that no record had. Rule: a record is never withheld in silence (actors/shard-worker/start-check.ts).
import { expect } from 'chai';
import type { RetrievalWay } from '../../src/api/retrieval.js';
import { kinesisStream } from '../../src/aws/kinesis/kinesis-stream.js';
import { fakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import type { ManualClock } from '../../src/testing/manual-clock.js';
import { memoryLeaseStore } from '../../src/testing/memory-lease-store.js';
import type { ScriptedKinesisOptions } from '../../src/testing/index.js';
import type { Watched } from '../support/consumer-harness.js';
import { modelClient } from '../support/model-kinesis-client.js';
import { tableWorld } from '../support/table-world.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

const beyond = '9'.repeat(56);
const shardId = 'shardId-000000000000';

/** What a consumer must show of the shard. */
function expectReported({ consumer, heard }: Pick<Watched, 'consumer' | 'heard'>, checkpoint: string): void {
  const [event, ...more] = heard('checkpointBeyondTip');
  expect(more).to.deep.equal([]);
  expect(event).to.include({ checkpoint });
  expect(event!.remedy).to.include('kinact reset --application');
  expect(event!.reason).to.include(checkpoint).and.to.include(event!.newest);
  expect(consumer.ready().ok).to.equal(false);
  expect(consumer.ready().reasons.join()).to.include('is delivered: the checkpoint').and.to.include(checkpoint);
  expect(consumer.status().shards.map(({ lagMs }) => lagMs)).to.deep.equal([null]);
}

interface Kinesis {
  readonly client: ReturnType<typeof modelClient>;
  readonly store: ReturnType<typeof memoryLeaseStore>;
  start(): Promise<ReturnType<typeof virtualConsumer>>;
}

/** One shard with three records, which a consumer has read and checkpointed. */
async function kinesis(
  clock: ManualClock,
  model: ScriptedKinesisOptions = {},
  retrieval: RetrievalWay = 'polling',
): Promise<Kinesis> {
  const client = modelClient(clock, model);
  client.kinesis.createStream('orders', 1);
  if (retrieval === 'fan-out') client.subscriptions.register('orders', 'totals');
  const store = memoryLeaseStore([], 'orders');
  const consumerName = retrieval === 'fan-out' ? { consumerName: 'totals' } : {};
  const start = async (): Promise<ReturnType<typeof virtualConsumer>> => {
    const spec = kinesisStream({ streamName: 'orders', client, retrieval, ...consumerName } as never);
    const made = virtualConsumer(clock, { source: { ...spec, openLeases: () => store } as never });
    await inVirtualTime(clock, made.consumer.start());
    return made;
  };
  const first = await start();
  for (const data of ['a', 'b', 'c']) client.kinesis.put('orders', { partitionKey: data, data });
  await clock.advance(10_000);
  await inVirtualTime(clock, first.consumer.stop());
  expect(first.seen).to.have.length(3);
  return { client, store, start };
}

describe('a checkpoint beyond the tip of its shard', () => {
  let clock: ManualClock;
  beforeEach(() => (clock = virtualClock()));
  afterEach(() => clock.uninstall());

  for (const retrieval of ['polling', 'fan-out'] as const)
    for (const missingRecord of ['invalidArgument', 'resourceNotFound', 'nextRecord'] as const)
      it(`is reported by ${retrieval}, and nothing is skipped or replayed (${missingRecord})`, async () => {
        const { client, store, start } = await kinesis(clock, { missingRecord }, retrieval);
        store.put({ ...store.row(shardId), checkpoint: beyond });
        const running = await start();
        client.kinesis.put('orders', { partitionKey: 'd', data: 'd' });
        await clock.advance(90_000);
        expectReported(running, beyond);
        await inVirtualTime(clock, running.consumer.stop());
        expect(running.seen).to.deep.equal([]);
        expect(store.row(shardId).checkpoint).to.equal(beyond);
      });

  for (const retrieval of ['polling', 'fan-out'] as const)
    for (const missingRecord of ['invalidArgument', 'resourceNotFound', 'nextRecord'] as const)
      it(`does not become SHARD_END at the end of the shard, read by ${retrieval}, and no child is read (${missingRecord})`, async () => {
        const { client, store, start } = await kinesis(clock, { missingRecord }, retrieval);
        store.put({ ...store.row(shardId), checkpoint: beyond });
        client.kinesis.put('orders', { partitionKey: 'd', data: 'd' });
        client.kinesis.split('orders', shardId);
        const running = await start();
        await clock.advance(120_000);
        expectReported(running, beyond);
        expect(running.heard('shardEnded')).to.deep.equal([]);
        await inVirtualTime(clock, running.consumer.stop());
        expect(running.seen).to.deep.equal([]);
        expect(store.row(shardId).checkpoint).to.equal(beyond);
      });

  it('is not suspected if the records have expired, were all read, or follow', async () => {
    const { client, start } = await kinesis(clock);
    const running = await start();
    await clock.advance(120_000);
    expect(running.consumer.ready().ok).to.equal(true);
    client.kinesis.trim('orders', shardId);
    await inVirtualTime(clock, running.consumer.stop());
    const next = await start();
    await clock.advance(120_000);
    expect(next.consumer.ready().ok).to.equal(true);
    client.kinesis.put('orders', { partitionKey: 'd', data: 'd' });
    await clock.advance(10_000);
    expect(next.seen).to.have.length(1);
    for (const { heard } of [running, next]) expect(heard('checkpointBeyondTip')).to.deep.equal([]);
    await inVirtualTime(clock, next.consumer.stop());
  });

  it('is reported for a source of the test kit, too', async () => {
    const stream = fakeStream({ clock });
    const first = virtualConsumer(clock, { stream });
    await inVirtualTime(clock, first.consumer.start());
    await inVirtualTime(clock, first.consumer.stop());
    const store = stream.leases.get('orders')!;
    store.put({ ...store.row(shardId), checkpoint: beyond });
    const running = virtualConsumer(clock, { stream });
    await inVirtualTime(clock, running.consumer.start());
    stream.put({ partitionKey: 'x', data: 'x' });
    await clock.advance(5_000);
    expectReported(running, beyond);
    await inVirtualTime(clock, running.consumer.stop());
  });
});

describe('a checkpoint beyond the tip of a shard of a table', () => {
  const number = '9'.repeat(21);
  const refusal = (how: string, input: Readonly<Record<string, unknown>>, looks: number): string | undefined => {
    if (input['SequenceNumber'] !== number) return undefined;
    if (how === 'refused') return 'ValidationException';
    // The first looks at the record itself fail.
    return input['ShardIteratorType'] === 'AT_SEQUENCE_NUMBER' && looks < 2 ? 'InternalServerError' : undefined;
  };

  for (const how of ['taken', 'refused'] as const)
    for (const state of ['open', 'rolled over'] as const)
      it(`is reported, and nothing is skipped or replayed, if the service has ${how} the number of a shard that is ${state}`, async () => {
        using clock = virtualClock();
        const world = tableWorld(clock);
        const first = world.worker('a');
        await world.start(first);
        world.write(['x', 'y']);
        await clock.advance(20_000);
        await world.stop(first);
        const [leaseKey, item] = [...world.leases.items('app')].find(([, row]) => row['checkpoint'] !== undefined)!;
        world.leases.put('app', { ...item, checkpoint: { S: number } });
        let looks = 0;
        world.script = ({ operation, input }) => {
          if (operation !== 'GetShardIterator') return undefined;
          const answer = refusal(how, input, looks);
          if (answer === 'InternalServerError') looks += 1;
          return answer;
        };
        world.write(['z']);
        if (state === 'rolled over') world.tables.rollShard('orders');
        const second = world.worker('b');
        await world.start(second);
        await clock.advance(180_000);
        // The service refuses a number beyond the end of a closed shard.
        expect(looks).to.equal(how === 'taken' && state === 'open' ? 2 : 0);
        expectReported(second, number);
        await world.stop(second);
        expect(second.ids()).to.deep.equal([]);
        expect(world.rows().get(leaseKey)!.checkpoint).to.equal(number);
      });

  for (const [what, error, times] of [
    ['has expired', 'TrimmedDataAccessException', Infinity],
    ['cannot be asked for, for a while', 'InternalServerError', 5],
  ] as const)
    it(`does not keep a closed shard from its end if the record at the checkpoint ${what}`, async () => {
      using clock = virtualClock();
      const world = tableWorld(clock);
      const first = world.worker('a');
      await world.start(first);
      world.write(['x', 'y']);
      await clock.advance(20_000);
      await world.stop(first);
      world.tables.rollShard('orders');
      const looks: number[] = [];
      world.script = ({ operation, input }) => {
        if (operation !== 'GetShardIterator' || input['ShardIteratorType'] !== 'AT_SEQUENCE_NUMBER') return undefined;
        looks.push(clock.now());
        return looks.length <= times ? error : undefined;
      };
      const second = world.worker('b');
      await world.start(second);
      await clock.advance(120_000);
      expect(second.heard('shardEnded')).to.have.length(1);
      expect(second.heard('checkpointBeyondTip')).to.deep.equal([]);
      expect(looks).to.have.length(times === Infinity ? 1 : 6);
      // Each look that fails waits longer than the one before, although a chain is answered in between.
      if (looks.length > 1) expect(looks.at(-1)! - looks.at(-2)!).to.be.above(1_000);
      await world.stop(second);
    });
});
