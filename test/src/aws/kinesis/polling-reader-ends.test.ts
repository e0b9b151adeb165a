// A reader reports the end of a shard after its last record, holds no more than its bounds, and leaves nothing running once closed.
import { expect } from 'chai';
import type { SourceNotice } from '../../../../src/api/ports.js';
import { kinesisSource } from '../../../../src/aws/kinesis/kinesis-source.js';
import { createByteBudget, openAccount } from '../../../../src/core/byte-budget.js';
import { ManualClock } from '../../../../src/testing/manual-clock.js';
import { modelClient } from '../../../support/model-kinesis-client.js';
import { countedTimers, end, only, shardId, stream, trimHorizon, harness } from '../../../support/polling-harness.js';

const never = new AbortController().signal;

describe('the end of a shard', () => {
  it('comes after the last records, with the children that GetRecords names, and ends all calls', async () => {
    const on = harness();
    on.put('a');
    const children = on.client.kinesis.split(stream, shardId);
    on.consume();
    await on.clock.advance(3_000);
    expect(on.keys).to.deep.equal(['a']);
    const ended = end(on);
    if (ended?.type !== 'shardEnd') throw new Error('expected the end');
    expect(ended.children!.map((child) => child.shardId)).to.deep.equal(children);
    expect(ended.children![0]).to.deep.equal({
      shardId: children[0],
      parentShards: [shardId],
      hashKeyRange: { startingHashKey: '0', endingHashKey: String(2n ** 127n - 1n) },
    });
    expect(await on.reader.read(never)).to.deep.equal(ended);
    const calls = on.client.calls.length;
    await on.clock.advance(60_000);
    expect(on.client.calls.length).to.equal(calls);
  });

  it('has no children if the service names none, or only invalid ones', async () => {
    for (const ChildShards of [
      undefined,
      [],
      [{ ShardId: 's', ParentShards: ['another'] }],
      [{ ParentShards: [shardId] }],
    ]) {
      const on = harness();
      on.client.kinesis.split(stream, shardId);
      on.client.script = only('GetRecords', () => ({
        body: { Records: [], MillisBehindLatest: 0, ...(ChildShards === undefined ? {} : { ChildShards }) },
      }));
      on.consume();
      await on.clock.advance(3_000);
      expect(end(on)).to.deep.equal({ type: 'shardEnd' });
    }
  });

  it('comes one empty answer later if the service ends shards in this way', async () => {
    const on = harness(trimHorizon, { model: { endOfShard: 'emptyAnswer', childShards: false } });
    on.put('a');
    on.client.kinesis.split(stream, shardId);
    on.consume();
    await on.clock.advance(3_000);
    expect(on.keys).to.deep.equal(['a']);
    expect(end(on)).to.deep.equal({ type: 'shardEnd' });
  });

  it('is `notFound` if an existing stream lacks the shard for five seconds, at the start or later', async () => {
    for (const before of [true, false]) {
      const on = harness();
      on.put('a');
      if (before) on.client.kinesis.dropShard(stream, shardId);
      on.consume();
      await on.clock.advance(3_000);
      if (!before) on.client.kinesis.dropShard(stream, shardId);
      await on.clock.advance(before ? 1_000 : 4_000);
      expect(end(on)).to.equal(undefined);
      expect(on.notices.at(-1)).to.deep.include({ type: 'retrying', operation: 'GetShardIterator' });
      await on.clock.advance(6_000);
      expect(on.keys).to.deep.equal(before ? [] : ['a']);
      expect(end(on)).to.deep.equal({ type: 'shardEnd', notFound: true });
    }
  });

  it('is not reported if the shard is found again within five seconds, however often it is missing', async () => {
    const on = harness();
    on.put('a');
    on.consume();
    for (let times = 0; times < 4; times += 1) {
      await on.clock.advance(4_000);
      on.client.script = ({ operation }) =>
        operation === 'GetRecords' || operation === 'GetShardIterator'
          ? { error: 'ResourceNotFoundException' }
          : undefined;
      await on.clock.advance(4_000);
      on.client.script = () => undefined;
    }
    await on.clock.advance(10_000);
    expect(on.notices.some(({ type }) => type === 'retrying')).to.equal(true);
    expect(end(on)).to.equal(undefined);
  });

  it('is not reported if the stream is deleted or DELETING: the reader fails with STREAM_NOT_FOUND', async () => {
    for (const going of ['gone', 'deleting'] as const) {
      const on = harness();
      on.consume();
      await on.clock.advance(3_000);
      if (going === 'gone') on.client.kinesis.streams.delete(stream);
      else {
        on.client.kinesis.dropShard(stream, shardId);
        const summary = {
          StreamName: stream,
          StreamARN: 'arn:aws:kinesis:us-east-1:1:stream/orders',
          StreamStatus: 'DELETING',
        };
        on.client.script = only('DescribeStreamSummary', () => ({ body: { StreamDescriptionSummary: summary } }));
      }
      await on.clock.advance(5_000);
      expect(end(on)).to.equal(undefined);
      expect(on.failure()).to.have.property('code', 'STREAM_NOT_FOUND');
    }
  });

  it('is not reported while the stream cannot be described', async () => {
    const on = harness();
    on.client.kinesis.dropShard(stream, shardId);
    on.client.script = only('DescribeStreamSummary', () => ({ error: 'LimitExceededException' }));
    on.consume();
    await on.clock.advance(60_000);
    expect(end(on)).to.equal(undefined);
    expect(on.failure()).to.equal(undefined);
    expect(on.notices.every((notice) => notice.type === 'throttled')).to.equal(true);
    on.client.script = () => undefined;
    await on.clock.advance(30_000);
    expect(end(on)).to.deep.equal({ type: 'shardEnd', notFound: true });
  });
});

