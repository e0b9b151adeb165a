// Symptom: a lease table that somebody deleted while consumers ran stayed away until one was restarted; nothing was read
// meanwhile. Cause: a table was made at start alone, and a scan that found none was repeated forever.
import { expect } from 'chai';
import { KinactError } from '../../src/api/errors.js';
import { driveCoordinator } from '../support/coordinator-driver.js';

const zero = 'shardId-000000000000';
const one = 'shardId-000000000001';

describe('a lease table that is deleted while consumers run', () => {
  it('is created again and said so once, its rows only when their holders have had time to make them', async () => {
    const failoverMs = 3_000;
    const driver = driveCoordinator({ failoverMs });
    await driver.started();
    await driver.takenAll();
    const { store, harness } = driver;
    store.rows.clear();
    store.tableExists = false;
    const error = new KinactError('TABLE_NOT_FOUND', 'the table does not exist or is not ready', { retryable: true });
    const calls = store.calls.length;
    // Deleted, and for a while not even to be created again.
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
