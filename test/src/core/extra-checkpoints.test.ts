// An extra checkpoint is a renewal that its lease does not need yet. It uses only capacity that other writes leave, so it costs no lease.
import { expect } from 'chai';
import {
  calmMs,
  createLeaseTraffic,
  type LeaseTraffic,
  type TrafficKind,
  type QueueEntry,
  type TrafficPermit,
} from '../../../src/core/lease-traffic.js';
import { ManualClock } from '../../../src/testing/manual-clock.js';

const failoverMs = 9_000;

function openQueue() {
  const clock = new ManualClock();
  const traffic = createLeaseTraffic({ clock, timers: clock, failoverMs });
  const entry = (kind: TrafficKind, deadline = Infinity, renewalDue = Infinity): QueueEntry =>
    Object.assign(traffic.join(), { kind, deadline, renewalDue });
  const enter = (kind: TrafficKind, count: number): (TrafficPermit | undefined)[] =>
    Array.from({ length: count }, () => traffic.enter(entry(kind)));
  const came: string[] = [];
  const wait = (name: string, of: QueueEntry): void =>
    void traffic.wait(of, new AbortController().signal).then(() => came.push(name));
  return { clock, traffic, entry, enter, came, wait };
}

describe('an extra checkpoint in the queue of a lease table', () => {
  it('goes after renewals, releases and takes', async () => {
    const { came, clock, enter, entry, wait } = openQueue();
    const permits = enter('duty', 32);
    wait('checkpoint', entry('checkpoint', 1));
    wait('take', entry('take'));
    wait('release', entry('duty'));
    wait('renewal', entry('renew', 100));
    for (const permit of permits) {
      permit!.end('answered');
      await clock.advance(0);
    }
    expect(came).to.deep.equal(['renewal', 'release', 'take', 'checkpoint']);
  });

  it('uses at most half of the window, so that takes find room', () => {
    const { enter } = openQueue();
    expect(enter('checkpoint', 20).filter((permit) => permit !== undefined)).to.have.length(16);
    expect(enter('take', 20).filter((permit) => permit !== undefined)).to.have.length(16);
  });

  it('waits until the table has refused nothing for `calmMs`, and a timer then sends it', async () => {
    const { came, clock, enter, entry, traffic, wait } = openQueue();
    await clock.advance(1);
    const refusedAt = clock.now();
    enter('renew', 1)[0]!.end('throttled');
    expect(traffic.enter(entry('checkpoint'))).to.equal(undefined);
    wait('checkpoint', entry('checkpoint'));
    await clock.advance(calmMs - 1_000);
    expect(traffic.enter(entry('checkpoint')), 'one that has just come').to.equal(undefined);
    enter('duty', 1)[0]!.end('throttled');
    await clock.advance(calmMs - 1);
    expect(came, `${clock.now() - refusedAt} ms after the first refusal`).to.deep.equal([]);
    await clock.advance(1);
    expect(came).to.deep.equal(['checkpoint']);
  });

  it('is not sent while a renewal is late', async () => {
    const { clock, entry, traffic } = openQueue();
    const late = entry('renew', 100, clock.now());
    await clock.advance(failoverMs / 3 + 1);
    expect(traffic.enter(entry('checkpoint'))).to.equal(undefined);
    traffic.leave(late);
    expect(traffic.enter(entry('checkpoint'))).to.be.an('object');
  });

  it('goes at once when it becomes a due renewal and its writer calls `moved`', async () => {
    const { came, clock, enter, entry, traffic, wait } = openQueue();
    await clock.advance(1);
    enter('renew', 1)[0]!.end('throttled');
    const changing = entry('checkpoint');
    wait('checkpoint', changing);
    await clock.advance(500);
    Object.assign(changing, { kind: 'renew', deadline: clock.now() + 5_000, renewalDue: clock.now() });
    traffic.moved(changing);
    await clock.advance(0);
    expect(came).to.deep.equal(['checkpoint']);
  });

  for (const [leases, perSecond] of [
    [100, 200],
    [300, 200],
    [300, 110],
  ] as const) {
    it(`costs none of ${leases} leases, each asking for five writes a second of a table that carries ${perSecond}`, async () => {
      const fleet = holdAll(leases, perSecond);
      await fleet.clock.advance(120_000);
      expect(fleet.lost.size, 'lost').to.equal(0);
      expect(fleet.extra, 'and what is left over is used').to.be.above(1_000);
    });
  }
});

/** Keepers that renew in time, and between renewals ask for extra writes. The table refuses writes above `perSecond`. */
function holdAll(leases: number, perSecond: number) {
  const clock = new ManualClock();
  const traffic: LeaseTraffic = createLeaseTraffic({ clock, timers: clock, failoverMs });
  const fleet = { clock, lost: new Set<number>(), extra: 0 };
  const liveMs = 0.9 * failoverMs;
  let tokens = perSecond;
  let at = clock.now();
  const isCarried = (): boolean => {
    tokens = Math.min(perSecond, tokens + ((clock.now() - at) * perSecond) / 1_000);
    at = clock.now();
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  };
  const pause = (ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve));
  const permitOf = async (entry: QueueEntry, renewAt: number): Promise<TrafficPermit> => {
    const permit = traffic.enter(entry);
    if (permit !== undefined) return permit;
    const cancel = clock.after(Math.max(1, renewAt - clock.now()), () => {
      entry.kind = 'renew';
      traffic.moved(entry);
    });
    const came = await traffic.wait(entry, new AbortController().signal);
    cancel();
    return came;
  };
  const hold = async (index: number): Promise<void> => {
    const entry = Object.assign(traffic.join(), { deadline: clock.now() + liveMs });
    for (let attempt = 0; ;) {
      const renewAt = entry.deadline - liveMs + failoverMs / 3;
      entry.renewalDue = renewAt;
      entry.kind = clock.now() >= renewAt ? 'renew' : 'checkpoint';
      const permit = await permitOf(entry, renewAt);
      const sentAt = clock.now();
      await pause(10);
      const carried = isCarried();
      permit.end(carried ? 'answered' : 'throttled');
      if (clock.now() > entry.deadline) fleet.lost.add(index);
      if (carried && entry.kind === 'checkpoint') fleet.extra += 1;
      if (carried) entry.deadline = sentAt + liveMs;
      attempt = carried ? 0 : attempt + 1;
      const backOffMs = Math.min((failoverMs / 40) * 2 ** (attempt - 1), failoverMs / 6) / 2;
      await pause(carried ? 190 : Math.max(1, backOffMs));
    }
  };
  for (let index = 0; index < leases; index += 1) clock.after(index * 3, () => void hold(index));
  return fleet;
}