describe('prefetching', () => {
  it('returns the bytes that it reserved for a failed read', async () => {
    const budget = createByteBudget(100 * 1024 * 1024);
    const on = harness(trimHorizon, { lease: { stream: undefined, bytes: openAccount(budget, () => {}) } });
    on.client.script = only('GetRecords', () => ({ error: 'InternalFailureException' }));
    on.consume();
    await on.clock.advance(60_000);
    expect(on.notices.length).to.be.above(3);
    on.client.script = () => undefined;
    await on.clock.advance(60_000);
    expect(on.results.length).to.be.above(3);
    expect(budget.heldBytes).to.equal(0);
  });

  const bounds = { batches: 1_000, records: 1_000_000, bytes: 1_000_000_000 };
  const fetched = async (
    prefetch: Partial<typeof bounds>,
    maxRecords: number,
  ): Promise<[number, () => Promise<number>]> => {
    const options = { streamName: stream, maxRecords, prefetch: { ...bounds, ...prefetch } };
    const on = harness(trimHorizon, { options });
    on.put(...Array.from({ length: 200 }, (_, index) => `key ${String(index).padStart(3, '0')}`));
    const first = on.reader.read(never);
    await on.clock.advance(60_000);
    await first;
    await on.clock.advance(60_000);
    const before = on.client.of('GetRecords').length;
    const takeOne = async (): Promise<number> => {
      await on.reader.read(never);
      await on.clock.advance(60_000);
      return on.client.of('GetRecords').length - before;
    };
    return [before, takeOne];
  };

  it('stops at prefetch.batches, and continues when a batch is taken', async () => {
    const [calls, takeOne] = await fetched({ batches: 3 }, 1);
    expect(calls).to.equal(4);
    expect(await takeOne()).to.equal(1);
    expect(await takeOne()).to.equal(2);
  });

  it('stops at prefetch.records', async () => {
    const [calls, takeOne] = await fetched({ records: 25 }, 10);
    expect(calls).to.equal(4);
    expect(await takeOne()).to.equal(1);
  });

  it('stops at prefetch.bytes, and holds less than this bound plus one answer', async () => {
    const [calls, takeOne] = await fetched({ bytes: 14 * 25 }, 10);
    expect(calls).to.equal(4);
    expect(await takeOne()).to.equal(1);
  });

  it('keeps one empty answer of an idle shard, however long the worker does not read', async () => {
    const on = harness(trimHorizon, { options: { streamName: stream, prefetch: { batches: 2 } } });
    on.put('a');
    const first = on.reader.read(never);
    await on.clock.advance(600_000);
    expect(await first)
      .to.have.property('records')
      .that.has.length(1);
    expect(await on.reader.read(never))
      .to.have.property('records')
      .that.has.length(0);
    on.put('b');
    const next = on.reader.read(never);
    await on.clock.advance(2_000);
    expect(await next).to.have.nested.property('records[0].partitionKey', 'b');
  });
});

