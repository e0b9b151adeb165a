// Metrics have the names of the KCL, each says what it means, and a meter that throws does no harm.
import { expect } from 'chai';
import { guardMeter, instruments, silentMeter } from '../../src/api/metrics.js';
import type { Meter } from '../../src/api/metrics.js';

describe('the metrics', () => {
  it("keep the KCL's names, so that its dashboards survive (KCL clause 5)", () => {
    expect(instruments).to.include.all.keys(
      'RecordsProcessed',
      'MillisBehindLatest',
      'CurrentLeases',
      'LostLeases',
      'TakenLeases',
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
    const good = guardMeter({ count: take, gauge: take }, () => expect.fail('nothing failed'));
    good.count('Checkpoints', 2, { shardId: 'a' });
    good.gauge('CurrentLeases', 3, { source: 's' });
    expect(seen).to.deep.equal([
      ['Checkpoints', 2, { shardId: 'a' }],
      ['CurrentLeases', 3, { source: 's' }],
    ]);

    const broken = (): never => {
      throw new Error('no registry');
    };
    const meter: Meter = { count: broken, gauge: broken };
    let failures = 0;
    const guarded = guardMeter(meter, () => (failures += 1));
    guarded.count('Checkpoints', 1, {});
    guarded.gauge('CurrentLeases', 1, {});
    expect(failures).to.equal(2);
  });

  it('go nowhere by default', () => {
    expect(guardMeter(silentMeter, () => {})).to.equal(silentMeter);
    expect(silentMeter.count('Checkpoints', 1, {})).to.equal(undefined);
  });
});
