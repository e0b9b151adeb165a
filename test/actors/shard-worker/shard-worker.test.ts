// A shard worker reads only while its ledger has room. It reports the end of its shard only when every record of the shard is settled.
import { expect } from 'chai';
import { KinactError } from '../../../src/api/errors.js';
import { defineReducer } from '../../../src/api/reducer.js';
import { fakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import { gate } from '../../support/gate.js';
import { numberOf, pipelines, putNumbered, shard0, wiretap } from '../../support/pipeline-probes.js';
import type { StubKeeper } from '../../support/pipeline.js';

const start = pipelines();

function counting(seen: number[] = [], hold: (n: number) => Promise<void> | undefined = () => undefined) {
  return defineReducer({
    init: () => 0,
    reduce: (n: number, item) => {
      seen.push(numberOf(item));
      const held = hold(numberOf(item));
      return held === undefined ? n : held.then(() => n);
    },
  });
}

function frontierOf(keeper: StubKeeper): string | undefined {
  return keeper.frontiers.at(-1)?.position.sequenceNumber;
}

describe('a shard worker that reads', () => {
  it('reads one batch at a time, and only while its ledger has room', async () => {
    const stream = fakeStream({ maxRecords: 4 });
    putNumbered(stream, 40);
    let reading = 0;
    const held = gate();
    const seen: number[] = [];
    const { port } = stream;
    const source = {
      ...port,
      open: (...args: Parameters<typeof port.open>) => {
        const reader = port.open(...args);
        const read: typeof reader.read = async (signal) => {
          reading += 1;
          expect(reading).to.equal(1);
          const result = await reader.read(signal);
          reading -= 1;
          return result;
        };
        return { ...reader, read };
      },
    };
    const pipeline = start({
      shardWorker: { maxPending: 10 },
      definition: counting(seen, (n) => (n === 0 ? held.opened : undefined)),
    });
    const { shardWorker, keeper } = pipeline.read(source, shard0);
    await pipeline.clock.advance(10);
    const status = pipeline.status(shardWorker) as { openRecords: number; admitted: number };
    expect(status.openRecords).to.be.at.most(10);
    expect(status.admitted).to.be.greaterThan(10);
    held.open();
    await pipeline.clock.advance(10);
    expect(seen.toSorted((a, b) => a - b)).to.deep.equal(Array.from({ length: 40 }, (_, index) => index));
    expect(frontierOf(keeper)).to.equal(stream.recordsOf(shard0).at(-1)?.sequenceNumber);
  });

  it('continues to read past an open record as other records settle', async () => {
    const stream = fakeStream();
    const held = gate();
    putNumbered(stream, 100, (index) => (index === 0 ? 'slow' : 'k1'));
    const seen: number[] = [];
    const pipeline = start({
      reducers: 8,
      shardWorker: { maxPending: 5 },
      definition: counting(seen, (n) => (n === 0 ? held.opened : undefined)),
    });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(0);
    expect(seen).to.have.length(100);
    expect(keeper.frontiers).to.have.length(0);
    const { sequenceNumber } = stream.recordsOf(shard0).at(-1)!;
    expect(keeper.tenures[0]!.newestHandedOut, 'what its keeper may take for open').to.include({ sequenceNumber });
    held.open();
    await pipeline.clock.advance(0);
    expect(frontierOf(keeper)).to.equal(stream.recordsOf(shard0).at(-1)?.sequenceNumber);
  });

  it('counts records, not items, against maxPending, and their bytes against maxPendingBytes', async () => {
    for (const [shardWorker, expected] of [
      [{ maxPending: 4 }, 4],
      [{ maxPendingBytes: 1_050 }, 10],
      // A record larger than the bound is admitted alone.
      [{ maxPendingBytes: 7 }, 1],
    ] as const) {
      const stream = fakeStream();
      for (let index = 0; index < 30; index += 1) stream.put({ partitionKey: 'k', data: 'x'.repeat(100) });
      const pipeline = start({
        shardWorker,
        stage: { extract: ({ data }) => Array.from({ length: 9 }, (_, index) => ({ key: `k${index}`, value: data })) },
        definition: defineReducer({ init: () => 0, acknowledge: 'manual', reduce: (n: number) => n + 1 }),
      });
      const reader = pipeline.read(stream.port, shard0);
      await pipeline.clock.advance(10);
      const status = pipeline.status(reader.shardWorker) as { openRecords: number; openBytes: number };
      expect(status.openRecords).to.equal(expected);
      expect(status.openBytes).to.equal(expected * 101);
      await pipeline.stop();
    }
  });

  it('receives dispositions at once, without waiting for a heartbeat, flush or poll', async () => {
    const stream = fakeStream();
    putNumbered(stream, 500);
    const pipeline = start({ definition: counting() });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(0);
    expect(pipeline.clock.now()).to.equal(0);
    expect(frontierOf(keeper)).to.equal(stream.recordsOf(shard0).at(-1)?.sequenceNumber);
  });

  it('settles each item once, although dispositions are repeated at once or much later', async () => {
    const stream = fakeStream();
    const numbers = putNumbered(stream, 60);
    const replies = new Set<object>();
    const acked = new Set<string>();
    const open: (() => void)[] = [];
    const pipeline = start({
      reducers: 3,
      shardWorker: { maxPending: 5 },
      stage: { extract: ({ data }) => ['a', 'b', 'c'].map((key) => ({ key, value: data })) },
      definition: defineReducer({
        init: () => 0,
        acknowledge: 'manual',
        reduce: (n: number, item, ctx) => {
          const ack = (): void => (acked.add(`${item.sequenceNumber}/${item.key}`), ctx.ack(item.token));
          // One item of every third record waits.
          if (item.key === 'b' && numberOf(item) % 3 === 0) open.push(ack);
          else ack();
          return n;
        },
      }),
      runtime: {
        intercept: {
          deliver: ({ message }, go) => {
            go();
            if (replies.has(message as object) || (message as { type: string }).type !== 'collected') return;
            for (const earlier of [...replies].slice(-40)) pipeline.tell(shardWorker, earlier);
            replies.add(message as object);
          },
        },
      },
    });
    const { keeper, shardWorker } = pipeline.read(stream.port, shard0);
    const crashed = pipeline.ending(shardWorker).then(() => true);
    for (let round = 0; round < 20; round += 1) {
      await pipeline.clock.advance(1);
      const done = numbers.findIndex((number) => ['a', 'b', 'c'].some((key) => !acked.has(`${number}/${key}`)));
      const frontier = numbers.indexOf(frontierOf(keeper) ?? '') + 1;
      expect(frontier).to.equal(done === -1 ? 60 : done);
      open.shift()?.();
    }
    await pipeline.clock.advance(1);
    expect(frontierOf(keeper)).to.equal(numbers[59]);
    expect(await Promise.race([crashed, Promise.resolve(false)])).to.equal(false);
  });

  it('has at most one `notify` and one `collect` open, and asks nothing when nothing is open', async () => {
    const stream = fakeStream();
    const held = gate();
    const tap = wiretap();
    const pipeline = start({
      credit: 2,
      shardWorker: { maxPending: 60 },
      definition: counting([], (n) => (n === 0 ? held.opened : undefined)),
      runtime: { intercept: { deliver: tap.deliver } },
    });
    pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(10);
    expect(tap.seen.filter(({ to }) => to.startsWith('stage')).map(({ type }) => type)).to.deep.equal(['join', 'join']);
    for (let from = 0; from < 200; from += 20) {
      putNumbered(stream, 20, () => 'k', from);
      await pipeline.clock.advance(10);
    }
    held.open();
    await pipeline.clock.advance(10);
    for (const [asked, answered] of [
      ['notify', 'notified'],
      ['collect', 'collected'],
    ] as const) {
      let open = 0;
      for (const { type } of tap.seen) {
        if (type === asked) open += 1;
        if (type === answered) open -= 1;
        expect(open, asked).to.be.within(0, 1);
      }
    }
  });

  it('crashes with the error of a failed read', async () => {
    const stream = fakeStream();
    stream.failReads(shard0, new KinactError('ACCESS_DENIED', 'no'));
    const pipeline = start({ definition: counting() });
    const { shardWorker } = pipeline.read(stream.port, shard0);
    const ending = pipeline.ending(shardWorker);
    await pipeline.clock.advance(1);
    expect(await ending).to.include({ reason: 'crash' });
    expect((await ending).error).to.have.property('code', 'ACCESS_DENIED');
  });

  it('reports the reader’s notices as events and counters', async () => {
    const stream = fakeStream();
    const error = new Error('reset');
    const { port } = stream;
    const source = {
      ...port,
      open: (...[shardId, from, notice]: Parameters<typeof port.open>) => {
        const reader = port.open(shardId, from, notice);
        notice({ type: 'throttled', shardId, delayMs: 200 });
        notice({ type: 'iteratorExpired', shardId });
        notice({ type: 'trimmed', shardId, position: { sequenceNumber: '5', subSequenceNumber: 0 }, certain: false });
        notice({ type: 'retrying', shardId, operation: 'GetRecords', error, delayMs: 50 });
        return reader;
      },
    };
    const pipeline = start({ definition: counting() });
    const { keeper } = pipeline.read(source, shard0);
    await pipeline.clock.advance(1);
    const place = { source: 'fake', shardId: shard0 };
    expect(pipeline.events).to.deep.equal([
      { name: 'shardStarted', data: { ...place, fence: keeper.tenures[0]!.fence } },
      { name: 'throttled', data: { ...place, delayMs: 200 } },
      { name: 'trimmed', data: { ...place, sequenceNumber: '5', subSequenceNumber: 0, certain: false } },
      { name: 'retrying', data: { ...place, operation: 'GetRecords', kind: 'other', attempt: 2, error, delayMs: 50 } },
    ]);
    expect(pipeline.counters()['expiredIterators']).to.equal(1);
  });

  it('shows its phase, fence and oldest open record in its status', async () => {
    const stream = fakeStream();
    const pipeline = start({ definition: counting([], () => new Promise(() => {})) });
    const { shardWorker, keeper } = pipeline.read(stream.port, shard0);
    expect(pipeline.status(shardWorker)).to.include({ doing: 'starting', fence: undefined });
    const [first] = putNumbered(stream, 2);
    await pipeline.clock.advance(30);
    const { fence } = keeper.tenures[0]!;
    expect(pipeline.status(shardWorker)).to.deep.include({
      doing: 'reading',
      fence,
      openRecords: 2,
      millisBehindLatest: 0,
    });
    const { oldestOpen } = pipeline.status(shardWorker) as { oldestOpen: object };
    expect(oldestOpen).to.deep.equal({ sequenceNumber: first, subSequenceNumber: 0, ordinal: 0, ageMs: 30 });
    keeper.control({ type: 'drain' });
    await pipeline.clock.advance(1);
    expect(pipeline.status(shardWorker)).to.include({ doing: 'draining' });
  });
});

describe('a shard worker with several stages', () => {
  it('uses one stage by default, and spreads records evenly with round-robin, each to one stage', async () => {
    for (const spread of ['by-shard', 'round-robin'] as const) {
      const stream = fakeStream();
      const tap = wiretap();
      const seen: number[] = [];
      const pipeline = start({
        stages: 3,
        shardWorker: { spread },
        runtime: { intercept: { deliver: tap.deliver } },
        definition: counting(seen),
      });
      const { keeper } = pipeline.read(stream.port, shard0);
      putNumbered(stream, 300);
      await pipeline.clock.advance(10);
      const counts = pipeline.stages.map(({ path }) =>
        tap.seen
          .filter(({ type, to }) => type === 'notify' && to === path)
          .reduce((sum, { message }) => sum + message.records.length, 0),
      );
      expect(
        counts.toSorted((a, b) => a - b),
        spread,
      ).to.deep.equal(spread === 'by-shard' ? [0, 0, 300] : [100, 100, 100]);
      expect(new Set(seen).size).to.equal(300);
      expect(seen).to.have.length(300);
      expect(frontierOf(keeper)).to.equal(stream.recordsOf(shard0).at(-1)?.sequenceNumber);
      await pipeline.stop();
    }
  });

  it('collects from a stage that gets its first record long after the others', async () => {
    const stream = fakeStream();
    const held = gate();
    const pipeline = start({
      stages: 2,
      shardWorker: { spread: 'round-robin' },
      definition: counting([], (n) => (n === 0 || n === 1 ? held.opened : undefined)),
    });
    const { keeper } = pipeline.read(stream.port, shard0);
    for (let index = 0; index < 4; index += 1) {
      putNumbered(stream, 1, undefined, index);
      await pipeline.clock.advance(1);
    }
    held.open();
    await pipeline.clock.advance(1);
    expect(frontierOf(keeper)).to.equal(stream.recordsOf(shard0).at(-1)?.sequenceNumber);
  });

  it('does not start without a stage', () => {
    const pipeline = start({ definition: counting(), shardWorker: { stages: [] } });
    expect(() => pipeline.read(fakeStream().port, shard0)).to.throw(/did not start/);
  });
});

describe('a shard worker that ends', () => {
  it('ends with its shard when a drain has settled every record, and names the child shards', async () => {
    const stream = fakeStream();
    const numbers = putNumbered(stream, 5);
    const children = stream.split(shard0);
    const held = gate();
    const pipeline = start({
      definition: defineReducer<number>({
        init: () => 0,
        batch: { size: 1_000, intervalMs: 100_000 },
        reduce: (n) => n + 1,
        flush: () => held.opened,
      }),
    });
    const { keeper, shardWorker } = pipeline.read(stream.port, shard0);
    const ending = pipeline.ending(shardWorker);
    await pipeline.clock.advance(10);
    expect(keeper.ends).to.deep.equal([]);
    held.open();
    await pipeline.clock.advance(10);
    expect((await ending).reason).to.equal('normal');
    const [end] = keeper.ends as any[];
    expect(end).to.include({ type: 'shardEnd', notFound: false });
    expect(end.children.map(({ shardId }: any) => shardId)).to.deep.equal(children);
    expect(frontierOf(keeper)).to.equal(numbers[4]);
    // The keeper must know the last frontier before it writes the end.
    expect(keeper.log.map(({ type }) => type).slice(-2)).to.deep.equal(['frontier', 'shardWorkerEnded']);
  });

  it('ends with a shard that no longer exists, and with one that never had records', async () => {
    const stream = fakeStream();
    stream.split(shard0);
    const pipeline = start({ definition: counting() });
    const notFound = pipeline.read(stream.port, 'shardId-000000000099').keeper;
    const empty = pipeline.read(stream.port, shard0).keeper;
    await pipeline.clock.advance(1);
    expect(notFound.ends).to.deep.equal([{ type: 'shardEnd', notFound: true }]);
    expect(empty.ends.map(({ type }) => type)).to.deep.equal(['shardEnd']);
  });

  it('reads nothing more after `drain`, settles the admitted records, and ends with none open', async () => {
    const stream = fakeStream();
    putNumbered(stream, 30);
    const held = gate();
    const seen: number[] = [];
    const pipeline = start({
      reducers: 1,
      shardWorker: { maxPending: 10 },
      definition: counting(seen, () => held.opened),
    });
    const { keeper, shardWorker } = pipeline.read(stream.port, shard0);
    const ending = pipeline.ending(shardWorker);
    await pipeline.clock.advance(1);
    keeper.control({ type: 'drain' });
    await pipeline.clock.advance(1);
    held.open();
    await pipeline.clock.advance(1);
    expect((await ending).reason).to.equal('normal');
    expect(keeper.ends).to.deep.equal([{ type: 'drained', open: 0 }]);
    expect(seen).to.have.length(10);
    expect(frontierOf(keeper)).to.equal(stream.recordsOf(shard0)[9]?.sequenceNumber);
  });

  it('ends drained at once when idle at the tip, and does not fail for its aborted read', async () => {
    const stream = fakeStream();
    const pipeline = start({ definition: counting() });
    const { keeper, shardWorker } = pipeline.read(stream.port, shard0);
    const ending = pipeline.ending(shardWorker);
    await pipeline.clock.advance(1_000);
    keeper.control({ type: 'drain' });
    await pipeline.clock.advance(1);
    expect((await ending).reason).to.equal('normal');
    expect(keeper.ends).to.deep.equal([{ type: 'drained', open: 0 }]);
  });

  it('reports how many records it left open when the keeper’s deadline cuts its drain short', async () => {
    const stream = fakeStream();
    putNumbered(stream, 7);
    const pipeline = start({
      reducers: 1,
      definition: counting([], (n) => (n === 2 ? new Promise(() => {}) : undefined)),
    });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(1);
    keeper.control({ type: 'drain' });
    await pipeline.clock.advance(100);
    keeper.control({ type: 'revoked', reason: 'deadline' });
    await pipeline.clock.advance(1);
    expect(keeper.ends).to.deep.equal([{ type: 'drained', open: 7, isCut: true }]);
  });

  it('ends with `shardEnd` instead of `drained` if nothing of the shard is unread', async () => {
    const stream = fakeStream();
    putNumbered(stream, 3);
    stream.split(shard0);
    const held = gate();
    const pipeline = start({ definition: counting([], () => held.opened) });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(1);
    keeper.control({ type: 'drain' });
    await pipeline.clock.advance(1);
    held.open();
    await pipeline.clock.advance(1);
    expect(keeper.ends.map(({ type }) => type)).to.deep.equal(['shardEnd']);
  });

  it('ends without a report when its tenure is refused', async () => {
    const stream = fakeStream();
    putNumbered(stream, 3);
    const seen: number[] = [];
    const pipeline = start({ definition: counting(seen), refuse: true });
    const { keeper, shardWorker } = pipeline.read(stream.port, shard0);
    const ending = pipeline.ending(shardWorker);
    await pipeline.clock.advance(1);
    expect((await ending).reason).to.equal('normal');
    expect(keeper.ends).to.deep.equal([]);
    expect(seen).to.deep.equal([]);
  });

  it('closes its reader, however it ends', async () => {
    for (const how of ['revoked', 'drain', 'kill'] as const) {
      const stream = fakeStream();
      let closed = 0;
      const { port } = stream;
      const source = {
        ...port,
        open: (...args: Parameters<typeof port.open>) => {
          const reader = port.open(...args);
          return { ...reader, close: () => ((closed += 1), reader.close()) };
        },
      };
      const pipeline = start({ definition: counting() });
      const { keeper, shardWorker } = pipeline.read(source, shard0);
      await pipeline.clock.advance(1);
      if (how === 'kill') await pipeline.kill(shardWorker);
      else keeper.control(how === 'drain' ? { type: 'drain' } : { type: 'revoked', reason: 'x' });
      await pipeline.clock.advance(1);
      expect(closed, how).to.be.greaterThan(0);
      await pipeline.stop();
    }
  });

  it('ends only once when `revoked` arrives twice', async () => {
    const stream = fakeStream();
    putNumbered(stream, 3);
    const pipeline = start({ definition: counting([], () => new Promise(() => {})) });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(1);
    keeper.control({ type: 'revoked', reason: 'x' });
    keeper.control({ type: 'revoked', reason: 'x' });
    await pipeline.clock.advance(1);
    expect(keeper.ends).to.have.length(1);
  });

  // The supervisor is about to stop the worker as well.
  it('reports no end when its stage dies, and counts the failed question', async () => {
    const stream = fakeStream();
    putNumbered(stream, 3);
    const pipeline = start({ definition: counting([], () => new Promise(() => {})) });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(1);
    await pipeline.kill(pipeline.stages[0]!);
    await pipeline.clock.advance(1);
    expect(pipeline.counters()['askFailures']).to.equal(1);
    expect(keeper.ends).to.deep.equal([]);
  });
});
