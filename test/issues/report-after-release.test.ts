// Symptom: a stop reported a lease as drained although its row was below a record that had been handed out. `npm run explore` found it.
// Cause: the worker's final report came after the release was sent, and the keeper compared its frontier, not the row. Rule: a lease is
// drained only if the row itself has reached the newest record.
import { expect } from 'chai';
import { driveKeeper } from '../support/keeper-driver.js';

describe('a keeper that has sent its release', () => {
  it('does not report a drain if the final report comes after a release without it was sent', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    tenure.newestHandedOut = { sequenceNumber: '100', subSequenceNumber: 0 };
    let answer = (): void => {};
    keeper.store.script('update', { type: 'holdAfter', until: new Promise<void>((resolve) => (answer = resolve)) });
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 0 });
    expect(keeper.row, 'the release has taken effect').to.not.have.property('leaseOwner');
    await keeper.reportFrontier(tenure, '100');
    await keeper.endShardWorker(tenure, { type: 'drained', open: 0 });
    answer();
    await keeper.untilIdle();
    const [released] = keeper.newsOf('released');
    expect(released?.lease).to.deep.include({ released: true, recordsLeft: 'unknown' });
    expect(released?.lease.checkpoint).to.not.equal('100');
  });
});
