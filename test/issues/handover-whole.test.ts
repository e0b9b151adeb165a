// Hand-overs between whole consumers in virtual time, against issue 8.
import { expect } from 'chai';
import { nemesis } from '../../src/testing/index.js';
import type { ManualClock } from '../../src/testing/index.js';
import { acknowledgedCalls } from '../support/acknowledged-calls.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

const failoverMs = 10_000;

describe('two consumers, one of which asks the other for a lease', () => {
  let clock: ManualClock;
  beforeEach(() => (clock = virtualClock()));
  afterEach(() => clock.uninstall());

  /** Two shards, both held by `a`; every second a record of each of many keys. A record `slow` takes `callMs`. */
  async function scene(callMs: number) {
    /** By shard: when records that were not slow have been delivered, by whomever. */
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
    /** One record of another key in each shard. */
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
    it(`a shard with a long call is read on, ${isAsked ? 'though it was asked for, and not drained in time' : 'asked for by nobody'}`, async () => {
      const it = await scene(45_000);
      it.slow();
      await it.run(500);
      const begun = clock.now();
      if (isAsked) await inVirtualTime(clock, it.join('b').consumer.start());
      await it.run(45_000);
      // Asked, a second until it drains, `handOverMs`, and a new worker.
      expect(it.longestGap(begun)).to.be.at.most(1_000 + failoverMs + 5_000);
    });

  for (const isAsked of [false, true])
    it(`a shard whose keeper has crashed is read again after the next scan, ${isAsked ? 'though it is asked for' : 'asked for by nobody'}`, async () => {
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

  it('the stop of a consumer that holds no lease counts as drained, whatever becomes of its wish', async () => {
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

  it('no lease is handed over to a consumer that has been gone for longer than failoverMs', async () => {
    const it = await scene(15_000);
    const b = it.join('b');
    it.slow();
    await it.run(1_000);
    await inVirtualTime(clock, b.consumer.start());
    await it.runUntilAsked();
    // It goes without withdrawing its wish, as one that is killed.
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

  it('no lease changes hands while a call for its shard runs, though the call has acknowledged its item', async () => {
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
