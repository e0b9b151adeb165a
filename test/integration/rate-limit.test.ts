// The option `limit` and `setLimit`: how many items a process hands out, over all reducers. Waiting for the limit is no fault.
import { expect } from 'chai';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { reducerIndexOf } from '../../src/core/routing.js';
import { defineReducer } from '../../src/api/reducer.js';
import { isKinactError } from '../../src/api/errors.js';
import { retry } from '../../src/options/retry-policy.js';
import { textOf } from '../support/consumer-harness.js';
import { inVirtualTime } from '../support/virtual.js';
import { virtualConsumer, type VirtualConsumer } from '../support/virtual-consumer.js';

const put = ({ stream }: VirtualConsumer, from: number, to: number): void => {
  for (let id = from; id < to; id += 1) stream.put({ partitionKey: `${id % 40}`, data: `${id}` });
};

describe('a consumer with a rate limit', () => {
  const clock = new ManualClock();
  beforeEach(() => clock.install());
  afterEach(() => clock.uninstall());

  it('hands out at most `perSecond` items a second over all reducers, each reducer its share, in the order of each key', async () => {
    const only = virtualConsumer(clock, { reducers: 4, limit: { perSecond: 10 }, watchdogMs: 5_000 });
    await inVirtualTime(clock, only.consumer.start());
    put(only, 0, 2_000);
    for (let second = 1; second <= 60; second += 1) {
      await clock.advance(1_000);
      expect(only.seen.length).to.be.within(10 * second - 10, 10 * second + 11);
    }
    const shares = [0, 0, 0, 0];
    for (const item of only.seen) shares[reducerIndexOf(item.key, 4)]! += 1;
    for (const share of shares) expect(share).to.be.within(130, 170);
    const last = new Map<string, number>();
    for (const item of only.seen) {
      expect(Number(textOf(item))).to.be.above(last.get(item.key) ?? -1);
      last.set(item.key, Number(textOf(item)));
    }

    const status = only.consumer.status();
    expect(status.limit).to.deep.equal({ perSecond: 10, waiting: 4 });
    expect(status.restarts).to.equal(0);
    expect(status.shards[0]?.oldestOpen?.doing).to.equal('limited');
    expect(only.consumer.ready()).to.deep.equal({ ok: true, reasons: [] });
    for (const name of ['warning', 'leaseUnread', 'readingStopped', 'noProgress'] as const)
      expect(only.heard(name)).to.deep.equal([]);

    only.consumer.setLimit(undefined);
    await clock.advance(2_000);
    expect(only.seen).to.have.length(2_000);
    expect(only.consumer.status().limit).to.equal(null);
    expect((await inVirtualTime(clock, only.consumer.stop())).drained).to.equal(true);
  });

  it('may be below one item per second, and be changed while it waits', async () => {
    const only = virtualConsumer(clock, { limit: { perSecond: 0.1 }, watchdogMs: 5_000 });
    await inVirtualTime(clock, only.consumer.start());
    put(only, 0, 100);
    await clock.advance(100_000);
    expect(only.seen.length).to.be.within(10, 12);
    expect(only.consumer.status().restarts).to.equal(0);
    const before = only.seen.length;
    only.consumer.setLimit(5);
    await clock.advance(10_000);
    expect(only.seen.length - before).to.be.within(49, 52);
    only.consumer.setLimit(undefined);
    await inVirtualTime(clock, only.consumer.stop());
  });

  it('counts repeated calls, and the items of a message to a raw behaviour', async () => {
    let calls = 0;
    const failing = virtualConsumer(clock, {
      limit: { perSecond: 5 },
      onFailure: retry({ minMs: 1, maxMs: 1 }),
      onItem: () => {
        calls += 1;
        throw new Error('no');
      },
    });
    await inVirtualTime(clock, failing.consumer.start());
    put(failing, 0, 5);
    await clock.advance(20_000);
    expect(calls).to.be.within(90, 106);
    await inVirtualTime(clock, failing.consumer.stop());

    let items = 0;
    const raw = virtualConsumer(clock, {
      limit: { perSecond: 20 },
      reducer: defineReducer({
        init: () => 0,
        behaviour: (count: number, message, ctx) => {
          if (message.type !== 'items') return count;
          items += message.items.length;
          for (const { token } of message.items) ctx.ack(token);
          return count + 1;
        },
      }),
    });
    await inVirtualTime(clock, raw.consumer.start());
    put(raw, 0, 1_000);
    await clock.advance(10_000);
    expect(items).to.be.within(200, 222);
    await inVirtualTime(clock, raw.consumer.stop({ deadlineMs: 1_000 }));
  });

  it('holds in a stop, which ends at its deadline, and what was not handed out is left to the next owner', async () => {
    const only = virtualConsumer(clock, { limit: { perSecond: 1 } });
    await inVirtualTime(clock, only.consumer.start());
    put(only, 0, 100);
    await clock.advance(5_000);
    const before = clock.now();
    const { drained, leases } = await inVirtualTime(clock, only.consumer.stop({ deadlineMs: 10_000 }));
    expect(drained).to.equal(false);
    expect(clock.now() - before).to.be.below(12_000);
    expect(only.seen.length).to.be.at.most(17);
    expect(leases[0]).to.include({ released: true });

    const next = virtualConsumer(clock, { stream: only.stream, workerId: 'next' });
    await inVirtualTime(clock, next.consumer.start());
    await clock.advance(5_000);
    expect(new Set([...only.seen, ...next.seen].map(textOf)).size).to.equal(100);
    await inVirtualTime(clock, next.consumer.stop());
  });

  it('refuses a limit that is none', () => {
    for (const perSecond of [0, -1, Number.NaN, Infinity, '5', 1e9]) {
      let error: unknown;
      try {
        virtualConsumer(clock).consumer.setLimit(perSecond as number);
      } catch (refused) {
        error = refused;
      }
      expect(isKinactError(error) && error.code).to.equal('INVALID_OPTION');
    }
  });
});
