// What a keeper writes next, and when it has to look again, follows from what it knows alone: SHARD_END, then release, then renewal.
import { expect } from 'chai';
import { idleTooLong, nextWakeAt, nextWrite } from '../../../src/core/lease-schedule.js';
import type { LeaseWants } from '../../../src/core/lease-schedule.js';

const times = { writeTimeoutMs: 500, idleLimitMs: 10_000, endLimitMs: 40_000 };
const held: LeaseWants = {
  phase: 'held',
  writes: { current: undefined, retryAt: 0 },
  timing: { renewAt: 1_000, extraAt: Infinity },
  workers: { waitingWorker: undefined, idleSince: 0, waiting: false },
  tenure: undefined,
  release: undefined,
  shardEnd: undefined,
};
const writing = (startedAt: number) => ({ writes: { current: { startedAt }, retryAt: 0 } });
const retryAt = (at: number) => ({ writes: { current: undefined, retryAt: at } });
const renewAt = (at: number) => ({ timing: { renewAt: at, extraAt: Infinity } });
const extraAt = (at: number) => ({ timing: { renewAt: 1_000, extraAt: at } });
const asked = { workers: { ...held.workers, waitingWorker: {} } };
const queued = { traffic: { queued: true, takeBy: Infinity } };
const release = { cutAt: 5_000, writeAt: 5_100, until: 6_000 };
const shardEnd = { since: 0, asking: true, askAt: 0, blocked: false, childShardIds: undefined, callsUntil: 0 };

