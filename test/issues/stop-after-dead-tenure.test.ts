// Symptom: `stop()` said `drained: true` and `recordsLeft: 0`, and the next owner was handed records again. Cause: a lease
// without a worker at the release counted as one with nothing open, though its worker had ended with records open (a
// suspended machine, a crash a moment ago). Simulation: seed 111 of 2026-11-22.
import { expect } from 'chai';
import { driveKeeper } from '../support/keeper-driver.js';

describe('a lease that is released without a worker', () => {
  it('does not say that nothing is open when its last worker died with its tenure', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.work(1);
    await keeper.frontier(tenure, '50');
    await keeper.end(tenure, { type: 'tenureDead' });
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    expect(keeper.newsOf('released')[0]?.lease).to.deep.include({ checkpoint: '50', released: true, recordsLeft: -1 });
  });

  it('says that nothing is open when it never had one', async () => {
    const keeper = await driveKeeper();
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    expect(keeper.newsOf('released')[0]?.lease).to.deep.include({ released: true, recordsLeft: 0 });
  });
});
