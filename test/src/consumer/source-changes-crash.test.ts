// A source is removed while the coordinator of its table crashes: its leases are released without it. Streams and tables in memory, virtual
// time. The crash comes right before the removal, so keepers leave the leases.
import { expect } from 'chai';
import { createConsumer, type Consumer } from '../../../src/consumer/consumer.js';
import { defineReducer, type Item } from '../../../src/api/reducer.js';
import type { AnySource } from '../../../src/api/source.js';
import { fakeStream, type FakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import { memoryLeaseStore, type MemoryLeaseStore } from '../../../src/testing/memory-lease-store.js';
import type { ManualClock } from '../../../src/testing/manual-clock.js';
import { actorsOf, crash } from '../../../supervision/index.js';
import { inVirtualTime, virtualClock } from '../../support/virtual.js';

const failBefore = { type: 'failBefore' } as const;

describe('a source that is removed or added while its coordinator is down', () => {
  let clock: ManualClock;
  let consumer: Consumer;
  let store: MemoryLeaseStore;
  let closed: boolean;
  let seen: string[];
  let orders: FakeStream;
  let refunds: FakeStream;
  let onCheckpoint: () => Promise<void> | undefined;
  /** Lets the reads of the left rows go on. */
  let answer: () => void = () => undefined;
  beforeEach(async () => {
    clock = virtualClock();
    store = memoryLeaseStore([], 'totals');
    closed = false;
    seen = [];
    onCheckpoint = () => undefined;
    [orders, refunds] = ['orders', 'refunds'].map((name) => fakeStream({ name, clock, shards: 2 })) as [
      FakeStream,
      FakeStream,
    ];
    consumer = createConsumer({
      logger: false,
      application: 'totals',
      source: [orders, refunds].map(shared),
      leases: { multiStream: true },
      reducer: defineReducer({
        init: () => 0,
        reduce: (count: number, { source, key }: Item<unknown>) => (seen.push(`${source} ${key}`), count + 1),
      }),
      onCheckpoint: () => onCheckpoint(),
      runtime: { clock, timers: clock },
    }) as unknown as Consumer;
    await inVirtualTime(clock, consumer.start());
    refunds.put({ partitionKey: 'a', data: 'x' });
    await clock.advance(3_000);
    expect(seen).to.deep.equal(['refunds a']);
  });
  afterEach(async () => {
    answer();
    await inVirtualTime(clock, consumer.stop());
    clock.uninstall();
  });

  const shared = ({ source }: FakeStream): AnySource => ({
    ...source,
    application: undefined,
    openLeases: () => ({
      ...store,
      update: (...given) => store.update(...given),
      close: () => void (closed = true),
    }),
  });
  const crashCoordinator = (): void => {
    const [coordinator] = actorsOf(consumer.runtime).filter(({ path }) => path.startsWith('lease-coordinator'));
    crash(coordinator!, new Error('killed'));
  };
  const codeOf = (adding: Promise<void>): Promise<string | undefined> =>
    adding.then(
      () => 'added',
      (error: unknown) => (error as { readonly code?: string }).code,
    );
  const owned = (): string[] =>
    [...store.rows.values()]
      .filter(({ leaseKey, leaseOwner }) => leaseKey.includes(':refunds:') && leaseOwner !== undefined)
      .map(({ leaseKey }) => leaseKey);
  /** Begins the removal. The rows of its leases cannot be read before `answer`. */
  const beginRemoval = (): ReturnType<Consumer['removeSource']> => {
    const until = new Promise<void>((resolve) => (answer = resolve));
    for (const leaseKey of owned()) store.script('get', { type: 'holdBefore', until }, leaseKey);
    crashCoordinator();
    return consumer.removeSource('refunds');
  };

  it('is written to before a stop closes the table', async () => {
    const removing = beginRemoval();
    await clock.advance(500);
    expect(owned(), 'left by their keepers').to.have.length(2);
    const stopping = consumer.stop();
    await clock.advance(3_000);
    expect(closed).to.equal(false);
    answer();
    await inVirtualTime(clock, stopping);
    expect(closed).to.equal(true);
    expect(owned()).to.deep.equal([]);
    const calls = store.calls.length;
    const report = await inVirtualTime(clock, removing);
    expect(report.leases.map(({ source, released }) => [source, released])).to.deep.equal([
      ['refunds', true],
      ['refunds', true],
    ]);
    expect(store.calls).to.have.length(calls);
  });

  it('is not given to the next coordinator, and can be added again', async () => {
    const removing = beginRemoval();
    await clock.advance(500);
    crashCoordinator();
    await clock.advance(1_000);
    answer();
    expect(await inVirtualTime(clock, removing)).to.have.property('drained');
    expect(owned()).to.deep.equal([]);
    expect(consumer.status().sources.map(({ source, state }) => [source, state])).to.deep.equal([
      ['orders', 'running'],
    ]);
    await inVirtualTime(clock, consumer.addSource(shared(refunds)));
    refunds.put({ partitionKey: 'b', data: 'x' });
    await clock.advance(5_000);
    expect(seen).to.deep.equal(['refunds a', 'refunds b']);
  });

  it('is in the report of its removal, and not in that of a later stop', async () => {
    const keys = owned();
    // Its rows cannot be read for as long as the removal tries.
    for (const leaseKey of keys) for (let tries = 0; tries < 60; tries += 1) store.script('get', failBefore, leaseKey);
    crashCoordinator();
    const removed = await inVirtualTime(clock, consumer.removeSource('refunds'));
    expect(removed.leases.map(({ leaseKey, released }) => [leaseKey, released])).to.have.deep.members(
      keys.map((leaseKey) => [leaseKey, false]),
    );
    crashCoordinator();
    const stopped = await inVirtualTime(clock, consumer.stop());
    expect(stopped.leases.map(({ source }) => source)).to.deep.equal(['orders', 'orders']);
  });

  it('is released alone: the leases of other sources stay with this worker', async () => {
    const ofOrders = (): (string | undefined)[] =>
      [...store.rows.values()].filter(({ leaseKey }) => leaseKey.includes(':orders:')).map((row) => row.leaseOwner);
    const [me] = ofOrders();
    const released = new Set<string | undefined>();
    const { update } = store;
    store.update = async (...given) => {
      const answer = await update(...given);
      for (const owner of ofOrders()) released.add(owner);
      return answer;
    };
    // The next coordinator knows no lease yet when it answers the removal.
    let show = (): void => undefined;
    store.script('scan', { type: 'holdBefore', until: new Promise<void>((resolve) => (show = resolve)) });
    crashCoordinator();
    const report = await inVirtualTime(clock, consumer.removeSource('refunds'));
    expect(report.leases.map(({ source }) => source)).to.deep.equal(['refunds', 'refunds']);
    show();
    await clock.advance(5_000);
    expect([...released]).to.deep.equal([me]);
  });

  for (const [when, isWaiting] of [
    ['at the same moment', false],
    ['while the addition waits for the next coordinator, which ends meanwhile', true],
  ] as const)
    it(`ends with STOPPED if it is being added when the consumer is stopped: ${when}`, async () => {
      const more = fakeStream({ name: 'more', clock, shards: 1 });
      crashCoordinator();
      const adding = codeOf(consumer.addSource(shared(more)));
      if (isWaiting) await clock.advance(0);
      const stopping = consumer.stop({ deadlineMs: 0 });
      expect(await inVirtualTime(clock, Promise.all([adding, stopping]))).to.have.property('0', 'STOPPED');
    });

  it('can be added again at once after it was removed, though its first addition still waits for the coordinator', async () => {
    const more = fakeStream({ name: 'more', clock, shards: 1 });
    crashCoordinator();
    const first = codeOf(consumer.addSource(shared(more)));
    await clock.advance(10);
    const removed = consumer.removeSource('more');
    await clock.advance(10);
    expect((await removed).leases.map(({ released }) => released)).to.deep.equal([true]);
    const second = codeOf(consumer.addSource(shared(more)));
    await clock.advance(5_000);
    expect(await Promise.all([first, second])).to.deep.equal(['STOPPED', 'added']);
    more.put({ partitionKey: 'm', data: 'x' });
    await clock.advance(3_000);
    expect(seen.filter((each) => !each.startsWith('refunds'))).to.deep.equal(['more m']);
    expect(consumer.status().sources.map(({ source }) => source)).to.have.members(['orders', 'refunds', 'more']);
  });

  it('stays away after its removal, though its addition still waited for the coordinator', async () => {
    const more = fakeStream({ name: 'more', clock, shards: 1 });
    crashCoordinator();
    const adding = codeOf(consumer.addSource(shared(more)));
    await clock.advance(10);
    const removed = consumer.removeSource('more');
    await clock.advance(10);
    await removed;
    more.put({ partitionKey: 'm', data: 'x' });
    await clock.advance(5_000);
    expect(await adding).to.equal('STOPPED');
    expect(consumer.status().sources.map(({ source }) => source)).to.have.members(['orders', 'refunds']);
    expect(seen).to.not.include('more m');
  });

  it('leaves nothing behind if it is removed while the coordinator of its table is being started', async () => {
    for (const crashes of [false, true])
      for (let ticks = 1; ticks < 20; ticks += 1) {
        const apart = fakeStream({ name: 'apart', application: 'apart', clock, shards: 1 });
        if (crashes) crashCoordinator();
        const adding = codeOf(consumer.addSource(apart.source));
        // The addition goes on by microtasks, and the actors by immediates, which the clock holds back.
        for (let tick = 0; tick < ticks; tick += 1) await Promise.resolve();
        const removing = consumer.removeSource('apart');
        expect(await inVirtualTime(clock, adding), `${crashes} ${ticks}`).to.equal('STOPPED');
        expect((await inVirtualTime(clock, removing)).leases, `${crashes} ${ticks}`).to.deep.equal([]);
        // More crashes in ten seconds would end the consumer.
        await clock.advance(11_000);
        const left = actorsOf(consumer.runtime).filter(({ path }) => path.includes('apart'));
        expect(left, `${crashes} ${ticks}`).to.deep.equal([]);
      }
  });

  it('leaves its table free, though the coordinator of the table was started again while it was being ended', async () => {
    const own = (name: string): FakeStream => fakeStream({ name, application: 'apart', clock, shards: 1 });
    const [first, second] = [own('first'), own('second')];
    await inVirtualTime(clock, consumer.addSource(first.source));
    // A call that never settles keeps the coordinator from ending at once.
    onCheckpoint = () => new Promise<void>(() => {});
    first.put({ partitionKey: 'b', data: 'x' });
    await clock.advance(12_000);
    const removed = consumer.removeSource('first', { deadlineMs: 1_000 });
    await clock.advance(2_000);
    const [supervisor] = actorsOf(consumer.runtime).filter(({ path }) => path.startsWith('coordinators'));
    crash(supervisor!, new Error('killed'));
    onCheckpoint = () => undefined;
    await inVirtualTime(clock, removed);
    await inVirtualTime(clock, consumer.addSource(second.source));
    second.put({ partitionKey: 'c', data: 'x' });
    await clock.advance(3_000);
    expect(seen).to.deep.equal(['refunds a', 'first b', 'second c']);
  });
});