describe('closing a reader', () => {
  it('ends the read, the calls and the timers of the reader, whatever it is doing', async () => {
    const doing: Record<string, (on: ReturnType<typeof harness>) => void> = {
      'idling at the tip': () => undefined,
      'waiting for an answer': (on) => (on.client.script = only('GetRecords', () => 'hang')),
      'waiting for an iterator': (on) => (on.client.script = only('GetShardIterator', () => 'hang')),
      'backing off': (on) => (on.client.script = only('GetRecords', () => ({ error: 'LimitExceededException' }))),
      'held by its bounds': (on) => on.put('a', 'b', 'c', 'd'),
    };
    for (const [label, set] of Object.entries(doing)) {
      const options = { streamName: stream, maxRecords: 1, prefetch: { batches: 1 } };
      const on = harness(trimHorizon, { options });
      set(on);
      const held = label === 'held by its bounds';
      if (held) await readOne(on);
      else on.consume();
      await on.clock.advance(10_300);
      on.reader.close();
      on.reader.close();
      await on.clock.advance(0);
      expect(on.timers.pending, label).to.equal(0);
      if (!held) expect(on.failure(), label).to.have.property('code', 'STOPPED');
      const calls = on.client.calls.length;
      const notices = on.notices.length;
      await on.clock.advance(600_000);
      expect(on.client.calls.length, label).to.equal(calls);
      expect(on.notices.length, label).to.equal(notices);
    }
  });

  it('prevents every call if it comes before the first read', async () => {
    const on = harness();
    on.reader.close();
    on.consume();
    await on.clock.advance(10_000);
    expect(on.failure()).to.have.property('code', 'STOPPED');
    expect(on.client.calls).to.deep.equal([]);
  });

  it('happens when the source is closed, which does not destroy the client of the user', async () => {
    const clock = new ManualClock();
    const timers = countedTimers(clock);
    const client = modelClient(clock);
    let destroyed = false;
    Object.assign(client, { destroy: () => (destroyed = true) });
    client.kinesis.createStream(stream);
    const source = kinesisSource({ streamName: stream, client }, { clock, timers, random: { next: Math.random } });
    const notices: SourceNotice[] = [];
    const reads = [0, 1].map(() =>
      source
        .open(shardId, trimHorizon, (notice) => notices.push(notice))
        .read(never)
        .then(
          () => 'read',
          (error: { code: string }) => error.code,
        ),
    );
    source.close();
    expect(await Promise.all(reads)).to.deep.equal(['STOPPED', 'STOPPED']);
    await clock.advance(10_000);
    expect(timers.pending).to.equal(0);
    expect(destroyed).to.equal(false);
  });

  it('differs from aborting one read: the next read gets the records', async () => {
    const on = harness();
    const abort = new AbortController();
    on.put('a');
    const given = on.reader.read(abort.signal).catch((error: { code: string }) => error.code);
    abort.abort();
    expect(await given).to.equal('STOPPED');
    const next = on.reader.read(never);
    expect(await on.reader.read(never).catch((error: { code: string }) => error.code)).to.equal('BROKEN_INVARIANT');
    await on.clock.advance(1_000);
    expect(await next).to.have.nested.property('records[0].partitionKey', 'a');
    expect(await on.reader.read(abort.signal).catch((error: { code: string }) => error.code)).to.equal('STOPPED');
  });

  async function readOne(on: ReturnType<typeof harness>): Promise<void> {
    const one = on.reader.read(never);
    await on.clock.advance(1_000);
    await one;
  }
});
