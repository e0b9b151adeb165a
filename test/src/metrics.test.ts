import { expect } from 'chai';
import { guardMeter, instruments, silentMeter } from '../../src/metrics.js';
import type { Meter } from '../../src/metrics.js';

describe('the metrics', () => {
  it("keep the KCL's names, so that its dashboards survive (kcl.md 5)", () => {
    expect(instruments).to.include.all.keys(
      'RecordsProcessed',
      'DataBytesProcessed',
      'MillisBehindLatest',
      'CurrentLeases',
      'LostLeases',
      'TakenLeases',
      'ExpiredLeases',
      'RenewLease.Time',
    );
  });

  it('say of every instrument what it means, in a sentence', () => {
    for (const [name, { help, labels }] of Object.entries(instruments)) {
      expect(help, name).to.match(/^[A-Z].*\.$/);
      expect(new Set(labels).size, name).to.equal(labels.length);
    }
  });

  it('reach the meter as they are, and a meter that throws harms nothing', () => {
    const seen: unknown[] = [];
    const take = (...call: unknown[]): void => void seen.push(call);
    const good = guardMeter({ count: take, gauge: take, observe: take }, () => expect.fail('nothing failed'));
    good.count('Checkpoints', 2, { shardId: 'a' });
    good.gauge('CurrentLeases', 3, { table: 't' });
    good.observe('RenewLease.Time', 4.5, {});
    expect(seen).to.deep.equal([
      ['Checkpoints', 2, { shardId: 'a' }],
      ['CurrentLeases', 3, { table: 't' }],
      ['RenewLease.Time', 4.5, {}],
    ]);

    const broken = (): never => {
      throw new Error('no registry');
    };
    const meter: Meter = { count: broken, gauge: broken, observe: broken };
    let failures = 0;
    const guarded = guardMeter(meter, () => (failures += 1));
    guarded.count('Checkpoints', 1, {});
    guarded.gauge('CurrentLeases', 1, {});
    guarded.observe('RenewLease.Time', 1, {});
    expect(failures).to.equal(3);
  });

  it('go nowhere by default', () => {
    expect(guardMeter(silentMeter, () => {})).to.equal(silentMeter);
    expect(silentMeter.count('Checkpoints', 1, {})).to.equal(undefined);
  });
});
