// A table that refuses or delays writes for a while costs no lease. The pace drops once per overflow, and never by more than half.
// Hundreds of holders renew in virtual time.
import { expect } from 'chai';
import { createLeaseTraffic, type LeaseTraffic } from '../../../src/core/lease-traffic.js';
import { createSendPace, nextAt, noteOutcome, noteSent, roomIn, type SendPace } from '../../../src/core/send-pace.js';
import { ManualClock } from '../../../src/testing/manual-clock.js';

const failoverMs = 10_000;
const liveMs = 9_000;
const badFrom = 20_000;

interface Spell {
  readonly leases: number;
  /** For how long a share of the writes, from `badFrom` on, is refused, or takes `tookMs`. */
  readonly badMs: number;
  readonly share: number;
  readonly tookMs?: number;
  /** All leases are renewed at the same time, like leases that were taken together. */
  readonly bunched: boolean;
}

/** How many leases pass their deadline. The table answers in 10 ms, except for a share of the writes for a while. */
async function lostOf({ bunched, leases, badMs, share, tookMs }: Spell): Promise<number> {
  let drawn = 1;
  const draw = (): number => (drawn = (drawn * 48_271) % 2_147_483_647) / 2_147_483_647;
  const clock = new ManualClock();
  const start = clock.now();
  const traffic: LeaseTraffic = createLeaseTraffic({ clock, timers: clock, failoverMs });
  const pause = (ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve));
  const lost = new Set<number>();

  const hold = async (index: number): Promise<void> => {
    const order = Object.assign(traffic.join(), { kind: 'renew', deadline: clock.now() + liveMs });
    for (let attempt = 0; ;) {
      order.renewalDue = order.deadline - liveMs + failoverMs / 3;
      const permit = traffic.enter(order) ?? (await traffic.wait(order, new AbortController().signal));
      const sentAt = clock.now();
      const at = sentAt - start;
      const isBad = at >= badFrom && at < badFrom + badMs && draw() < share;
      const isRefused = isBad && tookMs === undefined;
      await pause(isBad ? (tookMs ?? 10) : 10);
      permit.end(isRefused ? 'throttled' : 'answered');
      if (clock.now() > order.deadline) lost.add(index);
      attempt = isRefused ? attempt + 1 : 0;
      if (!isRefused) order.deadline = sentAt + liveMs;
      const againMs = isRefused ? Math.min(125 * 2 ** attempt, failoverMs / 6) * 0.5 : failoverMs / 3;
      await pause(Math.max(0, againMs - (clock.now() - sentAt)));
    }
  };

  for (let index = 0; index < leases; index += 1)
    clock.after(bunched ? 0 : (index * failoverMs) / 3 / leases, () => void hold(index));
  await clock.advance(badFrom + 40_000);
  return lost.size;
}

describe('the pace of writes to a lease table', () => {
  for (const bunched of [false, true]) {
    for (const [leases, share, badMs] of [
      [300, 1, 1_000],
      [200, 1, 1_000],
      [100, 1, 2_000],
      [300, 0.8, 3_000],
      [300, 0.5, 3_000],
      [2_000, 0.5, 3_000],
    ] as const) {
      it(`loses none of ${leases} leases, ${bunched ? 'renewed together' : 'renewed one by one'}, while ${share * 100} % of writes are refused for ${badMs} ms`, async () => {
        expect(await lostOf({ leases, share, badMs, bunched })).to.equal(0);
      });
    }
    for (const [leases, share, tookMs] of [
      [60, 1, 300],
      [300, 1, 400],
      [100, 1, 1_000],
    ] as const) {
      it(`loses none of ${leases} leases, ${bunched ? 'renewed together' : 'renewed one by one'}, while ${share * 100} % of writes take ${tookMs} ms for 20 s`, async () => {
        expect(await lostOf({ leases, share, tookMs, badMs: 20_000, bunched })).to.equal(0);
      });
    }
  }

  function pace(): { pace: SendPace; send: (outcome: 'answered' | 'throttled', at: number, count?: number) => void } {
    const made = createSendPace(250, 6_000, 0);
    const send = (outcome: 'answered' | 'throttled', at: number, count = 1): void => {
      for (let n = 0; n < count; n += 1) {
        noteSent(made, 0, at);
        noteOutcome(made, { outcome, sentAt: at, tookMs: 5, isFull: false }, at);
      }
    };
    return { pace: made, send };
  }

  it('falls to the rate of the best recent second if the first refusal comes in a quiet one', () => {
    const { pace: made, send } = pace();
    send('answered', 2_000, 300);
    send('throttled', 5_000);
    expect(made.perSecond).to.be.within(250, 300);
  });

  it('forgets the best second after `rememberedMs`', () => {
    const { pace: made, send } = pace();
    send('answered', 2_000, 300);
    send('throttled', 9_000);
    expect(made.perSecond).to.equal(100);
  });

  it('is lowered once for all refusals of one overflow, and never by more than half', () => {
    const { pace: made, send } = pace();
    send('throttled', 5_000, 20);
    expect(made.perSecond).to.equal(100);
    send('throttled', 5_300, 20);
    expect(made.perSecond).to.equal(50);
  });

  it('keeps the window for a distant table, and narrows it if answers take twice as long', () => {
    const { pace: made } = pace();
    const answer = (tookMs: number, at: number): void =>
      noteOutcome(made, { outcome: 'answered', sentAt: at - tookMs, tookMs, isFull: false }, at);
    const before = made.window;
    for (let n = 1; n <= 20; n += 1) answer(400, n * 400);
    expect(made.window).to.equal(before);
    answer(801, 9_000);
    expect(made.window).to.be.lessThan(before);
  });

  it('forgets the quickest answer after half a minute, and always counts over a second as slow', () => {
    const { pace: made } = pace();
    const narrows = (tookMs: number, at: number): boolean => {
      const before = made.window;
      noteOutcome(made, { outcome: 'answered', sentAt: at - 1, tookMs, isFull: false }, at);
      return made.window < before;
    };
    expect([narrows(10, 14_000), narrows(300, 15_000), narrows(300, 29_999)]).to.deep.equal([false, true, true]);
    expect([narrows(300, 30_000), narrows(900, 61_000), narrows(1_001, 90_000)]).to.deep.equal([false, false, true]);
  });

  it('gives guaranteed writes as many places as come due during one answer, other writes the window', () => {
    const { pace: made } = pace();
    for (let n = 1; n <= 200; n += 1)
      noteOutcome(made, { outcome: 'failed', sentAt: n * 1_000, tookMs: 900, isFull: false }, n * 1_000);
    expect(Math.floor(made.window)).to.equal(2);
    expect([roomIn(made, 0), roomIn(made, 20), roomIn(made, 1_000)]).to.deep.equal([2, 18, 48]);
  });

  it('sends guaranteed writes at their own rate, and delays other writes after them', () => {
    const { pace: made, send } = pace();
    send('throttled', 5_000);
    expect(nextAt(made, 0)).to.equal(5_010);
    expect(nextAt(made, 200)).to.equal(5_005);
    noteSent(made, 200, 5_005);
    expect(nextAt(made, 0)).to.equal(5_015);
  });
});