describe('what a keeper does next', () => {
  it('is nothing while a write is under way, a back-off lasts, or all is over', () => {
    expect(nextWrite({ ...held, ...writing(0) }, 2_000)).to.equal(undefined);
    expect(nextWrite({ ...held, ...retryAt(2_001) }, 2_000)).to.equal(undefined);
    expect(nextWrite({ ...held, phase: 'over' }, 2_000)).to.equal(undefined);
  });

  it('is a renewal when one is due or a worker waits for it', () => {
    expect(nextWrite(held, 999)).to.equal(undefined);
    expect(nextWrite(held, 1_000)).to.equal('renew');
    expect(nextWrite({ ...held, ...asked }, 0)).to.equal('renew');
  });

  it('is a checkpoint when one is due and no renewal is, and nothing else goes first', () => {
    const extra = { ...held, ...extraAt(500) };
    expect(nextWrite(extra, 499)).to.equal(undefined);
    expect(nextWrite(extra, 500)).to.equal('checkpoint');
    expect(nextWrite(extra, 1_000)).to.equal('renew');
    expect(nextWrite({ ...extra, ...asked }, 500)).to.equal('renew');
    expect(nextWrite({ ...extra, release }, 500)).to.equal('release');
    expect(nextWrite({ ...extra, shardEnd: { ...shardEnd, childShardIds: [] } }, 500)).to.equal('shardEnd');
    expect(nextWrite({ ...extra, phase: 'recreating' }, 500)).to.equal('create');
    expect(nextWrite({ ...extra, ...writing(0) }, 500)).to.equal(undefined);
  });

  it('is no SHARD_END while an `onCheckpoint` call runs, for so long', () => {
    const open = { userCallsLeftBehind: false, onCheckpointCalls: 1 };
    const ended = { ...held, open, shardEnd: { ...shardEnd, childShardIds: [], callsUntil: 900 } };
    expect(nextWrite(ended, 899)).to.equal(undefined);
    expect(nextWakeAt(ended, times, 899)).to.equal(900);
    expect(nextWrite(ended, 900)).to.equal('shardEnd');
    expect(nextWrite({ ...ended, open: { ...open, onCheckpointCalls: 0 } }, 0)).to.equal('shardEnd');
  });

  it('is SHARD_END before a release, and a release before a renewal', () => {
    expect(nextWrite({ ...held, release }, 1_000)).to.equal('release');
    expect(nextWrite({ ...held, release, shardEnd: { ...shardEnd, childShardIds: [] } }, 1_000)).to.equal('shardEnd');
  });

  it('is only a renewal while the worker drains, or while SHARD_END may still come in time', () => {
    expect(nextWrite({ ...held, release, tenure: { shared: { deadline: 9_000 }, revoked: false } }, 5_200)).to.equal(
      'renew',
    );
    expect(nextWrite({ ...held, release, shardEnd }, 4_999)).to.equal('renew');
    expect(nextWrite({ ...held, release, shardEnd }, 5_000)).to.equal('release');
    expect(nextWrite({ ...held, release, shardEnd: { ...shardEnd, blocked: true } }, 0)).to.equal('release');
  });

  it('waits a moment for the last words of a worker that was cut off', () => {
    const tenure = { shared: { deadline: 0 }, revoked: true };
    expect(nextWrite({ ...held, release, tenure }, 5_099)).to.equal('renew');
    expect(nextWrite({ ...held, release, tenure }, 5_100)).to.equal('release');
  });

  it('looks again when the first of its times comes', () => {
    expect(nextWakeAt(held, times, 0)).to.equal(1_000);
    expect(nextWakeAt({ ...held, ...retryAt(300) }, times, 0)).to.equal(300);
    expect(nextWakeAt({ ...held, ...writing(100) }, times, 0)).to.equal(600);
    expect(nextWakeAt({ ...held, tenure: { shared: { deadline: 700 }, revoked: false } }, times, 0)).to.equal(700);
    expect(nextWakeAt({ ...held, ...renewAt(20_000) }, times, 0)).to.equal(10_000);
    expect(nextWakeAt({ ...held, ...renewAt(20_000), release }, times, 0)).to.equal(5_000);
    expect(nextWakeAt({ ...held, ...renewAt(20_000), release }, times, 5_000)).to.equal(5_100);
    expect(nextWakeAt({ ...held, ...renewAt(20_000), release }, times, 5_100)).to.equal(6_000);
    expect(nextWakeAt({ ...held, tenure: { shared: { deadline: 0 }, revoked: true } }, times, 0)).to.equal(1_000);
    expect(nextWakeAt({ ...held, shardEnd: { ...shardEnd, askAt: 50 } }, times, 0)).to.equal(50);
    expect(nextWakeAt({ ...held, shardEnd: { ...shardEnd, askAt: 50 } }, times, 50)).to.equal(1_000);
  });

  it('looks again when a checkpoint is due; and while one waits for a permit, when the renewal is', () => {
    expect(nextWakeAt({ ...held, ...extraAt(500) }, times, 0)).to.equal(500);
    expect(nextWakeAt({ ...held, ...extraAt(500), ...retryAt(700) }, times, 0)).to.equal(700);
    expect(nextWakeAt({ ...held, ...extraAt(500), ...queued }, times, 600)).to.equal(1_000);
    expect(nextWakeAt({ ...held, ...extraAt(500), ...queued }, times, 1_000)).to.equal(10_000);
  });

  it('has no idle time while there is a reason to be without a worker', () => {
    expect(idleTooLong(held, times, 10_000)).to.equal(true);
    expect(idleTooLong(held, times, 9_999)).to.equal(false);
    const proven = { ...shardEnd, childShardIds: [] };
    for (const reason of [
      { workers: { ...held.workers, waiting: true } },
      { phase: 'taking' },
      asked,
      { release },
      { shardEnd: proven },
    ] as const) {
      expect(idleTooLong({ ...held, ...reason }, times, 99_000), JSON.stringify(reason)).to.equal(false);
    }
  });

  it('has more time while the end of the shard is to be proven, but not for ever', () => {
    expect(idleTooLong({ ...held, shardEnd }, times, 39_999)).to.equal(false);
    expect(idleTooLong({ ...held, shardEnd }, times, 40_000)).to.equal(true);
    expect(nextWakeAt({ ...held, ...renewAt(50_000), shardEnd }, times, 0)).to.equal(40_000);
  });
});
