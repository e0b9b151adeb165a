// A row's failover time counts only if its present owner wrote it; between two workers the larger one counts.
import { expect } from 'chai';
import {
  expiresAt,
  failoverOf,
  failoverText,
  freeMsOf,
  isExpired,
  effectiveFailoverMs,
  maxFailoverMs,
} from '../../../src/core/lease-failover.js';
import { writerPrefixOf, writerOf } from '../../../src/core/writer-signature.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import { leaseRow } from '../../support/memory-lease-store.js';

const writer = writerOf(writerPrefixOf('w', 'p'), '3.1');
const next = writerOf(writerPrefixOf('w', 'p'), '3.2');

const row = (more: Partial<LeaseRow> = {}): LeaseRow =>
  leaseRow({
    leaseKey: 's',
    leaseOwner: 'w',
    kinactWriter: writer,
    kinactFailover: failoverText(20_000, writer),
    ...more,
  });

describe("the failover time of a row's owner", () => {
  it('is the value that the take wrote, rounded up to whole milliseconds', () => {
    expect(row().kinactFailover).to.equal(`20000 ${writer}`);
    expect(failoverOf(row())).to.equal(20_000);
    expect(failoverText(100.2, writer)).to.equal(`101 ${writer}`);
  });

  it('is unknown if a Java worker took the row and left both attributes in place', () => {
    expect(failoverOf(row({ leaseOwner: 'java' }))).to.equal(undefined);
  });

  it('is unknown after a take by an older kinact, even under the same worker id', () => {
    expect(failoverOf(row({ kinactWriter: next }))).to.equal(undefined);
    const other = writerOf(writerPrefixOf('v', 'q'), 1);
    expect(failoverOf(row({ leaseOwner: 'v', kinactWriter: other }))).to.equal(undefined);
  });

  it('is unknown in a row without an owner or without `kinactFailover`', () => {
    const { leaseOwner: _, ...free } = row();
    const { kinactFailover: _failover, ...silent } = row();
    expect([free, silent].map(failoverOf)).to.deep.equal([undefined, undefined]);
  });

  it('ignores a value above ten minutes or one that is not a number', () => {
    expect(failoverOf(row({ kinactFailover: failoverText(maxFailoverMs, writer) }))).to.equal(600_000);
    const garbled = [
      failoverText(600_001, writer),
      `-1 ${writer}`,
      ` ${writer}`,
      writer,
      'x',
      '20000',
      `1e3 ${writer}`,
    ];
    for (const text of garbled) expect(failoverOf(row({ kinactFailover: text })), text).to.equal(undefined);
  });

  it('counts for another worker if it exceeds the failover time of that worker', () => {
    expect(effectiveFailoverMs(row(), 3_000)).to.equal(20_000);
    expect(effectiveFailoverMs(row(), 30_000)).to.equal(30_000);
    expect(effectiveFailoverMs(row({ leaseOwner: 'java' }), 3_000)).to.equal(3_000);
  });

  it('is over from the first millisecond at which the lease counts as expired, and free from then on', () => {
    const since = 5_000;
    const at = expiresAt(row(), since, 3_000);
    expect(at).to.equal(25_001);
    expect([at - 1, at].map((now) => isExpired(row(), now - since, 3_000))).to.deep.equal([false, true]);
    expect([at - 1, at].map((now) => freeMsOf(row(), now - since, 3_000))).to.deep.equal([0, 1]);
  });

  it('does not count in a row without an owner: the lease is free all the time, and never expires', () => {
    const { leaseOwner: _, ...free } = row();
    expect(freeMsOf(free, 40, 3_000)).to.equal(40);
    expect(isExpired(free, 90_000, 3_000)).to.equal(false);
  });

  it('is over when the counter has not changed for longer than the larger of both times', () => {
    expect(isExpired(row(), 20_000, 3_000)).to.equal(false);
    expect(isExpired(row(), 20_001, 3_000)).to.equal(true);
    expect(isExpired(row(), 20_001, 30_000)).to.equal(false);
  });
});
