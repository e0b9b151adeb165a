// The start of 2,000 shards took minutes: after each lease that it had taken, the coordinator sent the list of all held leases, and the
// supervisor of shard workers went through all of it. The work grew with the square of the number of shards.
import { expect } from 'chai';
import { driveCoordinator } from '../support/coordinator-driver.js';
import { listedStream } from '../support/listed-stream.js';

describe('a worker that takes hundreds of leases', () => {
  it('tells the pipeline of each lease once, not of all leases after each', async () => {
    const driver = driveCoordinator({ stream: listedStream({ shards: 300 }) });
    await driver.subscribe();
    await driver.started();
    await driver.takenAll();
    expect(driver.status().held).to.equal(300);
    expect(driver.heard.reduce((sum, { leases }) => sum + leases.length, 0)).to.equal(300);
  });
});
