// Symptom: a stream that was deleted and created again under a running consumer was ended shard by shard. No worker read what was
// put into the new stream, and nothing reported it. Cause: while the stream is CREATING, GetShardIterator finds no shard, but a
// description succeeds. This counted as the end of each shard. Rule: the rows say which stream they belong to, and an end needs
// proof.
import { expect } from 'chai';
import { kinesisStream } from '../../src/aws/kinesis/kinesis-stream.js';
import type { ManualClock } from '../../src/testing/manual-clock.js';
import { memoryLeaseStore } from '../../src/testing/memory-lease-store.js';
import { modelClient, type ModelClient } from '../support/model-kinesis-client.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { virtualConsumer, type VirtualConsumer } from '../support/virtual-consumer.js';

const shards = ['shardId-000000000000', 'shardId-000000000001'];

describe('a stream that may have been created again under a consumer', () => {
  let clock: ManualClock;
  let client: ModelClient;
  let store: ReturnType<typeof memoryLeaseStore>;
  beforeEach(() => {
    clock = virtualClock();
    client = modelClient(clock);
    client.kinesis.createStream('orders', 2);
    store = memoryLeaseStore([], 'orders');
  });
  afterEach(() => clock.uninstall());
  const consumer = (): VirtualConsumer => {
    const source = { ...kinesisStream({ streamName: 'orders', client }), openLeases: () => store };
    return virtualConsumer(clock, { source });
  };
  const put = (...texts: readonly string[]): void => {
    for (const [at, data] of texts.entries())
      client.kinesis.put('orders', { partitionKey: data, data, shardId: shards[at % 2]! });
  };
  const texts = (...of: readonly VirtualConsumer[]): string[] =>
    of.flatMap(({ seen }) => seen.map(({ value }) => Buffer.from(value).toString())).toSorted();
  const checkpoints = (): string[] => [...store.rows.values()].map(({ checkpoint }) => checkpoint);

  it('fails its source with STREAM_CHANGED: no shard ends, and the leases are released at their checkpoints', async () => {
    const running = consumer();
    const closed = running.consumer.closed.then(
      () => undefined,
      (error: unknown) => error,
    );
    await inVirtualTime(clock, running.consumer.start());
    put('a', 'b');
    await clock.advance(10_000);
    expect(texts(running)).to.deep.equal(['a', 'b']);
    const before = checkpoints();
    client.kinesis.streams.delete('orders');
    client.kinesis.expireIterators();
    await clock.advance(2_000);
    client.kinesis.createStream('orders', 2).status = 'CREATING';
    await clock.advance(8_000);
    client.kinesis.stream('orders').status = 'ACTIVE';
    put('new a', 'new b');
    expect(await inVirtualTime(clock, closed)).to.have.property('code', 'STREAM_CHANGED');
    expect(running.heard('shardEnded')).to.deep.equal([]);
    expect(checkpoints()).to.deep.equal(before);
    expect([...store.rows.values()].map(({ leaseOwner }) => leaseOwner)).to.deep.equal([undefined, undefined]);
    expect(texts(running)).to.deep.equal(['a', 'b']);

    // Has the effect of `kinact reset --to TRIM_HORIZON` if nothing of the new stream has been read.
    store.rows.clear();
    const heir = consumer();
    await inVirtualTime(clock, heir.consumer.start());
    await clock.advance(5_000);
    expect(texts(heir)).to.deep.equal(['new a', 'new b']);
    await inVirtualTime(clock, heir.consumer.stop());
  });

  it('is still read if it is the same stream, whose shards were not found for a while', async () => {
    const running = consumer();
    await inVirtualTime(clock, running.consumer.start());
    put('a', 'b');
    await clock.advance(10_000);
    client.kinesis.expireIterators();
    client.kinesis.stream('orders').status = 'CREATING';
    await clock.advance(40_000);
    client.kinesis.stream('orders').status = 'ACTIVE';
    put('c', 'd');
    await clock.advance(30_000);
    expect(texts(running)).to.deep.equal(['a', 'b', 'c', 'd']);
    expect(running.heard('shardEnded')).to.deep.equal([]);
    expect(running.heard('retrying')).to.not.have.length(0);
    expect(running.consumer.ready()).to.deep.equal({ ok: true, reasons: [] });
    await inVirtualTime(clock, running.consumer.stop());
  });

  it('fails alone in a multi-stream table, where the rows of the former stream have other keys', async () => {
    client.kinesis.createStream('kept', 1);
    const both = (): VirtualConsumer => {
      const source = ['orders', 'kept'].map((streamName) => ({
        ...kinesisStream({ streamName, client }),
        openLeases: () => store,
      }));
      return virtualConsumer(clock, { source, leases: { multiStream: true } });
    };
    const first = both();
    await inVirtualTime(clock, first.consumer.start());
    put('a', 'b');
    await clock.advance(10_000);
    expect(texts(first)).to.deep.equal(['a', 'b']);
    await inVirtualTime(clock, first.consumer.stop());
    const keys = [...store.rows.keys()];
    client.kinesis.streams.delete('orders');
    client.kinesis.createStream('orders', 2);
    put('new a', 'new b');
    client.kinesis.put('kept', { partitionKey: 'k', data: 'kept' });
    const second = both();
    await inVirtualTime(clock, second.consumer.start());
    await clock.advance(10_000);
    expect(texts(second)).to.deep.equal(['kept']);
    expect(second.heard('sourceFailed').map(({ source, error }) => [source, error.code])).to.deep.equal([
      ['orders', 'STREAM_CHANGED'],
    ]);
    expect(second.consumer.ready().reasons.join()).to.include('kinact reset --application orders --stream orders');
    expect([...store.rows.keys()]).to.deep.equal(keys);
    await inVirtualTime(clock, second.consumer.stop());
  });

  it('fails the start with STREAM_CHANGED by a checkpoint alone, if the rows do not name their stream', async () => {
    const first = consumer();
    await inVirtualTime(clock, first.consumer.start());
    put('a', 'b');
    await clock.advance(10_000);
    await inVirtualTime(clock, first.consumer.stop());
    for (const [leaseKey, { kinactStream: _, ...row }] of store.rows) store.rows.set(leaseKey, row);
    const rows = structuredClone([...store.rows]);
    client.kinesis.streams.delete('orders');
    client.kinesis.createStream('orders', 2);
    put('new a', 'new b');
    const second = consumer();
    const error: unknown = await inVirtualTime(
      clock,
      second.consumer.start().then(
        () => undefined,
        (thrown: unknown) => thrown,
      ),
    );
    expect(error).to.have.property('code', 'STREAM_CHANGED');
    expect(structuredClone([...store.rows])).to.deep.equal(rows);
    expect(texts(second)).to.deep.equal([]);
  });

  it('gets its rows without a stamp stamped, ended ones too, with unchanged counters', async () => {
    const first = consumer();
    await inVirtualTime(clock, first.consumer.start());
    put('a', 'b');
    const [child] = client.kinesis.split('orders', shards[0]!);
    await clock.advance(30_000);
    await inVirtualTime(clock, first.consumer.stop());
    expect(store.row(shards[0]!).checkpoint).to.equal('SHARD_END');
    for (const [leaseKey, { kinactStream: _, ...row }] of store.rows) store.rows.set(leaseKey, row);
    store.rows.set(child, { ...store.row(child), leaseOwner: 'java', leaseCounter: 77 });
    const ended = store.row(shards[0]!);
    const second = consumer();
    await inVirtualTime(clock, second.consumer.start());
    await clock.advance(3_000);
    const stamp = store.row(shards[1]!).kinactStream;
    expect(stamp).to.match(/^arn:aws:kinesis:.*:stream\/orders#\d+$/);
    expect(store.row(shards[0]!)).to.deep.equal({ ...ended, kinactStream: stamp });
    expect(store.row(child)).to.include({ leaseOwner: 'java', leaseCounter: 77, kinactStream: stamp });
    await inVirtualTime(clock, second.consumer.stop());
  });
});
