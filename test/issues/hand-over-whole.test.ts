// Symptom: a stop was not reported as drained because of a wish, or a lease went to a dead worker, or away from a running call. Rule: a
// holder that is asked for a lease still reads its shards. It hands a lease over only to a live worker, and never beside a running
// call. These are whole consumers in virtual time.
import { expect } from 'chai';
import { nemesis, type ManualClock } from '../../src/testing/index.js';
import { acknowledgedCalls } from '../support/acknowledged-calls.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

const failoverMs = 10_000;

describe('a holder that another consumer may ask for a lease', () => {
  let clock: ManualClock;
  beforeEach(() => (clock = virtualClock()));
  afterEach(() => clock.uninstall());

  /** Two shards, both held by `a`. Each of many keys gets a record every second. The call for a record `slow` takes `callMs`. */
  async function scene(callMs: number) {
    /** By shard: when its records other than `slow` were delivered, by either consumer. */
    const delivered = new Map<string, number[]>();
    const join = (workerId: string) =>
      virtualConsumer(clock, {
        ...(first === undefined ? { streamOptions: { shards: 2 } } : { stream: first.stream }),
        workerId,
        reducers: 4,
        onItem: (item) => {
          if (Buffer.from(item.value).toString() === 'slow')
            return new Promise<void>((resolve) => void clock.after(callMs, resolve));
          delivered.set(item.shardId, [...(delivered.get(item.shardId) ?? []), clock.now()]);
          return undefined;
        },
      });
    let first: ReturnType<typeof virtualConsumer> | undefined;
    const a = (first = join('a'));
    await inVirtualTime(clock, a.consumer.start());
    await clock.advance(3_000);
    const store = a.stream.leases.get('orders')!;
    const keys = Array.from({ length: 24 }, (_, index) => `key-${index}`);
    const write = (): void => void a.stream.put(...keys.map((partitionKey) => ({ partitionKey, data: 'fast' })));
    const run = async (ms: number): Promise<void> => {
      for (let passed = 0; passed < ms; passed += 1_000) {
        write();
        await clock.advance(1_000);
      }
    };
    await run(5_000);
    /** Puts a record `slow` of another key into each shard. */
    const slow = (): void => {
      const shards = new Set<string>();
      for (let index = 0; shards.size < 2; index++) {
        const { shardId } = a.stream.put({ partitionKey: `probe-${index}`, data: 'fast' })[0]!;
        if (shards.has(shardId)) continue;
        shards.add(shardId);
        a.stream.put({ partitionKey: `probe-${index}`, data: 'slow' });
      }
    };
    const longestGap = (since: number): number =>
      Math.max(
        ...[...delivered.values()].map((times) => {
          const after = [since, ...times.filter((time) => time > since), clock.now()];
          return Math.max(...after.slice(1).map((time, index) => time - after[index]!));
        }),
      );
    const asked = () => [...store.rows.values()].find(({ kinactWish }) => kinactWish !== undefined);
    const runUntilAsked = async (): Promise<void> => {
      for (let passed = 0; asked() === undefined && passed < 30_000; passed += 200) {
        write();
        await clock.advance(200);
      }
      expect(asked(), 'a lease that is asked for').to.not.equal(undefined);
    };
    return { a, join, run, runUntilAsked, slow, longestGap, store, asked, delivered };
  }

  for (const isAsked of [false, true])
    it(`still reads a shard with a long call, ${isAsked ? 'after a wish for which it did not drain in time' : 'with no wish for it'}`, async () => {
      const it = await scene(45_000);
      it.slow();
      await it.run(500);
      const begun = clock.now();
      if (isAsked) await inVirtualTime(clock, it.join('b').consumer.start());
      await it.run(45_000);
      // With a wish: a second until the drain begins, `handOverMs`, and the time to continue.
      expect(it.longestGap(begun)).to.be.at.most(1_000 + failoverMs + 5_000);
    });

  for (const isAsked of [false, true])
    it(`reads a shard again soon after a crash of its keeper, ${isAsked ? 'even if a wish is open' : 'with no wish for it'}`, async () => {
      const it = await scene(30_000);
      it.slow();
      await it.run(1_000);
      if (isAsked) {
        await inVirtualTime(clock, it.join('b').consumer.start());
        await it.runUntilAsked();
        await it.run(500);
      }
      const chaos = nemesis(it.a.consumer, { seed: 1 });
      const killed = clock.now();
      const paths = [chaos.kill('lease-keeper'), chaos.kill('lease-keeper')];
      expect(new Set(paths).size, paths.join(' ')).to.equal(2);
      await it.run(20_000);
      const times = [...it.delivered].map(([, all]) => all.find((time) => time > killed + 100)! - killed);
      expect(Math.max(...times), times.join(' ')).to.be.at.most(5_000);
    });

  it('lets an asking consumer without a lease stop as drained, even if its wish cannot be withdrawn', async () => {
    const it = await scene(45_000);
    const b = it.join('b');
    it.slow();
    await it.run(1_000);
    await inVirtualTime(clock, b.consumer.start());
    await it.runUntilAsked();
    for (let lost = 0; lost < 100; lost++) it.store.script('wish', { type: 'failBefore' });
    const { drained, leases } = await inVirtualTime(clock, b.consumer.stop({ deadlineMs: 3_000 }));
    expect([...it.store.rows.values()].map(({ leaseOwner }) => leaseOwner)).to.deep.equal(['a', 'a']);
    expect(leases).to.deep.equal([]);
    expect(drained).to.equal(true);
  });

  it('hands no lease over to a consumer that has been gone for longer than failoverMs', async () => {
    const it = await scene(15_000);
    const b = it.join('b');
    it.slow();
    await it.run(1_000);
    await inVirtualTime(clock, b.consumer.start());
    await it.runUntilAsked();
    // `b` goes without withdrawing its wish, like a killed process.
    for (let lost = 0; lost < 1_000; lost++) it.store.script('wish', { type: 'failBefore' });
    await inVirtualTime(clock, b.consumer.stop({ deadlineMs: 100 }));
    const gone = clock.now();
    const owners: [number, string | undefined][] = [];
    for (let passed = 0; passed < 40_000; passed += 1_000) {
      await it.run(1_000);
      for (const { leaseOwner } of it.store.rows.values())
        if (leaseOwner === 'b') owners.push([clock.now() - gone, 'b']);
    }
    expect(owners.filter(([ms]) => ms > failoverMs + 1_000)).to.deep.equal([]);
  });

  it('hands no lease over while a call for its shard runs, even if the call acknowledged its item', async () => {
    const calls = acknowledgedCalls(clock, 25_000);
    const a = calls.join('a');
    await inVirtualTime(clock, a.consumer.start());
    await clock.advance(3_000);
    await calls.begin(a);
    const b = calls.join('b', a.stream);
    await inVirtualTime(clock, b.consumer.start());
    expect(await calls.givenAwayBeside(a, 20_000)).to.deep.equal([]);
  });
});
