// Each user record of an aggregate is delivered and checkpointed on its own. Records that cannot be decoded, are out of range or arrive
// twice are always counted or reported.
import { expect } from 'chai';
import type { OnFailure } from '../../../src/api/failure-policy.js';
import type { Position } from '../../../src/core/position.js';
import type { RawRecord, StreamSource } from '../../../src/api/ports.js';
import { defineReducer } from '../../../src/api/reducer.js';
import { unpackRecord } from '../../../src/aws/aggregation/aggregate.js';
import type { OutOfRangePolicy } from '../../../src/core/record-placement.js';
import { fakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import { envelope, message, type MAGIC } from '../../support/aggregate-bytes.js';
import { pipelines, putNumbered, shard0 } from '../../support/pipeline-probes.js';
import type { ShardWorkerOptions } from '../../../actors/shard-worker/shard-worker.js';

const start = pipelines();

interface Run {
  readonly acked: (name: string) => boolean;
  readonly from?: Position;
  readonly policy?: OutOfRangePolicy;
  readonly onFailure?: OnFailure;
  readonly shardWorker?: Partial<ShardWorkerOptions>;
  readonly edit?: (source: StreamSource) => StreamSource;
}

/** Delivers a stream, and acknowledges the records for which `acked` is true. The name of a record is its data. */
async function deliver(stream: ReturnType<typeof fakeStream>, run: Partial<Run> = {}) {
  const { acked = () => true, from, policy, onFailure, shardWorker, edit = (source) => source } = run;
  const seen: string[] = [];
  const acks = new Map<string, () => void>();
  const pipeline = start({
    shardWorker: { ...shardWorker, ...(onFailure === undefined ? {} : { onFailure }) },
    definition: defineReducer({
      init: () => 0,
      acknowledge: 'manual',
      reduce: (n: number, item, ctx) => {
        const name = Buffer.from(item.value).toString();
        seen.push(name);
        acks.set(name, () => ctx.ack(item.token));
        if (acked(name)) ctx.ack(item.token);
        return n;
      },
    }),
  });
  const { port } = stream;
  const range = { startingHashKey: '0', endingHashKey: '100' };
  const source = edit(
    policy === undefined ? port : { ...port, unpack: (record) => unpackRecord(record, range, policy) },
  );
  const reader = pipeline.read(source, shard0, from === undefined ? undefined : { type: 'after', position: from });
  const ending = pipeline.ending(reader.shardWorker);
  await pipeline.clock.advance(10);
  const positions = reader.keeper.frontiers.map(({ position }) => position);
  return { ...reader, ending, seen: seen.toSorted(), acks, pipeline, positions };
}

function aggregate(names: readonly string[], format: keyof typeof MAGIC = 'kpl', bad = names.length): Buffer {
  const records = names.map((data, index) => ({ pk: index === bad ? 9 : 0, data }));
  return envelope(message(['k'], records), format);
}

function put(stream: ReturnType<typeof fakeStream>, ...data: (string | Buffer)[]): string[] {
  return stream
    .put(...data.map((each) => ({ partitionKey: 'k', data: each })))
    .map(({ sequenceNumber }) => sequenceNumber);
}

describe('a shard worker that admits aggregates', () => {
  it('delivers each user record, and reports a frontier inside the aggregate', async () => {
    const stream = fakeStream();
    const [sequenceNumber] = put(stream, aggregate(['a', 'b', 'c', 'd']));
    const { acks, keeper, pipeline, seen, positions } = await deliver(stream, { acked: (name) => name === 'b' });
    expect(seen).to.deep.equal(['a', 'b', 'c', 'd']);
    expect(positions).to.deep.equal([]);
    acks.get('a')!();
    await pipeline.clock.advance(1);
    expect(keeper.frontiers.at(-1)?.position).to.deep.equal({ sequenceNumber, subSequenceNumber: 1 });
    for (const name of ['d', 'c']) acks.get(name)!();
    await pipeline.clock.advance(1);
    expect(keeper.frontiers.at(-1)?.position).to.deep.equal({ sequenceNumber, subSequenceNumber: 3 });
  });

  it('resumes inside an aggregate, after the user records that the checkpoint covers', async () => {
    const stream = fakeStream();
    const [, sequenceNumber] = put(stream, 'before', aggregate(['a', 'b', 'c', 'd']), 'after');
    const from = { sequenceNumber: sequenceNumber!, subSequenceNumber: 1 };
    const { seen } = await deliver(stream, { from });
    expect(seen).to.deep.equal(['after', 'c', 'd']);
  });

  for (const format of ['erlmld', 'erlmld-deflate'] as const) {
    it(`reports a frontier only at the end of an aggregate (${format}), and resumes after the aggregate`, async () => {
      const stream = fakeStream();
      const [first, , last] = put(stream, 'before', aggregate(['a', 'b', 'c'], format), 'after');
      const { acks, pipeline, keeper, positions } = await deliver(stream, { acked: (name) => name !== 'c' });
      const sequenceNumber = stream.recordsOf(shard0)[1]!.sequenceNumber;
      expect(positions.map(({ sequenceNumber: number }) => number)).to.deep.equal([first]);
      acks.get('c')!();
      await pipeline.clock.advance(1);
      expect(keeper.frontiers.map(({ position }) => position.sequenceNumber)).to.deep.equal([first, last]);
      await pipeline.stop();
      // A KCL that does not open the aggregate checkpoints it with sub-sequence number 0.
      const resumed = await deliver(stream, { from: { sequenceNumber, subSequenceNumber: 0 } });
      expect(resumed.seen).to.deep.equal(['after']);
    });
  }

  it('moves the frontier past aggregates without user records', async () => {
    const stream = fakeStream();
    const [first, last] = put(stream, envelope(message(['k'], [])), envelope(message(['k', 'l'], [])));
    const { positions, seen, pipeline } = await deliver(stream, { shardWorker: { maxPending: 1 } });
    expect(seen).to.deep.equal([]);
    expect(positions.at(-1)).to.deep.equal({ sequenceNumber: last, subSequenceNumber: 0 });
    await pipeline.stop();
    const resumed = await deliver(stream, { from: { sequenceNumber: first!, subSequenceNumber: 0 } });
    expect(resumed.positions).to.deep.equal([{ sequenceNumber: last, subSequenceNumber: 0 }]);
  });

  it('delivers malformed aggregates as plain records, counts each, and reports them once', async () => {
    const stream = fakeStream();
    const broken = envelope(message(['k'], [{ pk: 0, data: 'x' }]), 'kpl', Buffer.alloc(16));
    put(stream, broken, broken, broken);
    const { seen, pipeline } = await deliver(stream);
    expect(seen).to.have.length(3);
    expect(pipeline.counters()['malformedAggregates']).to.equal(3);
    expect(pipeline.events.filter(({ name }) => name === 'malformedAggregate')).to.have.length(1);
  });

  it('settles user records out of range without delivery under dropRecord, counts each, and reports them once', async () => {
    const stream = fakeStream();
    const explicit = ['1', '999', '2', '998'];
    const data = envelope(
      message(
        ['k'],
        explicit.map((_, index) => ({ pk: 0, ehk: index, data: `r${index}` })),
        explicit,
      ),
    );
    const [sequenceNumber] = put(stream, data);
    const { seen, positions, pipeline } = await deliver(stream, { policy: 'dropRecord' });
    expect(seen).to.deep.equal(['r0', 'r2']);
    expect(positions.at(-1)).to.deep.equal({ sequenceNumber, subSequenceNumber: 3 });
    expect(pipeline.counters()['outOfRangeRecords']).to.equal(2);
    expect(pipeline.events.filter(({ name }) => name === 'outOfRange')).to.have.length(1);
    await pipeline.stop();
    // A start after a dropped record drops the others as well.
    const from = { sequenceNumber: sequenceNumber!, subSequenceNumber: 1 };
    const resumed = await deliver(stream, { policy: 'dropRecord', from });
    expect(resumed.seen).to.deep.equal(['r2']);
  });
});

describe('an aggregate that cannot be decoded to its end', () => {
  const data = aggregate(['a', 'b', 'c', 'd'], 'kpl', 2);

  it('crashes the worker by default, and the frontier does not pass it', async () => {
    const stream = fakeStream();
    const [sequenceNumber] = put(stream, data, 'after');
    const { ending, seen, positions } = await deliver(stream);
    const { reason, error } = (await ending) as { reason: string; error: any };
    expect(reason).to.equal('crash');
    expect(error).to.include({ code: 'UNDECODABLE_RECORD' });
    expect(error.data).to.include({ shardId: shard0, sequenceNumber });
    expect(seen).to.not.include('after');
    expect(positions).to.deep.equal([]);
  });

  it('stops the shard under stopShard', async () => {
    const stream = fakeStream();
    put(stream, data, 'after');
    const { keeper, seen } = await deliver(stream, { onFailure: 'stopShard' });
    expect(keeper.ends.map(({ type }) => type)).to.deep.equal(['stopShard']);
    expect(seen).to.not.include('after');
  });

  it('delivers its decoded part under `skip`, reports one skipped record, and lets the frontier pass', async () => {
    for (const bad of [2, 0]) {
      const stream = fakeStream();
      const [sequenceNumber] = put(stream, aggregate(['a', 'b', 'c', 'd'], 'kpl', bad));
      const { seen, positions, pipeline } = await deliver(stream, { onFailure: 'skip' });
      expect(seen).to.deep.equal(['a', 'b'].slice(0, bad));
      const end = { sequenceNumber: sequenceNumber!, subSequenceNumber: bad };
      expect(positions.at(-1)).to.deep.equal(end);
      const told = pipeline.events.filter(({ name }) => name === 'recordSkipped') as any[];
      expect(told.map((event) => event.data.subSequenceNumber)).to.deep.equal([bad]);
      await pipeline.stop();
      const resumed = await deliver(stream, { onFailure: 'skip', from: end });
      expect(resumed.seen).to.deep.equal([]);
      expect(resumed.pipeline.events.filter(({ name }) => name === 'recordSkipped')).to.deep.equal([]);
      await resumed.pipeline.stop();
    }
  });

  it('is passed as a whole under `skip` in erlmld’s format', async () => {
    const stream = fakeStream();
    const [sequenceNumber] = put(stream, aggregate(['a', 'b', 'c'], 'erlmld', 1));
    const { seen, positions } = await deliver(stream, { onFailure: 'skip', shardWorker: { maxPending: 1 } });
    expect(seen).to.deep.equal(['a']);
    expect(positions).to.deep.equal([{ sequenceNumber, subSequenceNumber: 1 }]);
  });

  it('asks a policy function with `at: decode`', async () => {
    const stream = fakeStream();
    const [sequenceNumber] = put(stream, data);
    const asked: any[] = [];
    await deliver(stream, { onFailure: (_, item) => (asked.push(item), 'skip') });
    const [{ data: bytes, arrivedAt, ...rest }] = asked;
    expect(rest).to.deep.equal({ source: 'fake', shardId: shard0, sequenceNumber, at: 'decode', items: 1 });
    expect([bytes.equals(data), typeof arrivedAt]).to.deep.equal([true, 'number']);
  });

  it('waits for a policy function that answers by a promise: later records go on, the frontier stays before it', async () => {
    const stream = fakeStream();
    const [, later] = put(stream, data, 'after');
    let answer: (policy: 'skip') => void = () => {};
    const onFailure: OnFailure = () => new Promise((resolve) => (answer = resolve));
    const { seen, keeper, pipeline } = await deliver(stream, { onFailure });
    const positions = (): unknown[] => keeper.frontiers.map(({ position }) => position.sequenceNumber);
    const skipped = (): number => pipeline.events.filter(({ name }) => name === 'recordSkipped').length;
    expect(seen).to.deep.equal(['a', 'after', 'b']);
    expect(positions()).to.not.include(later);
    expect(skipped()).to.equal(0);
    answer('skip');
    await pipeline.clock.advance(10);
    expect(positions().at(-1)).to.equal(later);
    expect(skipped()).to.equal(1);
    expect(pipeline.counters()['duplicateRecords']).to.equal(undefined);
  });

  for (const [answer, end] of [
    ['crash', 'crash'],
    ['stopShard', undefined],
  ] as const) {
    it(`obeys a promise of ${answer}`, async () => {
      const stream = fakeStream();
      const [bad] = put(stream, data, 'after');
      const { ending, keeper, positions } = await deliver(stream, { onFailure: () => Promise.resolve(answer) });
      if (end === undefined) expect(keeper.ends.map(({ type }) => type)).to.deep.equal([answer]);
      else expect((await ending) as object).to.include({ reason: end });
      expect(positions.filter(({ sequenceNumber }) => sequenceNumber !== bad)).to.deep.equal([]);
    });
  }

  for (const answer of ['skip', 'crash', 'stopShard'] as const) {
    it(`ignores a promise of ${answer} once the lease has ended: the next owner decides`, async () => {
      const stream = fakeStream();
      const [, later] = put(stream, data, 'after');
      let decide: () => void = () => {};
      const onFailure: OnFailure = () => new Promise((resolve) => (decide = () => resolve(answer)));
      const { keeper, pipeline } = await deliver(stream, { onFailure });
      keeper.tenures[0]!.deadline = 0;
      decide();
      await pipeline.clock.advance(10);
      expect(keeper.frontiers.map(({ position }) => position.sequenceNumber)).to.not.include(later);
      expect(keeper.tenures[0]).to.not.have.property('stopError');
      const told = pipeline.events.map(({ name }) => name);
      expect(told).to.not.include.oneOf(['recordSkipped', 'actorCrashed']);
    });
  }

  it('crashes if the promise does not come within callDeadlineMs', async () => {
    const stream = fakeStream();
    put(stream, data);
    const { keeper, pipeline } = await deliver(stream, { onFailure: () => new Promise(() => {}) });
    await pipeline.clock.advance(30_000);
    expect(keeper.frontiers.at(-1)?.records).to.equal(2);
    const crashes = pipeline.events.filter(({ name }) => name === 'actorCrashed');
    expect(JSON.stringify(crashes)).to.include('onFailure did not answer within 30000 ms');
  });
});

describe('a record that comes twice', () => {
  const twice = (source: StreamSource): StreamSource => ({
    ...source,
    open: (...args) => {
      const reader = source.open(...args);
      return {
        ...reader,
        read: async (signal) => {
          const result = await reader.read(signal);
          if (result.type !== 'records') return result;
          return { ...result, records: [...result.records].flatMap((record: RawRecord) => [record, record]) };
        },
      };
    },
  });

  it('is skipped and counted by default, and does not hold up the frontier', async () => {
    const stream = fakeStream();
    const numbers = put(stream, 'a', aggregate(['b', 'c']), 'd');
    const { seen, positions, pipeline, shardWorker } = await deliver(stream, { edit: twice });
    expect(seen).to.deep.equal(['a', 'b', 'c', 'd']);
    expect(positions.at(-1)?.sequenceNumber).to.equal(numbers[2]);
    expect(pipeline.counters()['duplicateRecords']).to.equal(4);
    expect(pipeline.status(shardWorker)).to.include({ duplicates: 4, admitted: 4, settled: 4 });
  });

  it('crashes the worker under `exit`, and the error names the record', async () => {
    const stream = fakeStream();
    const [sequenceNumber] = put(stream, 'a', 'b');
    const { ending, seen } = await deliver(stream, { edit: twice, shardWorker: { onDuplicate: 'crash' } });
    const { error } = (await ending) as { error: any };
    expect(error.code).to.equal('DUPLICATE_RECORD');
    expect(error.data).to.include({ shardId: shard0, sequenceNumber });
    expect(seen).to.not.include('b');
  });

  it('is left out without counting as a duplicate if it was settled before this start', async () => {
    const stream = fakeStream();
    const numbers = putNumbered(stream, 4);
    const from = { sequenceNumber: numbers[1]!, subSequenceNumber: 0 };
    const { seen, pipeline } = await deliver(stream, { from, shardWorker: { onDuplicate: 'crash' } });
    expect(seen).to.deep.equal(['2', '3']);
    expect(pipeline.counters()['duplicateRecords']).to.equal(undefined);
  });
});
