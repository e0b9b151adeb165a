// The queue grants permits by rank: renewals, then releases, then takes. No more writes are under way than the table can answer.
import { expect } from 'chai';
import {
  createLeaseTraffic,
  type LeaseTraffic,
  type TrafficKind,
  type QueueEntry,
  type TrafficPermit,
} from '../../../src/core/lease-traffic.js';
import type { SendOutcome } from '../../../src/core/send-pace.js';
import { ManualClock } from '../../../src/testing/manual-clock.js';

const failoverMs = 9_000;

/** A queue whose first 32 permits are taken, so that the next one waits. */
function fullQueue(clock = new ManualClock()) {
  const traffic = createLeaseTraffic({ clock, timers: clock, failoverMs });
  const entry = (kind: TrafficKind, deadline = Infinity, renewalDue = Infinity): QueueEntry =>
    Object.assign(traffic.join(), { kind, deadline, renewalDue });
  const permits = Array.from({ length: 32 }, () => traffic.enter(entry('duty')) as TrafficPermit);
  const came: string[] = [];
  const held: TrafficPermit[] = [];
  const wait = (name: string, of: QueueEntry, signal = new AbortController().signal): void =>
    void traffic.wait(of, signal).then(
      (permit) => (came.push(name), held.push(permit)),
      () => came.push(`${name} left`),
    );
  const end = async (outcome: SendOutcome = 'answered', permit = permits.pop() ?? held.shift()): Promise<void> => {
    permit!.end(outcome);
    await clock.advance(0);
  };
  return { clock, traffic, entry, permits, came, held, wait, end };
}

/** A hundred writers that send as fast as the queue permits. The table refuses writes above `perSecond`. */
function busyTable(
  traffic: LeaseTraffic,
  clock: ManualClock,
  perSecond: number,
): { answered: number; refused: number } {
  const count = { answered: 0, refused: 0 };
  let tokens = 1;
  let at = clock.now();
  const one = async (): Promise<void> => {
    for (;;) {
      const permit = await traffic.wait(traffic.join(), new AbortController().signal);
      await new Promise<void>((resolve) => void clock.after(5, resolve));
      tokens = Math.min(Math.max(3, perSecond / 50), tokens + ((clock.now() - at) * perSecond) / 1_000);
      at = clock.now();
      const isRefused = tokens < 1;
      if (!isRefused) tokens -= 1;
      count[isRefused ? 'refused' : 'answered'] += 1;
      permit.end(isRefused ? 'throttled' : 'answered');
    }
  };
  for (let n = 0; n < 100; n += 1) void one();
  return count;
}

