// The figures of `kinact lag` from one look at a shard, and from two: what an idle shard, a lost answer, and a checkpoint that stands
// still mean.
import { expect } from 'chai';
import { watchArgument } from '../../../src/cli/lag.js';
import { figuresOf, settledPerSecond, type ShardLag } from '../../../src/cli/shard-lag.js';
import { UsageError } from '../../../src/cli/command.js';
import type { PositionLook } from '../../../src/core/position.js';

const now = 1_700_000_000_000;
/** A look that has found records of these ages. */
const look = (ages: readonly number[], more: Partial<PositionLook> = {}): PositionLook => ({
  records: ages.map((ms, n) => ({ sequenceNumber: String(n), arrivedAt: now - ms })),
  ...{ isTip: false, isKnown: true, millisBehindLatest: 900, reads: 2 },
  ...more,
});

describe('the figures of a look at a shard', () => {
  it('are the age of the first record, how far the service says it is behind, and the rate of the sample', () => {
    expect(figuresOf(look([5_000, 4_500, 4_000, 3_000]), now)).to.deep.equal({
      ...{ readLagMs: 900, settledLagMs: 5_000, arrivingPerSecond: 1.5 },
    });
  });

  it('count until now if the sample has reached the tip', () => {
    expect(figuresOf(look([4_000, 3_000], { isTip: true, millisBehindLatest: 0 }), now)).to.deep.equal({
      ...{ readLagMs: 0, settledLagMs: 4_000, arrivingPerSecond: 0.5 },
    });
  });

  it('are 0 for a shard without a record after the checkpoint, and unknown if the answers do not say so', () => {
    const idle = { isTip: true, millisBehindLatest: 0 };
    expect(figuresOf(look([], idle), now)).to.deep.equal({ readLagMs: 0, settledLagMs: 0, arrivingPerSecond: 0 });
    const unknown = { readLagMs: undefined, settledLagMs: undefined, arrivingPerSecond: undefined };
    expect(figuresOf(look([], { isKnown: false }), now)).to.deep.equal(unknown);
    const undated = { records: [{ sequenceNumber: '1' }] };
    expect(figuresOf(look([], undated), now)).to.deep.equal({ ...unknown, readLagMs: 900 });
  });

  it('take the age of the record for how far reading is behind where the service does not say', () => {
    expect(figuresOf(look([5_000], { millisBehindLatest: undefined }), now)).to.deep.equal({
      ...{ readLagMs: 5_000, settledLagMs: 5_000, arrivingPerSecond: undefined },
    });
  });

  it('are never 0 while there is a record, whatever the clock of this machine says', () => {
    for (const more of [{}, { isTip: true, millisBehindLatest: 0 }, { millisBehindLatest: undefined }]) {
      const { settledLagMs, readLagMs } = figuresOf(look([-3_000], more), now);
      expect(settledLagMs).to.equal(Math.max(1, readLagMs ?? 0));
    }
    expect(figuresOf(look([-60_000, -60_000], { millisBehindLatest: 5_000 }), now)).to.include({ settledLagMs: 5_000 });
  });

  it('take the clock of the service where that of this machine is another', () => {
    for (const offMs of [-3_600_000, -60_000, 60_000, 3_600_000]) {
      const answered = look([8_000, 4_000], { isTip: true, serviceTimeMs: now });
      expect(figuresOf(answered, now + offMs)).to.include({ settledLagMs: 8_000, arrivingPerSecond: 0.25 });
    }
    const rounded = look([8_000], { serviceTimeMs: now - 900 });
    expect(figuresOf(rounded, now), 'the service gives whole seconds').to.include({ settledLagMs: 8_000 });
  });
});

describe('records a second that became durable between two looks', () => {
  const seen = (at: number, checkpoint: string, more: Partial<ShardLag> = {}): ShardLag => ({
    ...{
      leaseKey: 's',
      shardId: 's',
      stream: 'orders',
      owner: 'w',
      hasLease: true,
      isMalformed: false,
      waits: false,
      subSequenceNumber: 0,
    },
    ...{ readLagMs: 0, settledLagMs: 0, arrivingPerSecond: 10 },
    ...{ at, checkpoint },
    ...more,
  });

  it('are the rate of arrivals, faster while the lag shrinks and slower while it grows', () => {
    const first = seen(0, '1', { settledLagMs: 60_000 });
    expect(settledPerSecond(first, seen(10_000, '2', { settledLagMs: 60_000 }))).to.equal(10);
    expect(settledPerSecond(first, seen(10_000, '2', { settledLagMs: 50_000 }))).to.equal(20);
    expect(settledPerSecond(first, seen(10_000, '2', { settledLagMs: 65_000 }))).to.equal(5);
  });

  it('are 0 while the checkpoint stands still', () => {
    expect(settledPerSecond(seen(0, '1'), seen(10_000, '1', { settledLagMs: 10_000 }))).to.equal(0);
  });

  it('take the rate before, if nothing is left after the checkpoint', () => {
    const first = seen(0, '1', { settledLagMs: 2_000 });
    expect(settledPerSecond(first, seen(10_000, '2', { arrivingPerSecond: 0 }))).to.equal(12);
  });

  it('are unknown at the first look, and if a look knows too little', () => {
    expect(settledPerSecond(undefined, seen(0, '1'))).to.equal(undefined);
    expect(settledPerSecond(seen(0, '1', { settledLagMs: undefined }), seen(1_000, '2'))).to.equal(undefined);
    const rateless = { arrivingPerSecond: undefined };
    expect(settledPerSecond(seen(0, '1', rateless), seen(1_000, '2', rateless))).to.equal(undefined);
  });
});

describe('--watch of kinact lag', () => {
  it('may have a number, which is the time between two looks, and keeps the other arguments', () => {
    expect(watchArgument(['--json'])).to.deep.equal({ watchMs: undefined, rest: ['--json'] });
    expect(watchArgument(['--watch', '--json'])).to.deep.equal({ watchMs: 10_000, rest: ['--json'] });
    expect(watchArgument(['--json', '--watch', '5000', '--stream', 's'])).to.deep.equal({
      ...{ watchMs: 5_000, rest: ['--json', '--stream', 's'] },
    });
    expect(watchArgument(['--watch=3000'])).to.deep.equal({ watchMs: 3_000, rest: [] });
    for (const text of ['0', '1999', '1e9', '-5'])
      expect(() => watchArgument([`--watch=${text}`]), text).to.throw(UsageError, '--watch: expected');
  });
});
