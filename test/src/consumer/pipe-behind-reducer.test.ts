// A consumer with a reducer and a pipe behind it, in virtual time: what flows, what is checkpointed, what a kill repeats, and how it stops.
import { expect } from 'chai';
import type { Pipe } from '../../../src/api/pipe.js';
import type { FoldingReducer, ReducerDefinition } from '../../../src/api/reducer.js';
import { statusOf } from '../../../src/consumer/actor-status.js';
import { walk } from '../../../src/api/status.js';
import { retry } from '../../../src/options/retry-policy.js';
import { pipe } from '../../../src/pipes/pipe.js';
import { numberConsumers, numbers, sorted, type NumberConsumer } from '../../support/number-consumers.js';
import { inVirtualTime } from '../../support/virtual.js';
import type { VirtualOptions } from '../../support/virtual-consumer.js';

type Sums = readonly number[];
const numberOf = ({ value }: { readonly value: Buffer }): number => Number(value.toString());

/** Emits each number, and at a flush all of them once more. */
const emitting: FoldingReducer<Sums, Buffer, number> = {
  init: () => [],
  reduce: (state, item, { emit }) => {
    emit(numberOf(item));
    return [...state, numberOf(item)];
  },
  batch: { size: 5, intervalMs: 300 },
  flush: (state, { emit }) => {
    for (const n of state) emit(1_000 + n);
    return [];
  },
};

