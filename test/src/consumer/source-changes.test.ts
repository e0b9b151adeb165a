// A running consumer reads more sources, or fewer, over streams in memory and in virtual time: tables come and go with their sources,
// and nothing of a removed source is left.
import { expect } from 'chai';
import { createConsumer, type Consumer } from '../../../src/consumer/consumer.js';
import type { ConsumerOptions } from '../../../src/api/options.js';
import { KinactError } from '../../../src/api/errors.js';
import { defineReducer, type Item } from '../../../src/api/reducer.js';
import type { AnySource } from '../../../src/api/source.js';
import { fakeStream, type FakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import { memoryLeaseStore, type MemoryLeaseStore } from '../../../src/testing/memory-lease-store.js';
import type { ManualClock } from '../../../src/testing/manual-clock.js';
import { inVirtualTime, virtualClock } from '../../support/virtual.js';

describe('a consumer that runs', () => {
  let clock: ManualClock;
  let consumer: Consumer;
  let seen: string[];
  beforeEach(() => {
    clock = virtualClock();
    seen = [];
  });
  afterEach(async () => {
    await inVirtualTime(clock, consumer.stop());
    clock.uninstall();
  });

  const named = (name: string, application = `${name}-app`): FakeStream =>
    fakeStream({ name, application, clock, shards: 2 });
  const put = (stream: FakeStream, ...keys: string[]): void => {
    for (const key of keys) stream.put({ partitionKey: key, data: 'x' });
  };
  const made = (source: ConsumerOptions['source'], more: Partial<ConsumerOptions> = {}): Consumer =>
    (consumer = createConsumer({
      logger: false,
      application: 'totals',
      source: source as AnySource[],
      reducer: defineReducer({
        init: () => 0,
        reduce: (count: number, { source: of, key, opaque }: Item<unknown>) => {
          seen.push(`${of} ${key}${opaque === undefined ? '' : ` ${String(opaque)}`}`);
          return count + 1;
        },
      }),
      runtime: { clock, timers: clock },
      ...more,
    }) as unknown as Consumer);
  const started = async (source: ConsumerOptions['source'], more: Partial<ConsumerOptions> = {}): Promise<Consumer> => {
    made(source, more);
    await inVirtualTime(clock, consumer.start());
    return consumer;
  };
  const refusal = (promise: Promise<unknown>): Promise<KinactError> =>
    inVirtualTime(
      clock,
      promise.then(
        () => expect.fail('it was expected to reject'),
        (error: unknown) => error as KinactError,
      ),
    );
  /** The code of the error with which this will be rejected. */
  const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
    promise.catch((error: unknown) => (error as KinactError).code);
  const sources = (): string[] =>
    consumer.status().sources.map(({ source, table, state }) => `${source} ${table} ${state}`);
  const ownerless = (store: MemoryLeaseStore, stream: string): boolean =>
    [...store.rows.values()]
      .filter(({ streamName }) => streamName?.includes(stream))
      .every((row) => row.leaseOwner === undefined);

  it('reads a source that is added with a table of its own, and its items have its name and opaque', async () => {
    const [orders, refunds] = [named('orders'), named('refunds')];
    await started(orders.source);
    put(refunds, 'a', 'b');
    await inVirtualTime(clock, consumer.addSource({ ...refunds.source, opaque: 'eu' }));
    await clock.advance(3_000);
    put(orders, 'c');
    await clock.advance(3_000);
    expect(seen).to.have.members(['refunds a eu', 'refunds b eu', 'orders c']);
    expect(sources()).to.deep.equal(['orders orders-app running', 'refunds refunds-app running']);
    expect(consumer.ready()).to.deep.equal({ ok: true, reasons: [] });
    const report = await inVirtualTime(clock, consumer.stop());
    expect(report).to.include({ drained: true });
    expect(report.leases.map(({ source }) => source)).to.have.members(['orders', 'orders', 'refunds', 'refunds']);
  });

  it('releases what it removes, delivers nothing of it afterwards, and reads it again where it was', async () => {
    const store = memoryLeaseStore([], 'totals');
    let closed = 0;
    const shared = ({ source }: FakeStream): AnySource => ({
      ...source,
      application: undefined,
      openLeases: () => ({ ...store, close: () => void (closed += 1) }),
    });
    const [orders, refunds] = [named('orders'), named('refunds')];
    await started([orders, refunds].map(shared), { leases: { multiStream: true } });
    put(orders, 'a');
    put(refunds, 'b');
    await clock.advance(3_000);
    const report = await inVirtualTime(clock, consumer.removeSource('refunds'));
    expect(report.drained).to.equal(true);
    expect(report.leases.map(({ source, released, recordsLeft }) => [source, released, recordsLeft])).to.deep.equal([
      ['refunds', true, 0],
      ['refunds', true, 0],
    ]);
    expect(ownerless(store, 'refunds')).to.equal(true);
    expect(ownerless(store, 'orders')).to.equal(false);
    expect(closed, 'the table has a source').to.equal(0);
    expect(sources()).to.deep.equal(['orders totals running']);
    put(refunds, 'c');
    put(orders, 'd');
    await clock.advance(60_000);
    expect(seen).to.have.members(['orders a', 'refunds b', 'orders d']);
    expect(consumer.ready().ok).to.equal(true);
    await inVirtualTime(clock, consumer.addSource(shared(refunds)));
    await clock.advance(5_000);
    expect(seen).to.have.members(['orders a', 'refunds b', 'orders d', 'refunds c']);
  });

  it('ends the coordinator of a table with its last source, closes both, and starts another one later', async () => {
    const closed: string[] = [];
    const opened: (number | string | undefined)[] = [];
    const stream = named('refunds');
    const source: AnySource = {
      ...stream.source,
      open: (environment) => {
        opened.push(environment.slots?.all.sources.size);
        return { ...stream.source.open(environment), close: () => void closed.push('source') };
      },
      openLeases: (...given) => {
        opened.push('table');
        return { ...stream.source.openLeases(...given), close: () => void closed.push('table') };
      },
    };
    await started(named('orders').source);
    for (let round = 1; round <= 3; round += 1) {
      await inVirtualTime(clock, consumer.addSource(source));
      put(stream, `k${round}`);
      await clock.advance(3_000);
      expect(seen.at(-1)).to.equal(`refunds k${round}`);
      await inVirtualTime(clock, consumer.removeSource('refunds'));
      expect(closed).to.have.length(2 * round);
      expect(opened.splice(0), 'two sources share the calls').to.deep.equal([2, 'table']);
      expect(consumer.status().leases.map(({ table }) => table)).to.deep.equal(['orders-app']);
      const kinds = consumer
        .status()
        .tree.flatMap((root) => root.children)
        .flatMap((child) => child.children);
      expect(kinds.filter(({ kind }) => kind === 'lease-coordinator')).to.have.length(1);
    }
    expect(seen).to.deep.equal(['refunds k1', 'refunds k2', 'refunds k3']);
  });

  it('runs on without a source, says so, and reads the next one that is added', async () => {
    const orders = named('orders');
    await started(orders.source);
    await clock.advance(2_000);
    await inVirtualTime(clock, consumer.removeSource('orders'));
    expect(consumer.ready()).to.deep.equal({ ok: false, reasons: ['the consumer has no source'] });
    expect(consumer.live().ok).to.equal(true);
    await inVirtualTime(clock, consumer.addSource(orders.source));
    put(orders, 'a');
    await clock.advance(3_000);
    expect(seen).to.deep.equal(['orders a']);
    expect(consumer.ready().ok).to.equal(true);
  });

  it('rejects a source that does not fit, or that cannot be read, and is the same as before', async () => {
    const [orders, refunds] = [named('orders'), named('refunds')];
    await started(orders.source);
    const wrong: readonly (readonly [unknown, string])[] = [
      [named('orders', 'other').source, "source: expected sources of different streams, got 'orders'"],
      [named('refunds', 'orders-app').source, "which is that of 'orders' already"],
      [null, 'a source made by kinesisStream'],
      [[orders.source, refunds.source], 'source: expected one source, and no array'],
      [[orders.source], 'source: expected one source, and no array'],
      [[refunds.source], 'source: expected one source, and no array'],
    ];
    for (const [source, text] of wrong) {
      const error = await refusal(consumer.addSource(source as AnySource));
      expect(error.code).to.equal('INVALID_OPTION');
      expect(error.message).to.include(text);
    }
    const missing = new KinactError('STREAM_NOT_FOUND', 'no such stream');
    const absent = { ...refunds.source, open: () => ({ ...refunds.port, describe: () => Promise.reject(missing) }) };
    expect(await refusal(consumer.addSource(absent))).to.equal(missing);
    const down = { ...refunds.port, describe: () => Promise.reject(new Error('down')) };
    expect((await refusal(consumer.addSource({ ...refunds.source, open: () => down }))).code).to.equal('START_TIMEOUT');
    expect(sources()).to.deep.equal(['orders orders-app running']);
    expect(consumer.live().ok).to.equal(true);
    await inVirtualTime(clock, consumer.addSource(refunds.source));
    expect(sources()).to.have.length(2);
  });

  it('closes a source whose lease table cannot be opened, and its name is free', async () => {
    const [orders, refunds] = [named('orders'), named('refunds')];
    await started(orders.source);
    let closed = 0;
    let share: number | undefined;
    const open: AnySource['open'] = ({ slots }) => {
      share = slots === undefined ? undefined : slots.all.sources.size;
      return { ...refunds.port, close: () => void (closed += 1) };
    };
    const fails = (): never => {
      throw new Error('no such region');
    };
    const { message } = await refusal(consumer.addSource({ ...refunds.source, open, openLeases: fails }));
    expect(message).to.equal('no such region');
    expect(closed).to.equal(1);
    await refusal(consumer.addSource({ ...refunds.source, open: fails }));
    await refusal(consumer.addSource({ ...refunds.source, open, openLeases: fails }));
    expect(share, 'sources that share the calls: this one and the first').to.equal(2);
    await inVirtualTime(clock, consumer.addSource(refunds.source));
    expect(sources()).to.deep.equal(['orders orders-app running', 'refunds refunds-app running']);
  });

  it('is not ended by the failure of a source that is added, and is ended by that of its last one', async () => {
    await started(named('orders').source);
    await inVirtualTime(clock, consumer.removeSource('orders'));
    const refunds = named('refunds');
    const missing = new KinactError('STREAM_NOT_FOUND', 'no such stream');
    const absent = { ...refunds.source, open: () => ({ ...refunds.port, describe: () => Promise.reject(missing) }) };
    await refusal(consumer.addSource(absent));
    expect(consumer.live().ok).to.equal(true);
    await inVirtualTime(clock, consumer.addSource(refunds.source));
    const { describe: real } = refunds.port;
    Object.assign(refunds.port, {
      describe: async (signal: AbortSignal) => ({ ...(await real(signal)), creationEpochSeconds: 2 }),
    });
    const closed = consumer.closed.catch((error: unknown) => error);
    await clock.advance(70_000);
    expect(await inVirtualTime(clock, closed)).to.have.property('code', 'STREAM_CHANGED');
  });

  it('is ended by the failure of its last source that can be read, also while another one is being added in vain', async () => {
    const [orders, refunds] = [named('orders'), named('refunds')];
    await started(orders.source);
    const down = { ...refunds.port, describe: () => Promise.reject(new Error('down')) };
    const { describe: real } = orders.port;
    Object.assign(orders.port, {
      describe: async (signal: AbortSignal) => ({ ...(await real(signal)), creationEpochSeconds: 2 }),
    });
    const closed = consumer.closed.catch((error: unknown) => error);
    let isFailed = false;
    consumer.on('sourceFailed', () => (isFailed = true));
    // One addition follows another at once, so one is under way when the other source fails.
    const addAgain = async (): Promise<void> => {
      while (!isFailed) await codeOf(consumer.addSource({ ...refunds.source, open: () => down }));
    };
    await inVirtualTime(clock, addAgain(), 200_000);
    await clock.advance(5_000);
    expect(await inVirtualTime(clock, closed)).to.have.property('code', 'STREAM_CHANGED');
  });

  it('ends with the error of the source that failed last, whichever was given first', async () => {
    const [orders, refunds] = [named('orders'), named('refunds')];
    await started([orders.source, refunds.source]);
    const closed = consumer.closed.catch((error: unknown) => error);
    for (const { port } of [orders, refunds]) {
      const { describe: real } = port;
      Object.assign(port, {
        describe: async (signal: AbortSignal) => ({ ...(await real(signal)), creationEpochSeconds: 2 }),
      });
      await clock.advance(90_000);
    }
    expect(await inVirtualTime(clock, closed))
      .to.have.property('message')
      .that.includes("'refunds-app'");
  });

  it('says what is wrong: an unknown name, a deadline, a consumer that has not started or has stopped', async () => {
    const orders = named('orders');
    made(orders.source);
    for (const call of [() => consumer.addSource(named('refunds').source), () => consumer.removeSource('orders')])
      expect((await refusal(call())).code).to.equal('REFUSED');
    await inVirtualTime(clock, consumer.start());
    const unknown = await refusal(consumer.removeSource('refunds'));
    expect(unknown.code).to.equal('INVALID_OPTION');
    expect(unknown.message).to.include("'orders'").and.include('refunds');
    expect((await refusal(consumer.removeSource('orders', { deadlineMs: -1 }))).code).to.equal('INVALID_OPTION');
    await inVirtualTime(clock, consumer.stop());
    for (const call of [() => consumer.addSource(named('refunds').source), () => consumer.removeSource('orders')])
      expect((await refusal(call())).code).to.equal('STOPPED');
  });

  it('ends what is under way when it is stopped: an addition with STOPPED, a removal with its report', async () => {
    const [orders, refunds] = [named('orders'), named('refunds')];
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    await started(orders.source, {
      reducer: defineReducer({ init: () => 0, reduce: (count: number) => held.then(() => count + 1) }) as never,
    });
    put(orders, 'a', 'b');
    await clock.advance(3_000);
    const down = { ...refunds.port, describe: () => Promise.reject(new Error('down')) };
    const adding = codeOf(consumer.addSource({ ...refunds.source, open: () => down }));
    const removing = consumer.removeSource('orders', { deadlineMs: 20_000 });
    await clock.advance(1_000);
    expect(sources()).to.include('orders orders-app removing');
    const stopping = consumer.stop({ deadlineMs: 3_000 });
    await inVirtualTime(clock, stopping);
    expect(await adding).to.equal('STOPPED');
    const report = await inVirtualTime(clock, removing);
    expect(report.leases.map(({ source }) => source)).to.include('orders');
    expect(report.drained).to.equal(false);
    release();
  });

  it('adds a source again only after its removal, and a removal ends an addition', async () => {
    const [orders, refunds] = [named('orders'), named('refunds')];
    let closed = 0;
    const open: AnySource['open'] = () => ({ ...refunds.port, close: () => void (closed += 1) });
    await started([orders.source, { ...refunds.source, open }]);
    await clock.advance(2_000);
    const removed = [consumer.removeSource('refunds'), consumer.removeSource('refunds')];
    const added = consumer.addSource(refunds.source);
    const [first, second] = await inVirtualTime(clock, Promise.all([...removed, added]));
    expect(second).to.deep.equal(first);
    expect(closed).to.equal(1);
    expect(sources()).to.deep.equal(['orders orders-app running', 'refunds refunds-app running']);

    const slow = named('slow');
    const down = { ...slow.port, describe: () => Promise.reject(new Error('down')) };
    const adding = codeOf(consumer.addSource({ ...slow.source, open: () => down }));
    await clock.advance(500);
    expect(await inVirtualTime(clock, consumer.removeSource('slow'))).to.deep.equal({ leases: [], drained: true });
    expect(await adding).to.equal('STOPPED');
    expect(sources()).to.have.length(2);
  });

  it('starts a coordinator for a table only after the last one of that table has ended, however long that takes', async () => {
    const [orders, refunds, returns] = [named('orders'), named('refunds', 'shared'), named('returns', 'shared')];
    // The keepers of the removed source end only after this call, or are stopped.
    await started([orders.source, refunds.source], {
      leases: { multiStream: true },
      onCheckpoint: ({ source }) => (source === 'refunds' ? new Promise<void>(() => {}) : undefined),
    });
    put(refunds, 'a', 'b');
    await clock.advance(10_000);
    const removed = consumer.removeSource('refunds', { deadlineMs: 1_000 });
    await clock.advance(2_000);
    let isRemoved = false;
    void removed.then(() => (isRemoved = true));
    const added = consumer.addSource(returns.source);
    await clock.advance(100);
    expect(isRemoved, 'its coordinator still ends').to.equal(false);
    await inVirtualTime(clock, Promise.all([removed, added]));
    put(returns, 'c');
    await clock.advance(3_000);
    expect(seen.at(-1)).to.equal('returns c');
    expect(sources()).to.deep.equal(['orders orders-app running', 'returns shared running']);
    const report = await inVirtualTime(clock, consumer.stop());
    expect(report.leases.filter(({ source, released }) => source === 'returns' && released)).to.have.length(2);
  });

  it('cuts a drain at the deadline, and what was open comes again later', async () => {
    const [orders, refunds] = [named('orders'), named('refunds')];
    let hangs = true;
    await started([orders.source, refunds.source], {
      reducer: defineReducer({
        init: () => 0,
        reduce: async (count: number, { source, key, signal }: Item<unknown>) => {
          if (source === 'refunds' && hangs)
            await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
          else seen.push(`${source} ${key}`);
          return count + 1;
        },
      }) as never,
      reducers: 4,
    });
    put(refunds, 'a', 'b');
    await clock.advance(3_000);
    const report = await inVirtualTime(clock, consumer.removeSource('refunds', { deadlineMs: 2_000 }));
    expect(report.drained).to.equal(false);
    expect(report.leases.every(({ released }) => released)).to.equal(true);
    hangs = false;
    await clock.advance(30_000);
    expect(seen).to.deep.equal([]);
    await inVirtualTime(clock, consumer.addSource(refunds.source));
    await clock.advance(5_000);
    expect(seen).to.have.members(['refunds a', 'refunds b']);
  });
});
