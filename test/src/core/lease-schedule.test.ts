// A keeper's own state and the time decide its next write and its next check. SHARD_END goes before a release, a release before a renewal.
import { expect } from 'chai';
import { isIdleTooLong, nextWakeAt, nextWrite, type KeeperSituation } from '../../../src/core/lease-schedule.js';

const limits = { writeTimeoutMs: 500, idleLimitMs: 10_000, endLimitMs: 40_000 };
const held: KeeperSituation = {
  phase: 'held',
  wishing: undefined,
  queuePlace: { queued: false, takeBy: Infinity },
  leftovers: { callsLeftBehind: 'none', hookCalls: 0 },
  receivedWish: undefined,
  writes: { current: undefined, retryAt: 0 },
  timing: { renewAt: 1_000, extraAt: Infinity },
  shardWorkers: { tenureRequest: undefined, idleSince: 0, mayNotStart: false },
  tenure: undefined,
  releaseOrder: undefined,
  shardEnd: undefined,
};
const writing = (startedAt: number) => ({ writes: { current: { startedAt }, retryAt: 0 } });
const retryAt = (at: number) => ({ writes: { current: undefined, retryAt: at } });
const renewAt = (at: number) => ({ timing: { renewAt: at, extraAt: Infinity } });
const extraAt = (at: number) => ({ timing: { renewAt: 1_000, extraAt: at } });
const asked = { shardWorkers: { ...held.shardWorkers, tenureRequest: {} } };
const queued = { queuePlace: { queued: true, takeBy: Infinity } };
const releaseOrder = { cutAt: 5_000, writeAt: 5_100, until: 6_000 };
const shardEnd = { since: 0, asking: true, askAt: 0, blocked: false, childShardIds: undefined, callsUntil: 0 };

