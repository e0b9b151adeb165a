// Symptom: the start with 200 shards, on a table that needs 50 ms for a write, ended in START_TIMEOUT. The error had no cause, and
// its text said that the table could not be read. Cause: rows were created one after the other, and the deadline counted from the
// start of the coordinator.
import { expect } from 'chai';
import { fakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { driveCoordinator } from '../support/coordinator-driver.js';
import { actorHarness } from '../support/actor-harness.js';
import { listedStream } from '../support/listed-stream.js';
import { memoryLeaseStore, type MemoryLeaseStore } from '../support/memory-lease-store.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

type Harness = ReturnType<typeof actorHarness>;

interface SlowTable extends MemoryLeaseStore {
  /** The largest number of writes that were asked for at once. */
  most: number;
  due: { readonly at: number; readonly go: () => void }[];
}

/** Lets time pass for the coordinator and the table alike. */
async function pass(harness: Harness, store: SlowTable, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 50) {
    await harness.advance(50);
    const now = harness.clock.now();
    const due = store.due.filter(({ at }) => at <= now);
    store.due = store.due.filter(({ at }) => at > now);
    for (const { go } of due) go();
    await harness.settle();
  }
}

/** A table that needs `ms` for each write of a row, with `width` writes at a time. After `limit` writes it stands still. */
function slowTable(harness: Harness, ms: number, width: number, limit = Infinity): SlowTable {
  const store = memoryLeaseStore();
  const { create } = store;
  let busy = 0;
  let begun = 0;
  const queue: (() => void)[] = [];
  const slow = Object.assign(store, {
    most: 0,
    due: [] as SlowTable['due'],
    create: async (...args: Parameters<typeof create>) => {
      slow.most = Math.max(slow.most, busy + queue.length + 1);
      if (busy >= width) await new Promise<void>((go) => queue.push(go));
      busy += 1;
      begun += 1;
      if (begun > limit) await new Promise(() => {});
      await new Promise<void>((go) => slow.due.push({ at: harness.clock.now() + ms, go }));
      busy -= 1;
      queue.shift()?.();
      return create.call(store, ...args);
    },
  });
  return slow;
}

describe('a first sync of 200 shards', () => {
  const stream = (): ReturnType<typeof listedStream> => listedStream({ shards: 200 });

  it('creates several rows at once, but at most 20', async () => {
    const harness = actorHarness();
    const store = slowTable(harness, 50, Infinity);
    const driver = driveCoordinator({ harness, store, stream: stream(), startDeadlineMs: 3_000 });
    await pass(harness, store, 2_000);
    expect(await driver.started()).to.deep.equal({ type: 'started' });
    expect(store.rows.size).to.equal(200);
    expect(store.most).to.be.within(2, 20);
  });

  it('may take longer than startDeadlineMs while it makes progress', async () => {
    const harness = actorHarness();
    const store = slowTable(harness, 50, 1);
    const driver = driveCoordinator({ harness, store, stream: stream(), startDeadlineMs: 3_000 });
    await pass(harness, store, 9_000);
    expect(await driver.started()).to.equal(undefined);
    await pass(harness, store, 2_000);
    expect(await driver.started()).to.deep.equal({ type: 'started' });
  });

  it('ends the start in START_TIMEOUT, with the number of created rows, if it stands still', async () => {
    const harness = actorHarness();
    const store = slowTable(harness, 50, 10, 40);
    const driver = driveCoordinator({ harness, store, stream: stream(), startDeadlineMs: 3_000 });
    await pass(harness, store, 3_100);
    expect(await driver.started(), 'the deadline counts from the last row').to.equal(undefined);
    await pass(harness, store, 200);
    const failed = await driver.started();
    expect(failed).to.have.nested.property('error.code', 'START_TIMEOUT');
    expect(failed).to.have.nested.property('error.message').that.includes('40 of 200 rows of orders are created');
  });

  it('creates no child row without the parent rows if it breaks off, and is continued', async () => {
    const lineage = listedStream({ shards: 4 });
    const ids = lineage.shards.map(({ shardId }) => shardId);
    lineage.split(ids[0]!);
    const child = lineage.merge(ids[1]!, ids[2]!);
    const store = memoryLeaseStore();
    store.put({ leaseKey: ids[3]! });
    store.script('create', { type: 'failBefore', error: new Error('throttled') }, ids[1]);
    const driver = driveCoordinator({ store, stream: lineage });
    // The table has a row, so the missing rows are left to possible holders for failoverMs.
    for (let ms = 0; store.rows.size === 1 && ms < 11_000; ms += 50) await driver.harness.advance(50);
    const made = new Set(store.rows.keys());
    expect(made.has(ids[1]!)).to.equal(false);
    expect(made.has(child)).to.equal(false);
    await driver.harness.advance(5_000);
    expect(await driver.started()).to.deep.equal({ type: 'started' });
    expect([...store.rows.keys()]).to.include.members(ids);
  });
});

describe('a consumer of 200 shards on a table that needs 50 ms for each write', () => {
  it('starts and reads all shards; if the table stands still, START_TIMEOUT says how far it came', async () => {
    for (const limit of [Infinity, 40]) {
      using clock = virtualClock();
      const stream = fakeStream({ shards: 200, clock });
      const store = memoryLeaseStore([], 'orders');
      const { create } = store;
      let begun = 0;
      store.create = async (...args: Parameters<typeof create>) => {
        begun += 1;
        await new Promise<void>((go) => (begun > limit ? undefined : void clock.after(50, go)));
        return create.call(store, ...args);
      };
      const source = { ...stream.source, openLeases: () => store };
      const leases = { startDeadlineMs: 5_000 };
      const { consumer, seen } = virtualConsumer(clock, { stream: { ...stream, source }, leases });
      const starting = consumer.start().then(
        () => undefined,
        (error: unknown) => error,
      );
      const error = await inVirtualTime(clock, starting);
      if (limit === Infinity) {
        expect(error).to.equal(undefined);
        for (const shardId of stream.shardIds()) stream.put({ partitionKey: shardId, data: 'x' });
        await clock.advance(10_000);
        expect(seen).to.have.length(200);
      } else {
        expect(error).to.have.property('code', 'START_TIMEOUT');
        expect(error).to.have.property('message').that.includes('40 of 200 rows of fake are created');
      }
      await inVirtualTime(clock, consumer.stop());
    }
  });
});
