// The laws of the simulation that depend on how often a process is configured to write checkpoints: I38, I41 and I43.
import { expect } from 'chai';
import { calmLimitMs, limitMs } from './cadence.js';
import { createCallRates } from './call-rates.js';
import { createLags } from './lags.js';
import { createRefusals } from './refusals.js';
import { leaseRow } from '../support/memory-lease-store.js';

const failoverMs = 10_000;

function world() {
  const broken: string[] = [];
  const of = { now: 0, broken, violate: (invariant: string) => void broken.push(invariant) };
  return of;
}

describe('the law on how often a process writes one row (I38)', () => {
  /** How many writes of one row within ten seconds break the law; Infinity if 1,000 do not. */
  const most = (intervalMs: number, records: number, settled = 0): number => {
    const of = world();
    const rates = createCallRates(
      () => of.now,
      () => failoverMs,
      of.violate,
    );
    rates.cadence('p0', { intervalMs, records, renewalMs: failoverMs / 3 });
    for (let count = 1; count < 1_000; count += 1) {
      rates.called('p0', 'UpdateItem', 'a row');
      if (of.broken.length > 0) return count;
      if (count === 1) [of.now] = [9_999, rates.settled('p0', settled)];
    }
    return Infinity;
  };

  it('allows the writes that a lease needs and the options ask for, but not more', () => {
    const least = most(0, 0, 5_000);
    expect(most(7_000, 0)).to.equal(least);
    expect(most(200, 0)).to.equal(least + 50);
    expect(most(0, 50, 5_000)).to.equal(least + 100);
    expect(most(500, 50, 500)).to.equal(least + 30);
  });
});

describe('the law on how late a checkpoint comes (I41)', () => {
  /** The laws that a frontier breaks if its row is written `lateMs` later, and was reported `calmMs` after the last trouble. */
  const after = (lateMs: number, calmMs: number, how: 'written' | 'looked at'): readonly string[] => {
    const of = world();
    let troubles = 0;
    let row = leaseRow({ leaseKey: 's/1', leaseOwner: 'p0', checkpoint: '5' });
    const cadence = { intervalMs: 200, records: 0, renewalMs: failoverMs / 3 };
    const lags = createLags({
      process: 'p0',
      now: () => of.now,
      limitMs: limitMs(cadence),
      calmLimitMs: calmLimitMs(cadence),
      nameOf: (source, shardId) => `${source}/${shardId}`,
      rowOf: () => row,
      troubles: () => String(troubles),
      violate: of.violate,
    });
    lags.notified({
      type: 'notify',
      tenure: { shardWorkerNumber: 1, fence: 1, source: 's', shardId: '1' },
      ordinals: [],
      records: [],
    });
    lags.look();
    const say = (sequenceNumber: string): void => {
      const position = { sequenceNumber, subSequenceNumber: 0 };
      lags.reported({ type: 'frontier', frontier: { shardWorker: 1, fence: 1, position, records: 1 } });
    };
    say('5');
    [of.now, troubles] = [1_000, 1];
    say('5');
    of.now += calmMs;
    say('6');
    of.now += lateMs;
    if (how === 'written') row = { ...row, checkpoint: '6' };
    if (how === 'written') lags.wrote('s/1');
    else lags.look();
    return of.broken;
  };

  it('allows the interval and some slack in calm weather, judged at the write or at a look', () => {
    for (const how of ['written', 'looked at'] as const) {
      expect(after(1_700, 30_000, how)).to.deep.equal([]);
      expect(after(1_701, 30_000, how)).to.deep.equal(['I41']);
    }
  });

  it('allows one renewal and the time of a queue in addition, soon after a fault', () => {
    expect(after(1_701, 10_000, 'written')).to.deep.equal([]);
    expect(
      after(limitMs({ intervalMs: 200, records: 0, renewalMs: failoverMs / 3 }) + 1, 10_000, 'written'),
    ).to.have.length(1);
  });
});

describe('the law on checkpoints while the table refuses calls (I43)', () => {
  /** The laws that a write of p0 breaks, `lastMs` after its last write and `refusedMs` after a refusal. */
  const after = (
    lastMs: number,
    refusedMs: number,
    how: { operation?: string; begins?: boolean; bare?: boolean; closed?: string } = {},
  ) => {
    const of = world();
    const refusals = createRefusals({
      now: () => of.now,
      failoverMsOf: () => failoverMs,
      troublesOf: () => '',
      violate: of.violate,
    });
    let row = leaseRow({ leaseKey: 's/1', leaseOwner: 'p0', checkpoint: '10' });
    const write = (at: number, checkpoint: string): void => {
      of.now = at;
      const before = row;
      row = { ...row, leaseCounter: row.leaseCounter + 1, checkpoint };
      refusals.wrote('t', { process: 'p0', leaseKey: 's/1', before, after: row, sentAt: at });
    };
    write(1_000, '11');
    write(5_000, '12');
    of.now = 5_000 + lastMs - refusedMs;
    refusals.refused('p0', how.operation ?? 'UpdateItem', 't', of.now);
    if (how.begins === true) refusals.begins('p0');
    if (how.closed !== undefined) refusals.closed('p0', how.closed);
    write(5_000 + lastMs, how.bare === true ? '12' : '13');
    return of.broken;
  };

  it('forbids checkpoints without a due renewal until the table has refused nothing for some seconds', () => {
    expect(after(1_000, 500)).to.deep.equal(['I43']);
    expect(after(1_000, 4_800)).to.deep.equal(['I43']);
    expect(after(1_000, 5_000)).to.deep.equal([]);
    expect(after(1_000, 50), 'nobody has heard of it').to.deep.equal([]);
  });

  it('allows a due renewal, a renewal for a worker that begins, and a write without a checkpoint', () => {
    expect(after(3_333, 500)).to.deep.equal([]);
    expect(after(1_000, 500, { begins: true })).to.deep.equal([]);
    expect(after(1_000, 500, { bare: true })).to.deep.equal([]);
    expect(after(1_000, 500, { operation: 'Scan' })).to.deep.equal([]);
    expect(after(1_000, 500, { closed: 't' }), 'a table that was opened again (seed 950690)').to.deep.equal([]);
    expect(after(1_000, 500, { closed: 'u' })).to.deep.equal(['I43']);
  });
});