describe('a lease keeper', () => {
  it('writes nothing during a write, during a back-off, and in the phase `over`', () => {
    expect(nextWrite({ ...held, ...writing(0) }, 2_000)).to.equal(undefined);
    expect(nextWrite({ ...held, ...retryAt(2_001) }, 2_000)).to.equal(undefined);
    expect(nextWrite({ ...held, phase: 'over' }, 2_000)).to.equal(undefined);
    expect(nextWrite({ ...held, phase: 'wishing' }, 2_000), 'without a wish').to.equal(undefined);
  });

  it('renews if a renewal is due or a worker waits for one', () => {
    expect(nextWrite(held, 999)).to.equal(undefined);
    expect(nextWrite(held, 1_000)).to.equal('renew');
    expect(nextWrite({ ...held, ...asked }, 0)).to.equal('renew');
  });

  it('writes an extra checkpoint if one is due and no other write is', () => {
    const extra = { ...held, ...extraAt(500) };
    expect(nextWrite(extra, 499)).to.equal(undefined);
    expect(nextWrite(extra, 500)).to.equal('checkpoint');
    expect(nextWrite(extra, 1_000)).to.equal('renew');
    expect(nextWrite({ ...extra, ...asked }, 500)).to.equal('renew');
    expect(nextWrite({ ...extra, releaseOrder }, 500)).to.equal('release');
    expect(nextWrite({ ...extra, shardEnd: { ...shardEnd, childShardIds: [] } }, 500)).to.equal('shardEnd');
    expect(nextWrite({ ...extra, phase: 'recreating' }, 500)).to.equal('create');
    expect(nextWrite({ ...extra, ...writing(0) }, 500)).to.equal(undefined);
  });

  it('writes no SHARD_END while an `onCheckpoint` call runs, until `callsUntil`', () => {
    const leftovers = { callsLeftBehind: 'none' as const, hookCalls: 1 };
    const ended = { ...held, leftovers, shardEnd: { ...shardEnd, childShardIds: [], callsUntil: 900 } };
    expect(nextWrite(ended, 899)).to.equal(undefined);
    expect(nextWakeAt(ended, limits, 899)).to.equal(900);
    expect(nextWrite(ended, 900)).to.equal('shardEnd');
    expect(nextWrite({ ...ended, leftovers: { ...leftovers, hookCalls: 0 } }, 0)).to.equal('shardEnd');
  });

  it('writes SHARD_END before a release, and a release before a renewal', () => {
    expect(nextWrite({ ...held, releaseOrder }, 1_000)).to.equal('release');
    expect(nextWrite({ ...held, releaseOrder, shardEnd: { ...shardEnd, childShardIds: [] } }, 1_000)).to.equal(
      'shardEnd',
    );
  });

  it('renews and does not release while the worker drains or SHARD_END may still come in time', () => {
    expect(
      nextWrite({ ...held, releaseOrder, tenure: { shared: { deadline: 9_000 }, revoked: false } }, 5_200),
    ).to.equal('renew');
    expect(nextWrite({ ...held, releaseOrder, shardEnd }, 4_999)).to.equal('renew');
    expect(nextWrite({ ...held, releaseOrder, shardEnd }, 5_000)).to.equal('release');
    expect(nextWrite({ ...held, releaseOrder, shardEnd: { ...shardEnd, blocked: true } }, 0)).to.equal('release');
  });

  it('releases no earlier than `writeAt`, so that a revoked worker can send its last report', () => {
    const tenure = { shared: { deadline: 0 }, revoked: true };
    expect(nextWrite({ ...held, releaseOrder, tenure }, 5_099)).to.equal('renew');
    expect(nextWrite({ ...held, releaseOrder, tenure }, 5_100)).to.equal('release');
  });

  it('wakes at the earliest of its times', () => {
    expect(nextWakeAt(held, limits, 0)).to.equal(1_000);
    expect(nextWakeAt({ ...held, ...retryAt(300) }, limits, 0)).to.equal(300);
    expect(nextWakeAt({ ...held, ...writing(100) }, limits, 0)).to.equal(600);
    expect(nextWakeAt({ ...held, tenure: { shared: { deadline: 700 }, revoked: false } }, limits, 0)).to.equal(700);
    expect(nextWakeAt({ ...held, ...renewAt(20_000) }, limits, 0)).to.equal(10_000);
    expect(nextWakeAt({ ...held, ...renewAt(20_000), releaseOrder }, limits, 0)).to.equal(5_000);
    expect(nextWakeAt({ ...held, ...renewAt(20_000), releaseOrder }, limits, 5_000)).to.equal(5_100);
    expect(nextWakeAt({ ...held, ...renewAt(20_000), releaseOrder }, limits, 5_100)).to.equal(6_000);
    expect(nextWakeAt({ ...held, tenure: { shared: { deadline: 0 }, revoked: true } }, limits, 0)).to.equal(1_000);
    expect(nextWakeAt({ ...held, shardEnd: { ...shardEnd, askAt: 50 } }, limits, 0)).to.equal(50);
    expect(nextWakeAt({ ...held, shardEnd: { ...shardEnd, askAt: 50 } }, limits, 50)).to.equal(1_000);
  });

  it('wakes for a due checkpoint or, while a write waits for a permit, for the next renewal', () => {
    expect(nextWakeAt({ ...held, ...extraAt(500) }, limits, 0)).to.equal(500);
    expect(nextWakeAt({ ...held, ...extraAt(500), ...retryAt(700) }, limits, 0)).to.equal(700);
    expect(nextWakeAt({ ...held, ...extraAt(500), ...queued }, limits, 600)).to.equal(1_000);
    expect(nextWakeAt({ ...held, ...extraAt(500), ...queued }, limits, 1_000)).to.equal(10_000);
  });

  it('does not count as idle while it has a reason to be without a worker', () => {
    expect(isIdleTooLong(held, limits, 10_000)).to.equal(true);
    expect(isIdleTooLong(held, limits, 9_999)).to.equal(false);
    const proven = { ...shardEnd, childShardIds: [] };
    for (const reason of [
      { shardWorkers: { ...held.shardWorkers, mayNotStart: true } },
      { phase: 'taking' },
      asked,
      { releaseOrder },
      { shardEnd: proven },
    ] as const) {
      expect(isIdleTooLong({ ...held, ...reason }, limits, 99_000), JSON.stringify(reason)).to.equal(false);
    }
  });

  it('may be idle until `endLimitMs` while the end of its shard is unproven', () => {
    expect(isIdleTooLong({ ...held, shardEnd }, limits, 39_999)).to.equal(false);
    expect(isIdleTooLong({ ...held, shardEnd }, limits, 40_000)).to.equal(true);
    expect(nextWakeAt({ ...held, ...renewAt(50_000), shardEnd }, limits, 0)).to.equal(40_000);
  });
});
