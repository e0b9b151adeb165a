// Symptom: under RecordDistributionStrategy AUTO, `outOfRange: 'dropRecord'` and `'dropAggregate'` dropped good records. No event
// said that a key has no order there. Cause: kinact never looked at the strategy, and took a hash key outside a shard's range for a
// producer's mistake. Rule: no record is dropped for a hash key that did not choose its shard.
import { expect } from 'chai';
import { encodeAggregate } from '../../src/aws/aggregation/aggregate-encoder.js';
import { kinesisStream } from '../../src/aws/kinesis/kinesis-stream.js';
import type { SourceSpec } from '../../src/api/source.js';
import type { ManualClock } from '../../src/testing/manual-clock.js';
import { memoryLeaseStore, type MemoryLeaseStore } from '../../src/testing/memory-lease-store.js';
import { modelClient, type ModelClient } from '../support/model-kinesis-client.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { virtualConsumer, type VirtualConsumer } from '../support/virtual-consumer.js';

const [shard0, shard1] = ['shardId-000000000000', 'shardId-000000000001'];
const minuteMs = 60_000;
/** Partition keys with hash keys in the lower and in the upper half. */
const [low, high] = ['a', 'b'];

interface Harness extends Disposable {
  readonly clock: ManualClock;
  readonly client: ModelClient;
  readonly store: MemoryLeaseStore;
  /** Makes a consumer with its own source, like another process. */
  consumer(outOfRange: 'emit' | 'dropRecord' | 'dropAggregate'): VirtualConsumer;
  /** Puts an aggregate of one user record of each half into the lower shard. */
  putMixed(text: string): void;
  distribute(distribution: 'AUTO' | 'USER_PARTITION_KEY'): void;
  /** Sets the capacity mode. */
  setMode(mode: 'ON_DEMAND' | 'PROVISIONED'): void;
}

function harness(distribution: 'AUTO' | 'USER_PARTITION_KEY' = 'USER_PARTITION_KEY'): Harness {
  const clock = virtualClock();
  const client = modelClient(clock);
  // Shorter than the service allows, to keep the test short.
  client.kinesis.createStream('orders', 2, { mode: 'ON_DEMAND', distribution }).retentionHours = 0.5;
  const store = memoryLeaseStore([], 'orders');
  return {
    clock,
    client,
    store,
    [Symbol.dispose]: () => clock.uninstall(),
    consumer(outOfRange) {
      const spec: SourceSpec = kinesisStream({ streamName: 'orders', client, outOfRange });
      return virtualConsumer(clock, { source: { ...spec, openLeases: () => store } });
    },
    putMixed(text) {
      const data = encodeAggregate([low, high].map((partitionKey) => ({ partitionKey, data: Buffer.from(text) })));
      client.kinesis.put('orders', { partitionKey: low, data, shardId: shard0 });
    },
    distribute: (to) => void (client.kinesis.stream('orders').distribution = to),
    setMode: (to) => void (client.kinesis.stream('orders').mode = to),
  };
}

const texts = ({ seen }: VirtualConsumer): string[] =>
  seen.map(({ key, value }) => `${key}${Buffer.from(value).toString()}`).toSorted();

describe('a stream whose record distribution is AUTO', () => {
  it('is reported to have no order per key, by an event and status(), unlike USER_PARTITION_KEY', async () => {
    for (const distribution of ['AUTO', 'USER_PARTITION_KEY'] as const) {
      using on = harness(distribution);
      const running = on.consumer('emit');
      await inVirtualTime(on.clock, running.consumer.start());
      const auto = distribution === 'AUTO';
      const [snapshot] = running.consumer.status().sources;
      expect(snapshot?.placement).to.include({ distribution, perKeyOrder: !auto, outOfRange: 'emit' });
      const told = running.heard('recordDistribution');
      expect(told.map((each) => each.perKeyOrder)).to.deep.equal(auto ? [false] : []);
      await inVirtualTime(on.clock, running.consumer.stop());
    }
  });

  it('fails the start with INVALID_OPTION under a policy that drops by hash key', async () => {
    for (const outOfRange of ['dropRecord', 'dropAggregate'] as const) {
      using on = harness('AUTO');
      const refused = on.consumer(outOfRange);
      const error: unknown = await inVirtualTime(
        on.clock,
        refused.consumer.start().then(
          () => undefined,
          (thrown: unknown) => thrown,
        ),
      );
      expect(error).to.include({ code: 'INVALID_OPTION', retryable: false });
      expect((error as Error).message)
        .to.include(outOfRange)
        .and.include('AUTO');
    }
  });
});

