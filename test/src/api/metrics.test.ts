// Metrics have the names of the KCL, each has a sentence that explains it, and a meter that throws does no harm.
import { expect } from 'chai';
import { guardMeter, instruments, silentMeter, type Meter } from '../../../src/api/metrics.js';

describe('the metrics', () => {
  it("have the KCL's names, so that its dashboards keep working (KCL clause 5)", () => {
    expect(instruments).to.include.all.keys(
      'RecordsProcessed',
      'DataBytesProcessed',
      'MillisBehindLatest',
      'CurrentLeases',
      'LostLeases',
      'TakenLeases',
    );
  });

  it('have a help sentence and distinct labels for every instrument', () => {
    for (const [name, { help, labels }] of Object.entries(instruments)) {
      expect(help, name).to.match(/^[A-Z].*\.$/);
      expect(new Set(labels).size, name).to.equal(labels.length);
    }
  });

  it('reach the meter unchanged, and each failure of a meter that throws is only reported', () => {
    const seen: unknown[] = [];
    const take = (...call: unknown[]): void => void seen.push(call);
    const good = guardMeter({ count: take, gauge: take }, () => expect.fail('nothing failed'));
    good.count('Checkpoints', 2, { shardId: 'a' });
    good.gauge('CurrentLeases', 3, { source: 's' });
    expect(good.record, 'a meter without distributions').to.equal(undefined);
    expect(seen).to.deep.equal([
      ['Checkpoints', 2, { shardId: 'a' }],
      ['CurrentLeases', 3, { source: 's' }],
    ]);

    const broken = (): never => {
      throw new Error('no registry');
    };
    const meter: Meter = { count: broken, gauge: broken, record: broken };
    let failures = 0;
    const guarded = guardMeter(meter, () => (failures += 1));
    guarded.count('Checkpoints', 1, {});
    guarded.gauge('CurrentLeases', 1, {});
    guarded.record!('GetRecordsTime', 1, {});
    expect(failures).to.equal(3);
  });

  it('go nowhere by default', () => {
    expect(guardMeter(silentMeter, () => {})).to.equal(silentMeter);
    expect(silentMeter.count('Checkpoints', 1, {})).to.equal(undefined);
  });
});