describe('a consumer with a reducer and a pipe behind it', () => {
  const consumers = numberConsumers();

  const consume = async (reducer: ReducerDefinition, nodes: Pipe<number>, more: VirtualOptions = {}) =>
    (made = await consumers.start({ reducer, pipe: nodes, ...more }));
  let made: NumberConsumer | undefined;
  const shard = (): object | undefined => made?.consumer.status().shards[0];

  it('sends what is emitted through the nodes, in the order of each key, and checkpoints what is done', async () => {
    const seen: number[] = [];
    const { put } = await consume(
      emitting,
      pipe<number>().to((n) => void seen.push(n)),
    );
    put(0, 100);
    await consumers.clock.advance(5_000);
    expect(sorted(seen)).to.deep.equal([...numbers(0, 100), ...numbers(1_000, 1_100)]);
    for (const key of numbers(0, 7)) {
      const ofKey = seen.filter((n) => n < 1_000 && n % 7 === key);
      expect(ofKey).to.deep.equal(sorted(ofKey));
    }
    expect(shard()).to.include({ openRecords: 0, oldestOpen: null, checkpointAgeMs: 0 });
  });

  it('holds the checkpoint back for what an aggregate behind it holds, names the node, and drains at a stop', async () => {
    const batches: number[][] = [];
    const { put, consumer } = await consume(
      emitting,
      pipe<number>()
        .aggregate({ count: 10_000, intervalMs: 500_000 })
        .to((batch) => void batches.push([...batch])),
    );
    put(0, 30);
    await consumers.clock.advance(3_000);
    expect(batches).to.deep.equal([]);
    expect(consumer.status().shards[0]).to.include({ openRecords: 30 });
    expect(consumer.status().shards[0]?.oldestOpen?.actor).to.match(/^pipe-node\/0\/aggregate\/0#/);
    const begun = consumers.clock.now();
    const report = await inVirtualTime(consumers.clock, consumer.stop({ deadlineMs: 50_000 }));
    expect(consumers.clock.now() - begun).to.be.lessThan(5_000);
    expect(report.drained).to.equal(true);
    expect(sorted(batches.flat())).to.deep.equal([...numbers(0, 30), ...numbers(1_000, 1_030)]);
  });

  it('flushes the reducer and then the nodes when the shard is full, or has ended', async () => {
    const seen: number[] = [];
    const { put, stream, consumer } = await consume(
      { ...emitting, batch: { size: 10_000, intervalMs: 500_000 } },
      pipe<number>()
        .aggregate({ count: 10_000, intervalMs: 500_000 })
        .to((batch) => void seen.push(...batch)),
      { maxPending: 16 },
    );
    put(0, 100);
    await consumers.clock.advance(20_000);
    const flushed = seen.filter((n) => n < 1_000);
    expect(flushed.length).to.be.at.least(84);
    stream.split('shardId-000000000000');
    await consumers.clock.advance(20_000);
    expect(sorted(seen)).to.deep.equal([...numbers(0, 100), ...numbers(1_000, 1_100)]);
    expect(consumer.status().shards.map(({ shardId }) => shardId)).not.to.include('shardId-000000000000');
  });

  for (const kind of ['pipe-node', 'pipe', 'reducer', 'stage', 'shard-worker']) {
    it(`loses nothing when a ${kind} is killed, and restarts with reducers and nodes`, async () => {
      const seen = new Set<number>();
      const { put, chaos, consumer } = await consume(
        emitting,
        pipe<number>()
          .aggregate({ count: 5, intervalMs: 400 })
          .unfold((batch) => batch)
          .to((n) => void seen.add(n)),
      );
      put(0, 50);
      await consumers.clock.advance(400);
      chaos.killRandom({ kinds: [kind] });
      put(50, 100);
      await consumers.clock.advance(30_000);
      expect(sorted(seen)).to.deep.equal([...numbers(0, 100), ...numbers(1_000, 1_100)]);
      expect(consumer.status().restarts).to.equal(1);
      expect(shard()).to.include({ openRecords: 0 });
    });
  }

  it('reads no more while the pipe takes nothing, and goes on when it does', async () => {
    const seen: number[] = [];
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    let reduced = 0;
    const { put, consumer } = await consume(
      {
        init: () => 0,
        reduce: (state: number, item, { emit }) => {
          reduced += 1;
          for (let at = 0; at < 100; at += 1) emit(numberOf(item));
          return state;
        },
      } satisfies FoldingReducer<number, Buffer, number>,
      pipe<number>().to(async (n) => {
        await gate;
        seen.push(n);
      }),
      { reducers: 1, credit: 4, maxPending: 64 },
    );
    put(0, 500);
    await consumers.clock.advance(30_000);
    expect(reduced).to.be.lessThan(40);
    expect(consumer.status().shards[0]).to.include({ openRecords: 64 });
    const [reducer] = [...walk(consumer.status().tree)].flatMap((actor) => statusOf(actor, 'reducer') ?? []);
    expect(reducer?.emitted?.untaken).to.be.within(1_000, 1_100);
    open();
    await consumers.clock.advance(30_000);
    expect(seen).to.have.length(50_000);
    expect(shard()).to.include({ openRecords: 0 });
  });

  it('waits for a failing node under retry, says so, and goes on', async () => {
    const seen: number[] = [];
    let isDown = true;
    const { put, consumer } = await consume(
      emitting,
      pipe<number>().to((n) => {
        if (isDown) throw new Error('database down');
        seen.push(n);
      }),
      { reducers: 1, onFailure: undefined },
    );
    put(0, 40);
    await consumers.clock.advance(90_000);
    expect(seen).to.deep.equal([]);
    expect(consumer.ready().reasons.join()).to.match(/pipe-node\/0\/.* has waited for .*: database down/);
    expect(consumer.status().restarts).to.equal(0);
    isDown = false;
    await consumers.clock.advance(60_000);
    expect(sorted(seen)).to.deep.equal([...numbers(0, 40), ...numbers(1_000, 1_040)]);
    expect(consumer.ready().ok).to.equal(true);
  });

  for (const values of [1, 600]) {
    it(`stops before its deadline while a node fails, and names what is left: ${values} values each`, async () => {
      const { put, consumer } = await consume(
        {
          ...emitting,
          reduce: (state, item, { emit }) => {
            for (let at = 0; at < values; at += 1) emit(numberOf(item));
            return [...state, numberOf(item)];
          },
        } satisfies FoldingReducer<Sums, Buffer, number>,
        pipe<number>().to(() => {
          throw new Error('database down');
        }),
        { reducers: 1, credit: 4, onFailure: undefined },
      );
      put(0, 50);
      await consumers.clock.advance(2_000);
      const begun = consumers.clock.now();
      const report = await inVirtualTime(consumers.clock, consumer.stop({ deadlineMs: 50_000 }));
      expect(consumers.clock.now() - begun).to.be.lessThan(5_000);
      expect(report.drained).to.equal(false);
      expect(report.leases.map(({ recordsLeft }) => recordsLeft)).to.deep.equal([50]);
      expect(report.waiting.map(({ error }) => error).join()).to.include('database down');
    });
  }

  it('restarts under crash of a node: what was settled before stays settled, the rest comes again', async () => {
    const seen: number[] = [];
    let fails = 1;
    const { put, consumer } = await consume(
      { ...emitting, flush: undefined },
      pipe<number>().to((n) => {
        if (n === 20 && (fails -= 1) >= 0) throw new Error('20 does not fit');
        seen.push(n);
      }),
      { reducers: 1 },
    );
    put(0, 40);
    await consumers.clock.advance(20_000);
    expect(sorted(new Set(seen))).to.deep.equal(numbers(0, 40));
    expect(consumer.status().restarts).to.equal(1);
    expect(shard()).to.include({ openRecords: 0 });
  });

  it('gives the shard up under stopShard of a node, and goes on with it later', async () => {
    const seen: number[] = [];
    let fails = true;
    const { put } = await consume(
      emitting,
      pipe<number>().to((n) => {
        if (fails && n === 3) throw new Error('not now');
        seen.push(n);
      }),
      { reducers: 1, onFailure: 'stopShard' },
    );
    put(0, 10);
    await consumers.clock.advance(5_000);
    fails = false;
    await consumers.clock.advance(200_000);
    expect(sorted(new Set(seen))).to.deep.equal([...numbers(0, 10), ...numbers(1_000, 1_010)]);
    expect(shard()).to.include({ openRecords: 0 });
  });

  it('drops what a lost lease had emitted, and the next owner emits it again', async () => {
    const seen: number[] = [];
    const { put, stream } = await consume(
      emitting,
      pipe<number>()
        .aggregate({ count: 10_000, intervalMs: 20_000 })
        .to((batch) => void seen.push(...batch)),
      { reducers: 1 },
    );
    put(0, 20);
    await consumers.clock.advance(2_000);
    const [leases] = stream.leases.values();
    leases?.takeAs('shardId-000000000000', 'java');
    await consumers.clock.advance(120_000);
    expect(sorted(seen), 'once, because the aggregate could take it out').to.deep.equal([
      ...numbers(0, 20),
      ...numbers(1_000, 1_020),
    ]);
    expect(shard()).to.include({ openRecords: 0 });
  });

  it('repeats a failed reduce, and emits then', async () => {
    const seen: number[] = [];
    let fails = 3;
    const { put } = await consume(
      {
        init: () => 0,
        reduce: (state: number, item, { emit }) => {
          emit(numberOf(item));
          if (numberOf(item) === 2 && (fails -= 1) >= 0) throw new Error('not yet');
          return state;
        },
      } satisfies FoldingReducer<number, Buffer, number>,
      pipe<number>().to((n) => void seen.push(n)),
      { onFailure: retry() },
    );
    put(0, 10);
    await consumers.clock.advance(20_000);
    expect(sorted(seen)).to.deep.equal(numbers(0, 10));
  });

  it('restarts if a reducer emits and there is no pipe, and says what to do', async () => {
    const errors: string[] = [];
    const it = await consumers.start({ reducer: emitting as ReducerDefinition });
    it.consumer.on('pipelineRestarted', ({ error }) => {
      for (let at: unknown = error; at instanceof Error; at = at.cause) errors.push(at.message);
    });
    it.put(1, 2);
    it.consumer.closed.catch(() => undefined);
    await consumers.clock.advance(3_000);
    expect(errors.join()).to.include('give createConsumer the option pipe');
  });

  it('shows what was emitted, and pipes and nodes beside the reducers', async () => {
    const { consumer } = await consume(
      emitting,
      pipe<number>().to(() => {}),
    );
    const kinds = [...walk(consumer.status().tree)].map(({ kind }) => kind);
    const count = (kind: string): number => kinds.filter((each) => each === kind).length;
    expect([count('reducer'), count('pipe'), count('pipe-node')]).to.deep.equal([2, 2, 2]);
  });
});
