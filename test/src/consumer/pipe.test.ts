// A consumer with a pipe in place of a reducer, in virtual time: what flows, what is checkpointed, and what a kill repeats.
import { expect } from 'chai';
import type { Pipe } from '../../../src/api/pipe.js';
import { isKinactError } from '../../../src/api/errors.js';
import { statusOf } from '../../../src/consumer/actor-status.js';
import { walk } from '../../../src/api/status.js';
import { batchSink } from '../../../src/pipes/batch-sink.js';
import { pipe } from '../../../src/pipes/pipe.js';
import { numberConsumers, numbers, sorted, type NumberConsumer } from '../../support/number-consumers.js';
import { inVirtualTime } from '../../support/virtual.js';
import { virtualConsumer, type VirtualOptions } from '../../support/virtual-consumer.js';

describe('a consumer with a pipe', () => {
  const consumers = numberConsumers();

  const consume = (nodes: Pipe<Buffer>, more: VirtualOptions = {}): Promise<NumberConsumer> =>
    consumers.start({ reducer: undefined as never, pipe: nodes, ...more });

  it('sends every item through the nodes, in the order of its key, and checkpoints what is done', async () => {
    const seen: number[] = [];
    const { put, consumer } = await consume(
      pipe()
        .map((data) => Number(data.toString()))
        .filter((n) => n % 2 === 0)
        .to((n) => void seen.push(n)),
    );
    put(0, 200);
    await consumers.clock.advance(5_000);
    expect(sorted(seen)).to.deep.equal(numbers(0, 200).filter((n) => n % 2 === 0));
    for (const key of numbers(0, 7)) {
      const ofKey = seen.filter((n) => n % 7 === key);
      expect(ofKey).to.deep.equal(sorted(ofKey));
    }
    const [shard] = consumer.status().shards;
    expect(shard).to.include({ openRecords: 0, oldestOpen: null });
    expect(shard?.checkpointAgeMs).to.equal(0);
  });

  it('holds the checkpoint back for what an aggregate holds, and drains it at a stop', async () => {
    const batches: number[][] = [];
    const { put, consumer } = await consume(
      pipe()
        .map((data) => Number(data.toString()))
        .aggregate({ count: 1_000, intervalMs: 500_000 })
        .to((batch) => void batches.push([...batch])),
    );
    put(0, 30);
    await consumers.clock.advance(3_000);
    expect(batches).to.deep.equal([]);
    expect(consumer.status().shards[0]).to.include({ openRecords: 30 });
    expect(consumer.status().shards[0]?.oldestOpen?.actor).to.match(/^pipe-node\/0\/aggregate\/1#/);
    const report = await inVirtualTime(consumers.clock, consumer.stop({ deadlineMs: 5_000 }));
    expect(report.drained).to.equal(true);
    expect(sorted(batches.flat())).to.deep.equal(numbers(0, 30));
  });

  it('flushes an aggregate when the shard is full', async () => {
    const seen: number[] = [];
    const { put } = await consume(
      pipe()
        .aggregate({ count: 1_000, intervalMs: 500_000 })
        .to((batch) => void seen.push(...batch.map((data) => Number(data.toString())))),
      { maxPending: 16 },
    );
    put(0, 100);
    await consumers.clock.advance(20_000);
    expect(seen.length).to.be.at.least(84);
    expect(sorted(seen)).to.deep.equal(numbers(0, seen.length));
  });

  for (const kind of ['pipe-node', 'pipe', 'stage', 'shard-worker']) {
    it(`loses nothing when a ${kind} is killed, and restarts with all nodes`, async () => {
      const seen = new Set<number>();
      const { put, chaos, consumer } = await consume(
        pipe()
          .map((data) => Number(data.toString()))
          .aggregate({ count: 5, intervalMs: 300 })
          .unfold((batch) => batch)
          .to((n) => void seen.add(n)),
      );
      put(0, 50);
      await consumers.clock.advance(400);
      chaos.killRandom({ kinds: [kind] });
      put(50, 100);
      await consumers.clock.advance(30_000);
      expect(sorted([...seen])).to.deep.equal(numbers(0, 100));
      expect(consumer.status().restarts).to.equal(1);
      expect(consumer.status().shards[0]).to.include({ openRecords: 0 });
    });
  }

  it('restarts from the record of a failed call under crash, after what was behind it', async () => {
    const seen: number[] = [];
    let fails = 1;
    const { put, consumer } = await consume(
      pipe()
        .map((data) => Number(data.toString()))
        .tap((n) => {
          if (n === 20 && fails > 0) {
            fails -= 1;
            throw new Error('20 does not fit');
          }
        })
        .to(async (n) => {
          await new Promise<void>((resolve) => void consumers.clock.after(10, resolve));
          seen.push(n);
        }),
      { reducers: 1 },
    );
    const errors: string[] = [];
    let before: readonly number[] = [];
    consumer.on('pipelineRestarted', ({ error }) => {
      errors.push(String(error));
      before = [...seen];
    });
    put(0, 40);
    await consumers.clock.advance(20_000);
    expect(before, 'what was produced before drains first').to.deep.equal(numbers(0, 20));
    expect(sorted([...new Set(seen)])).to.deep.equal(numbers(0, 40));
    expect(errors.join()).to.include('20 does not fit').and.to.include('tap/1 failed for record');
  });

  it('waits for a failing node under retry, hands nothing over behind it, and goes on', async () => {
    const seen: number[] = [];
    let isDown = true;
    const { put, consumer } = await consume(
      pipe()
        .map((data) => Number(data.toString()))
        .to((n) => {
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
    expect(seen).to.deep.equal(numbers(0, 40));
    expect(consumer.ready().ok).to.equal(true);
  });

  it('stops before its deadline while a node fails, though more waits than the credit, and its report says so', async () => {
    const { put, consumer } = await consume(
      pipe().to(() => {
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
  });

  it('does not wait at a stop for what a node keeps beyond its flush', async () => {
    const { put, consumer } = await consume({
      nodes: [{ handleMessage: (_, message) => (message.value === undefined ? {} : { keep: [message] }) }],
    });
    put(0, 50);
    await consumers.clock.advance(2_000);
    const begun = consumers.clock.now();
    const report = await inVirtualTime(consumers.clock, consumer.stop({ deadlineMs: 50_000 }));
    expect(consumers.clock.now() - begun).to.be.lessThan(5_000);
    expect(report.drained).to.equal(false);
    expect(report.leases.map(({ recordsLeft }) => recordsLeft)).to.deep.equal([50]);
    expect(report.waiting.map(({ at, error }) => `${at}: ${error}`)).to.deep.equal(
      Array(2).fill('node: node/0 keeps it'),
    );
  });

  it('names what a failing flush is about once at a stop: by its error, and not as kept, too', async () => {
    const { put, consumer } = await consume(
      {
        nodes: [
          {
            handleMessage: (_, message) => ({ keep: [message] }),
            handleFlush: () => {
              throw new Error('disk full');
            },
          },
        ],
      },
      { reducers: 1, onFailure: undefined },
    );
    put(0, 5);
    await consumers.clock.advance(2_000);
    const report = await inVirtualTime(consumers.clock, consumer.stop({ deadlineMs: 50_000 }));
    expect(report.waiting.map(({ error }) => error)).to.deep.equal(['disk full']);
  });

  it('says of a skipped batch its node, its first item and how many there were, and meters all of them', async () => {
    let metered = 0;
    const { put, consumer } = await consume(
      pipe().to(
        batchSink({ size: 10 }, () => {
          throw new Error('refused');
        }),
      ),
      {
        reducers: 1,
        onFailure: 'skip',
        meter: { count: (name, by) => void (metered += name === 'SkippedRecords' ? by : 0), gauge: () => {} },
      },
    );
    const skipped: number[] = [];
    consumer.on('recordSkipped', ({ node, items = 0 }) => {
      expect(node).to.equal('batchSink/0');
      skipped.push(items);
    });
    put(0, 20);
    await consumers.clock.advance(5_000);
    expect(Math.max(...skipped)).to.be.greaterThan(1);
    expect(skipped.reduce((sum, items) => sum + items)).to.equal(20);
    expect(metered).to.equal(20);
  });

  it('restarts if a call of a node does not end, with an error that names node and record', async () => {
    const { put, consumer } = await consume(
      pipe()
        .map(String)
        .to(() => new Promise(() => {})),
      { reducers: 1, callDeadlineMs: 1_000 },
    );
    const data: unknown[] = [];
    consumer.on('pipelineRestarted', ({ error }) => {
      for (let at: unknown = error; at instanceof Error; at = at.cause)
        if (isKinactError(at) && at.code === 'PROCESSING_FAILED') data.push(at.data);
    });
    put(0, 1);
    await consumers.clock.advance(5_000);
    const [first] = data as Readonly<Record<string, unknown>>[];
    expect(first).to.include({ node: 'sink/1' });
    expect(first?.['sequenceNumber']).to.match(/^\d+$/);
  });

  it('restarts when a callback asks for the end, and goes on behind what was settled', async () => {
    const { put, consumer } = await consume({
      nodes: [{ handleMessage: (_, message) => ({ drop: [message], exit: true }) }],
    });
    const codes: unknown[] = [];
    consumer.on('pipelineRestarted', ({ error }) => {
      for (let at: unknown = error; at instanceof Error; at = at.cause) if (isKinactError(at)) codes.push(at.code);
    });
    put(0, 1);
    await consumers.clock.advance(5_000);
    expect(codes).to.include('PIPE_EXITED');
    expect(consumer.status().shards[0]).to.include({ openRecords: 0 });
  });

  it('cannot start if `init` of a node fails', async () => {
    const it1 = virtualConsumer(consumers.clock, {
      reducer: undefined as never,
      pipe: {
        nodes: [
          {
            init: () => {
              throw new Error('no connection');
            },
            handleMessage: () => ({}),
          },
        ],
      },
    });
    it1.consumer.closed.catch(() => undefined);
    const started = it1.consumer.start().then(
      () => undefined,
      (error: unknown) => error,
    );
    let text = '';
    for (let at = await inVirtualTime(consumers.clock, started); at instanceof Error; at = at.cause)
      text += `${at.message}; `;
    expect(text).to.include('no connection');
  });

  it('shows each pipe and each node in its status', async () => {
    const { consumer } = await consume(
      pipe()
        .map(String)
        .to(() => {}),
    );
    const actors = [...walk(consumer.status().tree)];
    expect(actors.flatMap((actor) => statusOf(actor, 'pipe')?.doing ?? [])).to.deep.equal(['idle', 'idle']);
    const nodes = actors.flatMap((actor) => statusOf(actor, 'pipe-node') ?? []);
    expect(nodes.map(({ node, state }) => `${node} ${state}`)).to.have.members([
      ...['map/0 ready', 'sink/1 ready'],
      ...['map/0 ready', 'sink/1 ready'],
    ]);
  });
});
