// A coordinator does not flood a slow table: it lets only a few takes wait in the queue, and reports the busy table once.
// One coordinator, without nact; the test plays the queue of the table.
import { expect } from 'chai';
import { driveCoordinator } from '../../support/coordinator-driver.js';
import { listedStream } from '../../support/listed-stream.js';
import type { LeaseTraffic, QueueReport } from '../../../src/core/lease-traffic.js';

describe('a lease table that is busy', () => {
  it('gets no take while its queue is full, then 16 at a time, and is reported once', async () => {
    let standing: QueueReport = { takesWaiting: 16, oldestTakeMs: 20_000, perSecond: 10 };
    const traffic = { report: () => standing } as LeaseTraffic;
    const driver = driveCoordinator({ stream: listedStream({ shards: 20 }), traffic });
    await driver.started();
    await driver.harness.advance(3_000);
    expect(driver.keepers).to.deep.equal([]);
    expect(driver.status().busy).to.deep.equal({ leases: 20, writesPerSecond: 10 });
    standing = { takesWaiting: 0, oldestTakeMs: 0, perSecond: 10 };
    await driver.harness.advance(1_200);
    expect(driver.keepers).to.have.length(16);
    await driver.takenAll();
    await driver.harness.advance(6_000);
    expect(driver.status().busy).to.have.property('leases', 4);
    await driver.takenAll();
    await driver.harness.advance(6_000);
    expect(driver.status()).to.include({ busy: undefined, held: 20 });
    expect(driver.harness.eventsOf('leaseTableBusy')).to.have.length(1);
  });
});
