// Symptom: a lease row that was deleted under its holder came back at TRIM_HORIZON, so the whole shard was read again. Its counter
// was lower, so a fenced sink refused everything. Cause: a worker without the lease missed the row in its next scan, and created it
// before the holder's next renewal. A first counter in seconds also falls behind a counter that rises more than once a second
// (failoverMs below 3,000). Later the same happened to a row that was free or expired in the last scan: a worker may have taken it
// since.
import { expect } from 'chai';
import { driveCoordinator, type CoordinatorDriver } from '../support/coordinator-driver.js';
import { leaseRow, memoryLeaseStore, type MemoryLeaseStore } from '../support/memory-lease-store.js';

const own = 'shardId-000000000000';
const theirs = 'shardId-000000000001';
const failoverMs = 2_000;

describe('a lease row that is deleted while another worker holds it', () => {
  let store: MemoryLeaseStore;
  let driver: CoordinatorDriver;
  beforeEach(async () => {
    const lease = { leaseOwner: 'other', kinactWriter: 'other/1', checkpoint: '4711' };
    store = memoryLeaseStore([leaseRow({ leaseKey: own }), leaseRow({ leaseKey: theirs, ...lease })]);
    driver = driveCoordinator({ store, failoverMs });
    await driver.started();
    await driver.takenAll();
    await renewing(3_000);
  });
  /** Lets time pass while the other worker renews its lease. */
  const renewing = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 500) {
      store.renewAs(theirs);
      await driver.harness.advance(500);
    }
  };
  const made = (): number =>
    store.calls.filter(({ operation, leaseKey }) => operation === 'create' && leaseKey === theirs).length;

  it('is left to the holder, which knows its checkpoint', async () => {
    const { leaseCounter } = store.row(theirs);
    store.rows.delete(theirs);
    await driver.harness.advance(failoverMs - 500);
    expect(made()).to.equal(0);
    store.put({ leaseKey: theirs, leaseOwner: 'other', checkpoint: '4712', leaseCounter: leaseCounter + 3 });
    await renewing(5 * failoverMs);
    expect(made()).to.equal(0);
  });

  it('is created at its last seen checkpoint after the holder’s time is over, with a higher counter', async () => {
    store.rows.delete(theirs);
    await driver.harness.advance(2 * failoverMs + 1_500);
    expect(made()).to.equal(1);
    // Higher than any counter of the row: renewals raise a counter by less than one per millisecond.
    expect(store.row(theirs)).to.include({ checkpoint: '4711', leaseCounter: driver.stream.serviceTimeMs });
  });

  it('is left to the holder even if it was unreadable when it was deleted', async () => {
    const row = store.row(theirs);
    store.rows.delete(theirs);
    store.malformed.push({ leaseKey: theirs, reason: 'garbled' });
    await driver.harness.advance(3_000);
    store.malformed.length = 0;
    await driver.harness.advance(failoverMs - 500);
    expect(made()).to.equal(0);
    await driver.harness.advance(failoverMs + 1_500);
    expect(store.row(theirs)).to.include({ checkpoint: row.checkpoint });
  });

  it('is left to a worker that may have taken it since the last scan, which showed it free', async () => {
    store = memoryLeaseStore([leaseRow({ leaseKey: own })]);
    driver = driveCoordinator({ store, failoverMs });
    await driver.started();
    await driver.takenAll();
    await driver.news(own, { type: 'lost', reason: 'taken by other', retake: true });
    store.rows.delete(own);
    const scans = driver.scans();
    while (driver.scans() === scans) await driver.harness.advance(100);
    await driver.harness.advance(failoverMs / 2);
    const makes = store.calls.filter(({ operation, leaseKey }) => operation === 'create' && leaseKey === own);
    expect(makes).to.deep.equal([]);
  });

  it('is created only after failoverMs if its lease had expired, because another worker may have taken it', async () => {
    await driver.harness.advance(2 * failoverMs);
    // A keeper of this worker was about to take the lease, and did not succeed.
    await driver.news(theirs, {
      type: 'notTaken',
      reason: 'for the test',
      retake: false,
    });
    store.rows.delete(theirs);
    const scans = driver.scans();
    while (driver.scans() === scans) await driver.harness.advance(100);
    await driver.harness.advance(failoverMs / 2);
    expect(made()).to.equal(0);
    await driver.harness.advance(failoverMs / 2 + 1_000);
    expect(made()).to.equal(1);
  });
});