describe('a stream that switches to AUTO under a consumer that drops by hash key', () => {
  it('loses no record after the switch, even before the consumer notices and reports it', async () => {
    using on = harness();
    on.setMode('PROVISIONED');
    const running = on.consumer('dropRecord');
    await inVirtualTime(on.clock, running.consumer.start());
    await on.clock.advance(30_000);
    on.putMixed('1');
    await on.clock.advance(3_000);
    expect(texts(running)).to.deep.equal([`${low}1`]);
    expect(running.heard('outOfRange')).to.have.length(1);
    on.setMode('ON_DEMAND');
    on.distribute('AUTO');
    on.putMixed('2');
    await on.clock.advance(3_000);
    expect(texts(running)).to.deep.equal([`${low}1`, `${low}2`, `${high}2`]);
    await on.clock.advance(70_000);
    expect(running.heard('recordDistribution')).to.have.length(1);
    expect(running.heard('recordDistribution')[0]).to.include({
      distribution: 'AUTO',
      perKeyOrder: false,
      outOfRange: 'emit',
    });
    await inVirtualTime(on.clock, running.consumer.stop());
  });

  it('loses no record while its distribution cannot be read', async () => {
    using on = harness();
    on.setMode('PROVISIONED');
    const running = on.consumer('dropAggregate');
    await inVirtualTime(on.clock, running.consumer.start());
    // The shards must be read by now: no chain of iterators begins before the stream has shown its identity.
    await on.clock.advance(10_000);
    on.client.script = ({ operation }) =>
      operation === 'DescribeStreamSummary' ? { error: 'LimitExceededException' } : undefined;
    on.putMixed('1');
    await on.clock.advance(3_000);
    expect(texts(running)).to.deep.equal([`${low}1`, `${high}1`]);
    await inVirtualTime(on.clock, running.consumer.stop());
  });

  it('loses no record if it switches back before the consumer looks, or while no consumer runs', async () => {
    for (const outOfRange of ['dropRecord', 'dropAggregate'] as const) {
      using on = harness();
      const running = on.consumer(outOfRange);
      await inVirtualTime(on.clock, running.consumer.start());
      const told = running.heard('recordDistribution');
      expect(told.map((each) => [each.distribution, each.perKeyOrder, each.outOfRange])).to.deep.equal([
        ['USER_PARTITION_KEY', true, 'emit'],
      ]);
      await on.clock.advance(30_000);
      on.distribute('AUTO');
      on.putMixed('1');
      on.distribute('USER_PARTITION_KEY');
      await on.clock.advance(3_000);
      expect(texts(running)).to.deep.equal([`${low}1`, `${high}1`]);
      await inVirtualTime(on.clock, running.consumer.stop());
      on.distribute('AUTO');
      on.putMixed('2');
      await on.clock.advance(10 * minuteMs);
      on.distribute('USER_PARTITION_KEY');
      await on.clock.advance(5 * minuteMs);
      const later = on.consumer(outOfRange);
      await inVirtualTime(on.clock, later.consumer.start());
      await on.clock.advance(3_000);
      expect(texts(later)).to.deep.equal([`${low}2`, `${high}2`]);
      await inVirtualTime(on.clock, later.consumer.stop());
    }
  });

  it('loses no record for one retention after AUTO, in later consumers too; then dropping resumes', async () => {
    using on = harness();
    const first = on.consumer('dropRecord');
    await inVirtualTime(on.clock, first.consumer.start());
    on.distribute('AUTO');
    await on.clock.advance(5 * minuteMs);
    const live = () => [...on.store.rows.values()].filter(({ checkpoint }) => checkpoint !== 'SHARD_END');
    const remembering = (): number => live().filter((row) => row.kinactAutoAt !== undefined).length;
    expect(remembering()).to.equal(2);
    on.distribute('USER_PARTITION_KEY');
    on.setMode('PROVISIONED');
    await inVirtualTime(on.clock, first.consumer.stop());
    const second = on.consumer('dropRecord');
    await inVirtualTime(on.clock, second.consumer.start());
    expect(second.heard('recordDistribution')[0]).to.include({ perKeyOrder: false, outOfRange: 'emit' });
    // Both shards are split. Their rows, which have `kinactAutoAt`, end, so other rows must keep this time.
    on.client.kinesis.split('orders', shard0);
    on.client.kinesis.split('orders', shard1);
    await on.clock.advance(20 * minuteMs);
    expect([live().length, remembering()]).to.deep.equal([4, 3]);
    await inVirtualTime(on.clock, second.consumer.stop());
    const third = on.consumer('dropRecord');
    await inVirtualTime(on.clock, third.consumer.start());
    const child = 'shardId-000000000002';
    const mixed = (text: string): void => {
      const data = encodeAggregate([low, high].map((partitionKey) => ({ partitionKey, data: Buffer.from(text) })));
      on.client.kinesis.put('orders', { partitionKey: low, data, shardId: child });
    };
    mixed('1');
    await on.clock.advance(15_000);
    expect(texts(third)).to.deep.equal([`${low}1`, `${high}1`]);
    await on.clock.advance(30 * minuteMs);
    expect(third.heard('recordDistribution').at(-1)).to.include({ perKeyOrder: true, outOfRange: 'dropRecord' });
    mixed('2');
    await on.clock.advance(3_000);
    expect(texts(third)).to.deep.equal([`${low}1`, `${low}2`, `${high}1`]);
    await inVirtualTime(on.clock, third.consumer.stop());
  });
});
