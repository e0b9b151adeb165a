// What becomes of a record whose `extract` fails: `onFailure` decides, at once or by a promise.
import { expect } from 'chai';
import type { OnFailure } from '../../../src/api/failure-policy.js';
import { defineReducer } from '../../../src/api/reducer.js';
import { fakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import { collecting, numberOf, pipelines, putNumbered, shard0 } from '../../support/pipeline-probes.js';

const start = pipelines();
const two = { reducers: 2 };

describe('extract', () => {
  it('makes zero or more items of a record, which is settled with its last item', async () => {
    const stream = fakeStream();
    const numbers = putNumbered(stream, 60);
    const acks: (() => void)[] = [];
    const seen: number[] = [];
    const pipeline = start({
      ...two,
      stage: {
        extract: (record) =>
          Array.from({ length: numberOf(record) % 40 }, (_, index) => ({ key: `k${index}`, value: record.data })),
      },
      definition: defineReducer({
        init: () => 0,
        acknowledge: 'manual',
        reduce: (n: number, item, ctx) => {
          seen.push(numberOf(item));
          acks.push(() => ctx.ack(item.token));
          return n;
        },
      }),
    });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(10);
    expect(seen.filter((n) => n === 39)).to.have.length(39);
    // Only record 0, which has no items, is settled so far.
    expect(keeper.frontiers.map(({ position }) => position.sequenceNumber)).to.deep.equal([numbers[0]]);
    for (const ack of acks.toReversed().slice(0, -1)) ack();
    await pipeline.clock.advance(10);
    expect(keeper.frontiers).to.have.length(1);
    acks[0]!();
    await pipeline.clock.advance(10);
    expect(keeper.frontiers.at(-1)?.position).to.deep.equal({ sequenceNumber: numbers[59], subSequenceNumber: 0 });
  });

  it('advances the frontier even if it makes no items', async () => {
    const stream = fakeStream();
    putNumbered(stream, 3_000);
    const seen: number[] = [];
    const pipeline = start({
      ...two,
      shardWorker: { maxPending: 10 },
      stage: { extract: () => [] },
      definition: collecting(seen),
    });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(10);
    expect(seen).to.have.length(0);
    expect(keeper.frontiers.at(-1)?.position.sequenceNumber).to.equal(stream.recordsOf(shard0).at(-1)?.sequenceNumber);
  });

  it('receives the origin and arrival time of a record, and its items carry the origin', async () => {
    const stream = fakeStream({ name: 'orders' });
    const [sequenceNumber] = putNumbered(stream, 1);
    const seen: object[] = [];
    const pipeline = start({
      ...two,
      stage: {
        opaqueOf: (source) => `of ${source}`,
        extract: (record, context) => [{ key: 'k', value: { arrivedAt: record.arrivedAt, ...context } }],
      },
      definition: defineReducer<number, object>({
        init: () => 0,
        reduce: (n, { value, source, shardId, sequenceNumber, opaque, attempt, token }) => {
          seen.push({ value, source, shardId, sequenceNumber, opaque, attempt, key: token.idempotencyKey });
          return n;
        },
      }),
    });
    pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(10);
    const from = { source: 'orders', shardId: shard0, opaque: 'of orders' };
    const key = `orders@1/${shard0}/${sequenceNumber}/-/0`;
    const value = { arrivedAt: Date.UTC(2026, 0, 1), ...from };
    expect(seen).to.deep.equal([{ value, ...from, sequenceNumber, attempt: 1, key }]);
  });

  const wrong: Record<string, () => any> = {
    throws: () => {
      throw new Error('no');
    },
    'throws half way through': function* () {
      yield { key: 'k', value: 0 };
      throw new Error('no');
    },
    'is async': async () => [{ key: 'k', value: 0 }],
    'is async and rejects': async () => {
      throw new Error('no');
    },
    'returns nothing iterable': () => undefined,
    'gives a key that is no string': () => [{ key: 7, value: 0 }],
    'gives no key': () => [null],
  };

  for (const [what, extract] of Object.entries(wrong)) {
    it(`makes no items if it ${what}, and skip settles only that record`, async () => {
      const { seen, keeper, events, counters, last } = await failing('skip', extract);
      expect(seen).to.deep.equal([0, 1, 3, 4]);
      expect(keeper.frontiers.at(-1)?.position.sequenceNumber).to.equal(last);
      expect(events.filter(({ name }) => name === 'recordSkipped')).to.have.length(1);
      expect(counters['skippedItems']).to.equal(1);
    });
  }

  it('crashes the stage by default if it throws, and nothing is delivered or settled', async () => {
    const { seen, keeper, stageEnding, second } = await failing('crash', wrong['throws']!);
    expect(seen).to.deep.equal([]);
    expect(keeper.frontiers).to.have.length(0);
    expect(stageEnding?.reason).to.equal('crash');
    const { error } = stageEnding as { error: any };
    expect(error.code).to.equal('PROCESSING_FAILED');
    expect(error.data).to.deep.equal({ source: 'fake', shardId: shard0, sequenceNumber: second });
  });

  it('ends only this shard’s worker, with the reason, if it throws under stopShard', async () => {
    const { keeper, second, seen, others } = await failing('stopShard', wrong['throws']!);
    expect(keeper.ends.map(({ type }) => type)).to.deep.equal(['stopShard']);
    expect((keeper.ends[0] as { error: any }).error.data.sequenceNumber).to.equal(second);
    expect(seen.filter((n) => n > 2)).to.deep.equal([]);
    expect(others).to.equal(50);
  });

  it('passes the error and the record to a policy function if it throws', async () => {
    const asked: any[] = [];
    const { seen, second } = await failing((error, item) => (asked.push([error, item]), 'skip'), wrong['throws']!);
    expect(seen).to.deep.equal([0, 1, 3, 4]);
    const { data, arrivedAt, ...item } = asked[0][1];
    const place = { source: 'fake', shardId: shard0, sequenceNumber: second, subSequenceNumber: undefined };
    expect(asked[0][0].message).to.equal('no');
    expect(item).to.deep.equal({ ...place, at: 'extract', items: 1 });
    expect([data.toString(), arrivedAt > 0]).to.deep.equal(['2', true]);
  });

  const policies: Record<string, () => any> = {
    'throws itself': () => {
      throw new Error('policy');
    },
    'answers something unknown': () => 'ignore',
    'answers with a promise of something unknown': async () => 'ignore',
    'is async and rejects': async () => {
      throw new Error('policy');
    },
  };
  for (const [what, policy] of Object.entries(policies)) {
    it(`crashes the stage under a policy function that ${what}, and advances no frontier`, async () => {
      const { stageEnding, keeper } = await failing(policy, wrong['throws']!);
      expect(stageEnding?.reason).to.equal('crash');
      expect(keeper.frontiers).to.have.length(0);
    });
  }

  it('keeps the record open until the promise of a policy function is fulfilled, and later records go on', async () => {
    let answer: (policy: 'skip') => void = () => {};
    const asked = () => new Promise<'skip'>((resolve) => (answer = resolve));
    const { seen, keeper, pipeline } = await failing(asked, wrong['throws']!);
    expect(seen).to.deep.equal([0, 1, 3, 4]);
    expect(keeper.frontiers.at(-1)?.records).to.equal(2);
    answer('skip');
    await pipeline.clock.advance(10);
    expect(keeper.frontiers.at(-1)?.records).to.equal(5);
    expect(pipeline.counters()['skippedItems']).to.equal(1);
  });

  it('crashes the stage if the promise of a policy function is not fulfilled in time', async () => {
    const { pipeline, keeper } = await failing(() => new Promise(() => {}), wrong['throws']!);
    await pipeline.clock.advance(30_000);
    expect(keeper.frontiers.at(-1)?.records).to.equal(2);
    const crashes = pipeline.events.filter(({ name }) => name === 'actorCrashed');
    expect(JSON.stringify(crashes)).to.include('onFailure did not answer within 30000 ms');
  });

  it('ignores the answer of a policy function for a shard whose lease has ended', async () => {
    let answer: (policy: 'crash') => void = () => {};
    const asked = () => new Promise<'crash'>((resolve) => (answer = resolve));
    const { pipeline, keeper } = await failing(asked, wrong['throws']!);
    keeper.control({ type: 'revoked', reason: 'lost' });
    await pipeline.clock.advance(10);
    answer('crash');
    await pipeline.clock.advance(10);
    expect(pipeline.events.map(({ name }) => name)).not.to.include('actorCrashed');
  });

  it('fails the record as well if the key function is async or returns no string', async () => {
    for (const key of [async () => 'k', () => 7, () => null]) {
      const stream = fakeStream();
      putNumbered(stream, 3);
      const pipeline = start({ ...two, stage: { key: key as never, onFailure: 'skip' }, definition: collecting([]) });
      const { keeper } = pipeline.read(stream.port, shard0);
      await pipeline.clock.advance(10);
      expect(pipeline.counters()['skippedItems']).to.equal(3);
      expect(keeper.frontiers.at(-1)?.position.sequenceNumber).to.equal(
        stream.recordsOf(shard0).at(-1)?.sequenceNumber,
      );
      await pipeline.stop();
    }
  });
});

/** Five records of which the third fails, on one shard of two. */
async function failing(onFailure: OnFailure, extract: () => any) {
  const stream = fakeStream();
  const other = fakeStream({ name: 'other' });
  const numbers = putNumbered(stream, 5);
  putNumbered(other, 50);
  const seen: number[] = [];
  let others = 0;
  const pipeline = start({
    ...two,
    stage: {
      onFailure,
      extract: (record, { source }) =>
        source === 'fake' && numberOf(record) === 2 ? extract() : [{ key: record.partitionKey, value: record.data }],
    },
    definition: defineReducer({
      init: () => 0,
      reduce: (n: number, item) => {
        if (item.source === 'fake') seen.push(numberOf(item));
        else others += 1;
        return n;
      },
    }),
  });
  let stageEnding: Awaited<ReturnType<typeof pipeline.ending>> | undefined;
  void pipeline.ending(pipeline.stages[0]!).then((how) => (stageEnding = how));
  const { keeper } = pipeline.read(stream.port, shard0);
  pipeline.read(other.port, shard0);
  await pipeline.clock.advance(10);
  const { events } = pipeline;
  const ordered = seen.toSorted((a, b) => a - b);
  return {
    seen: ordered,
    pipeline,
    keeper,
    events,
    counters: pipeline.counters(),
    stageEnding,
    others,
    last: numbers[4],
    second: numbers[2],
  };
}