describe('the queue of a lease table', () => {
  it('grants only as many permits as its window has places, and the next when one ends', async () => {
    const { came, end, entry, traffic, wait } = fullQueue();
    expect(traffic.enter(entry('renew', 1))).to.equal(undefined);
    wait('a', entry('renew', 1));
    await end();
    expect(came).to.deep.equal(['a']);
  });

  it('grants permits to renewals first, by deadline, then to releases and shard ends, then to takes', async () => {
    const { came, end, entry, wait } = fullQueue();
    wait('take', entry('take'));
    wait('release', entry('duty'));
    wait('later renewal', entry('renew', 900));
    wait('renewal', entry('renew', 100));
    wait('shard end', entry('duty'));
    for (let n = 0; n < 5; n += 1) await end();
    expect(came).to.deep.equal(['renewal', 'later renewal', 'release', 'shard end', 'take']);
  });

  it('ranks a waiting order by its current kind, for example a renewal that became a release', async () => {
    const { came, end, entry, wait } = fullQueue();
    const changing = entry('renew', 100);
    wait('changing', changing);
    wait('renewal', entry('renew', 900));
    changing.kind = 'duty';
    await end();
    expect(came).to.deep.equal(['renewal']);
  });

  it('grants no take while a renewal is late by a third of failoverMs, waiting or not', async () => {
    const { came, clock, end, entry, traffic, wait } = fullQueue();
    const late = entry('renew', 100, clock.now());
    await clock.advance(failoverMs / 3 + 1);
    wait('take', entry('take'));
    await end('unused');
    expect(came).to.deep.equal([]);
    expect(traffic.enter(entry('take'))).to.equal(undefined);
    const renewal = traffic.enter(entry('renew', 100));
    expect(renewal).to.be.an('object');
    renewal!.end('unused');
    late.renewalDue = clock.now() + 3_000;
    await end('unused');
    expect(came).to.deep.equal(['take']);
  });

  it('grants takes again once the late lease is lost, because perhaps only its row refuses writes', async () => {
    const { came, clock, end, entry, wait } = fullQueue();
    entry('renew', 100, clock.now());
    await clock.advance((2 * failoverMs) / 3);
    wait('take', entry('take'));
    await end('unused');
    expect(came).to.deep.equal([]);
    await clock.advance(1);
    await end('unused');
    expect(came).to.deep.equal(['take']);
  });

  it('forgets an order that leaves or whose signal aborts', async () => {
    const { came, clock, end, entry, traffic, wait } = fullQueue();
    const late = entry('renew', 100, clock.now());
    await clock.advance(failoverMs / 3 + 1);
    const controller = new AbortController();
    wait('aborted', entry('renew', 5), controller.signal);
    wait('take', entry('take'));
    controller.abort();
    await end('unused');
    expect(came).to.deep.equal(['aborted left']);
    traffic.leave(late);
    await clock.advance(0);
    expect(came).to.deep.equal(['aborted left', 'take']);
  });

  it('lets nobody wait whose signal has aborted before', async () => {
    const { clock, entry, came, wait, end, traffic } = fullQueue();
    wait('late', entry('renew', 5), AbortSignal.abort(new Error('stopped')));
    await clock.advance(0);
    expect(came).to.deep.equal(['late left']);
    await end();
    expect(traffic.enter(entry('take'))).not.to.equal(undefined);
  });

  it('takes back a permit that is not ended within failoverMs, and ignores a second end', async () => {
    const { came, clock, end, held, entry, permits, wait } = fullQueue();
    wait('a', entry('renew', 1));
    await clock.advance(failoverMs - 1);
    expect(came).to.deep.equal([]);
    await clock.advance(2);
    expect(came).to.deep.equal(['a']);
    for (const permit of permits) permit.end('answered');
    for (const permit of permits) permit.end('answered');
    for (let n = 1; n <= 32; n += 1) wait(`b${n}`, entry('duty'));
    await clock.advance(0);
    expect(came).to.have.length(32);
    await end('answered', held[0]);
    expect(came).to.have.length(33);
  });

  it('has no timer left once all permits have ended or been taken back', async () => {
    const { clock, permits, end } = fullQueue();
    expect(clock.pending()).to.be.above(0);
    permits.splice(1);
    await clock.advance(failoverMs + 100);
    expect(clock.pending(), 'the permits are taken back').to.equal(0);
    const ended = fullQueue();
    while (ended.permits.length > 0) await ended.end();
    expect(ended.clock.pending(), 'every permit has ended').to.equal(0);
    await end();
    expect(clock.pending()).to.equal(0);
  });

  it('takes back at once the permit of a writer that leaves', async () => {
    const { came, clock, end, entry, traffic, permits, wait } = fullQueue();
    const leaving = entry('duty');
    wait('leaving', leaving);
    await end();
    expect(came).to.deep.equal(['leaving']);
    while (permits.length > 0) await end();
    expect(clock.pending()).to.be.above(0);
    traffic.leave(leaving);
    expect(clock.pending()).to.equal(0);
  });

  it('grants no permit to a waiting writer that leaves before its signal aborts', async () => {
    const { came, end, entry, traffic, wait } = fullQueue();
    const leaving = entry('duty');
    wait('leaving', leaving);
    wait('other', entry('duty'));
    traffic.leave(leaving);
    await end();
    expect(came).to.deep.equal(['other']);
  });

  it('narrows its window for a slow table, but not for a busy process', async () => {
    const underWay = async (busy: boolean): Promise<number> => {
      const { clock, entry, traffic, permits } = fullQueue();
      clock.after(1, () => {
        if (busy) clock.spend(2_000);
      });
      await clock.advance(2_100);
      for (const permit of permits) permit.end('answered');
      let most = 0;
      while (traffic.enter(entry('duty')) !== undefined) most += 1;
      return most;
    };
    expect(await underWay(true)).to.be.at.least(32);
    expect(await underWay(false)).to.equal(22);
  });

  it('grants a take no permit before a waiting renewal whose timer is still pending', async () => {
    const { came, clock, entry, traffic, permits, wait } = fullQueue();
    await clock.advance(1);
    for (const permit of permits) permit.end('throttled');
    traffic.enter(entry('duty'));
    let passed: TrafficPermit | undefined;
    for (let ms = 1; ms <= 20; ms += 1) clock.after(ms, () => (passed ??= traffic.enter(entry('take'))));
    wait('renewal', entry('renew', 100));
    await clock.advance(10);
    expect([came, passed]).to.deep.equal([['renewal'], undefined]);
  });

  it('grants 600 releases within a third of failoverMs despite refusals, because releases have a guaranteed rate', async () => {
    const { clock, entry, traffic, permits } = fullQueue();
    await clock.advance(1);
    for (const permit of permits) permit.end('throttled');
    let released = 0;
    const release = async (): Promise<void> => {
      const permit = await traffic.wait(entry('duty'), new AbortController().signal);
      await new Promise<void>((resolve) => void clock.after(5, resolve));
      permit.end('answered');
      released += 1;
    };
    for (let n = 0; n < 600; n += 1) void release();
    await clock.advance(failoverMs / 3);
    expect(released).to.equal(600);
  });

  it('reports how many takes wait, and for how long the oldest has waited', async () => {
    const { clock, entry, traffic, wait } = fullQueue();
    wait('renewal', entry('renew', 1));
    wait('a', entry('take'));
    await clock.advance(300);
    wait('b', entry('take'));
    await clock.advance(200);
    expect(traffic.report()).to.include({ takesWaiting: 2, oldestTakeMs: 500 });
  });

  for (const perSecond of [20, 100, 400]) {
    it(`uses at least 75 % of a table’s ${perSecond} writes a second, and is seldom refused`, async () => {
      const clock = new ManualClock();
      const traffic = createLeaseTraffic({ clock, timers: clock, failoverMs });
      const count = busyTable(traffic, clock, perSecond);
      await clock.advance(10_000);
      const before = { ...count };
      await clock.advance(10_000);
      const answered = count.answered - before.answered;
      expect(answered / 10).to.be.within(perSecond * 0.75, perSecond * 1.05);
      expect(count.refused - before.refused).to.be.lessThan(answered * 0.06);
    });
  }
});
