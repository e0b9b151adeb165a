// A whole consumer starts, reads, follows a split and stops with every lease released, and a stop works at any step of the start.
// The stream is in memory, and time is virtual.
import { expect } from 'chai';
import { createConsumer, type StopReport } from '../../../src/consumer/consumer.js';
import { defineReducer } from '../../../src/api/reducer.js';
import { fakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import { ManualClock } from '../../../src/testing/manual-clock.js';
import { nemesis } from '../../../src/testing/nemesis/nemesis.js';

/** Settles a promise that only virtual time can settle. */
async function settled<T>(clock: ManualClock, promise: Promise<T>, ms = 60_000): Promise<T> {
  let done = false;
  void promise.then(
    () => (done = true),
    () => (done = true),
  );
  for (let passed = 0; !done && passed < ms; passed += 100) await clock.advance(100);
  return promise;
}

describe('a consumer over a stream in memory, in virtual time', () => {
  let clock: ManualClock;
  beforeEach(() => {
    clock = new ManualClock();
    clock.install();
  });
  afterEach(() => clock.uninstall());

  it('reads every record once, and at a stop releases every lease with the last checkpoint', async () => {
    const stream = fakeStream({ shards: 3, clock });
    const seen: string[] = [];
    const consumer = createConsumer({
      logger: false,
      application: 'orders',
      source: stream.source,
      reducers: 4,
      reducer: defineReducer({
        init: () => 0,
        reduce: (n: number, item) => (seen.push(item.token.idempotencyKey), n + 1),
      }),
      runtime: { clock, timers: clock, random: { next: () => 0.5 } },
    });
    stream.put(...Array.from({ length: 1_000 }, (_, index) => ({ partitionKey: `k${index}`, data: `${index}` })));
    await settled(clock, consumer.start());
    await clock.advance(10_000);
    expect(seen).to.have.length(1_000);
    expect(new Set(seen).size).to.equal(1_000);
    const [shard] = consumer.status().shards;
    expect(shard).to.include({ doing: 'reading', openRecords: 0 });
    const report = await settled(clock, consumer.stop());
    expect(report.drained).to.equal(true);
    await consumer.closed;
    const rows = [...(stream.leases.get('orders')?.rows.values() ?? [])];
    expect(rows.map(({ leaseOwner }) => leaseOwner)).to.deep.equal([undefined, undefined, undefined]);
    for (const row of rows) expect(row.checkpoint).to.equal(stream.recordsOf(row.leaseKey).at(-1)?.sequenceNumber);
  });

  it('reads the children of a split after their parent, and every record once', async () => {
    const stream = fakeStream({ shards: 1, clock });
    const seen: string[] = [];
    const consumer = createConsumer({
      logger: false,
      application: 'orders',
      source: stream.source,
      reducers: 2,
      reducer: defineReducer({ init: () => 0, reduce: (n: number, item) => (seen.push(item.shardId), n + 1) }),
      runtime: { clock, timers: clock, random: { next: () => 0.5 } },
    });
    const put = (count: number): void => {
      stream.put(...Array.from({ length: count }, (_, index) => ({ partitionKey: `k${index}`, data: `${index}` })));
    };
    put(100);
    await settled(clock, consumer.start());
    await clock.advance(3_000);
    stream.split('shardId-000000000000');
    put(200);
    await clock.advance(15_000);
    expect(seen).to.have.length(300);
    const order = [...new Set(seen)];
    expect(order[0]).to.equal('shardId-000000000000');
    expect(order).to.have.length(3);
    await settled(clock, consumer.stop());
    const parent = stream.leases.get('orders')?.rows.get('shardId-000000000000');
    expect(parent?.checkpoint ?? 'SHARD_END').to.equal('SHARD_END');
  });

  it('can be stopped at any step of its start: `start` rejects with STOPPED, and nothing stays open', async () => {
    let reached = true;
    for (let at = 1; reached; at += 3) {
      const stream = fakeStream({ shards: 2, clock });
      let [steps, opened, closes] = [0, 0, 0];
      let stopped: Promise<StopReport> | undefined;
      const { open } = stream.source;
      const consumer = createConsumer({
        logger: false,
        application: 'orders',
        source: {
          ...stream.source,
          open: (harness) => {
            opened += 1;
            const source = open(harness);
            return { ...source, close: () => ((closes += 1), source.close()) };
          },
        },
        reducers: 1,
        reducer: defineReducer({ init: () => 0, reduce: (n: number) => n + 1 }),
        runtime: {
          clock,
          timers: clock,
          trace: () => {
            steps += 1;
            if (steps === at && !begun) stopped = consumer.stop();
          },
        },
      });
      let begun = false;
      const start = consumer.start().then(
        () => (begun = true),
        (error: unknown) => error,
      );
      const how = await settled(clock, start);
      reached = stopped !== undefined;
      if (reached) expect(how).to.include({ code: 'STOPPED' });
      else stopped = consumer.stop();
      await settled(clock, stopped as Promise<StopReport>);
      expect(consumer.status().state).to.equal('closed');
      const rows = [...(stream.leases.get('orders')?.rows.values() ?? [])];
      expect(rows.filter(({ leaseOwner }) => leaseOwner !== undefined)).to.deep.equal([]);
      expect([opened, closes]).to.deep.equal([1, 1]);
      expect(clock.pending()).to.equal(0);
    }
  });

  it('ends although the source cannot be closed, warns about it, and closes the lease table', async () => {
    const stream = fakeStream({ shards: 1, clock });
    const { open, openLeases } = stream.source;
    let tablesClosed = 0;
    const consumer = createConsumer({
      logger: false,
      application: 'orders',
      source: {
        ...stream.source,
        open: (harness) => ({
          ...open(harness),
          close: () => {
            throw new Error('the socket is stuck');
          },
        }),
        openLeases: (...of) => {
          const store = openLeases(...of);
          return { ...store, close: () => ((tablesClosed += 1), store.close()) };
        },
      },
      reducers: 1,
      reducer: defineReducer({ init: () => 0, reduce: (n: number) => n + 1 }),
      runtime: { clock, timers: clock },
    });
    const warnings: string[] = [];
    consumer.on('warning', ({ message, error }) => warnings.push(`${message}: ${(error as Error).message}`));
    await settled(clock, consumer.start());
    const report = await settled(clock, consumer.stop());
    expect(report.drained).to.equal(true);
    await settled(clock, consumer.closed);
    expect(warnings).to.deep.equal(["source 'fake' could not be closed: the socket is stuck"]);
    expect(tablesClosed).to.equal(1);
    expect(consumer.status().state).to.equal('closed');
  });

  it('reports and counts a restart of its pipeline after a crash of a reducer or a coordinator', async () => {
    const stream = fakeStream({ clock });
    let folded = 0;
    const told = new Map<string, number>();
    const consumer = createConsumer({
      logger: false,
      application: 'orders',
      source: stream.source,
      reducers: 1,
      reducer: defineReducer({ init: () => 0, reduce: () => (folded += 1) }),
      meter: { count: (name, by) => void told.set(name, (told.get(name) ?? 0) + by), gauge: () => {} },
      runtime: { clock, timers: clock },
    });
    const said: { readonly incarnation: number; readonly error: Error }[] = [];
    const crashed: Error[] = [];
    consumer.on('pipelineRestarted', (event) => said.push(event));
    consumer.on('actorCrashed', ({ error }) => crashed.push(error));
    await settled(clock, consumer.start());
    const chaos = nemesis(consumer, { seed: 1 });
    for (const whom of ['reducer', 'lease-coordinator', 'reducer']) {
      chaos.kill(whom);
      await clock.advance(30_000);
    }
    stream.put({ partitionKey: 'k', data: 'x' });
    await clock.advance(5_000);
    expect(folded).to.equal(1);
    expect(said.map(({ incarnation }) => incarnation)).to.deep.equal([2, 3, 4]);
    expect(crashed, 'what the actor crashed with, and not what its supervisor made of it').to.include(said[1]?.error);
    expect(consumer.status().restarts).to.equal(3);
    expect(told.get('PipelineRestarts')).to.equal(3);
    await settled(clock, consumer.stop());
  });
});
