// Symptom: a lease table that was deleted while consumers ran stayed away until one of them was restarted. Nothing was read
// meanwhile. Cause: a table was created only at a start, and a scan that found no table was repeated forever.
import { expect } from 'chai';
import { KinactError } from '../../src/api/errors.js';
import { driveCoordinator } from '../support/coordinator-driver.js';

const zero = 'shardId-000000000000';
const one = 'shardId-000000000001';

describe('a lease table that is deleted while consumers run', () => {
  it('is created again with one warning; its rows follow after their holders’ time is over', async () => {
    const failoverMs = 3_000;
    const driver = driveCoordinator({ failoverMs });
    await driver.started();
    await driver.takenAll();
    const { store, harness } = driver;
    store.rows.clear();
    store.tableExists = false;
    const error = new KinactError('TABLE_NOT_FOUND', 'the table does not exist or is not ready', { retryable: true });
    const calls = store.calls.length;
    // The table is deleted, and at first cannot be created again.
    for (let times = 0; times < 2; times += 1) store.script('scan', { type: 'failBefore', error });
    store.script('ensureTable', { type: 'failBefore', error: new Error('the table is being deleted') });
    const since = (operation: string): number =>
      store.calls.slice(calls).filter((call) => call.operation === operation).length;
    await harness.advance(8_000);
    expect(store.tableExists).to.equal(true);
    const messages = harness.eventsOf('warning').map(({ message }) => message);
    expect(messages).to.deep.equal(['The lease table memory was deleted: it is created again.']);
    expect(since('create'), 'left to the keepers').to.equal(0);
    await harness.advance(2 * failoverMs);
    expect([...store.rows.keys()]).to.deep.equal([zero, one]);
    const ensured = since('ensureTable');
    await harness.advance(10_000);
    expect(since('ensureTable'), 'no more than needed').to.equal(ensured);
  });
});
