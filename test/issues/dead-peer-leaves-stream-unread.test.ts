// Symptom: after its reads had failed for a minute, a worker left a whole stream to a peer, and the peer died. No worker read the
// stream for up to ten minutes, or forever if a lease of the worker waited for a parent there. No event reported it. Cause: only a
// row without an owner counted as one that no worker wants, and the rows of a dead worker keep their owner.
import { expect } from 'chai';
import { driveCoordinator, type CoordinatorDriver } from '../support/coordinator-driver.js';
import { listedStream } from '../support/listed-stream.js';
import { leaseRow, memoryLeaseStore } from '../support/memory-lease-store.js';

const zero = 'shardId-000000000000';
const one = 'shardId-000000000001';
const two = 'shardId-000000000002';
const failoverMs = 10_000;

describe('leases of a source whose reads have failed here, after the peer that took them died', () => {
  let driver: CoordinatorDriver;
  let peerLives: boolean;
  beforeEach(() => (peerLives = true));

  const passes = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 2_000) {
      if (peerLives)
        for (const row of driver.store.rows.values()) if (row.leaseOwner === 'peer') driver.store.renewAs(row.leaseKey);
      await driver.harness.advance(2_000);
    }
  };
  const givenBackToPeer = async (leaseKey: string): Promise<void> => {
    await driver.news(leaseKey, { type: 'readsFail', forMs: 61_000 });
    const { leaseOwner: _, ...row } = driver.store.row(leaseKey);
    driver.store.put({ ...row, leaseCounter: row.leaseCounter + 1 });
    const { checkpoint } = row;
    const lease = {
      source: 'orders',
      shardId: leaseKey,
      leaseKey,
      recordsLeft: 0,
      checkpoint,
      subSequenceNumber: 0,
      released: true,
    };
    await driver.news(leaseKey, { type: 'released', coolDown: false, reason: 'reads', lease });
    driver.store.takeAs(leaseKey, 'peer', 'peer/1');
  };

  it('are taken even if the lease that is on trial here waits for one of them', async () => {
    const stream = listedStream({ shards: 3 });
    const child = stream.merge(zero, one);
    const store = memoryLeaseStore([
      leaseRow({ leaseKey: zero, checkpoint: 'SHARD_END' }),
      leaseRow({ leaseKey: one, leaseOwner: 'peer' }),
      leaseRow({ leaseKey: two }),
      leaseRow({ leaseKey: child, parentShardIds: [zero, one] }),
    ]);
    driver = driveCoordinator({ stream, store, failoverMs });
    await driver.started();
    await driver.takenAll();
    await passes(4_000);
    await givenBackToPeer(two);
    await passes(20_000);
    peerLives = false;
    const before = driver.keepers.length;
    await passes(5 * failoverMs);
    expect(driver.keepers.slice(before).map(({ args }) => args.leaseKey)).to.include(one);
  });

  it('are taken within five failover times, however often the source was given back', async () => {
    const store = memoryLeaseStore([leaseRow({ leaseKey: zero }), leaseRow({ leaseKey: one, leaseOwner: 'peer' })]);
    driver = driveCoordinator({ stream: listedStream({ shards: 2 }), store, failoverMs });
    await driver.started();
    await driver.takenAll();
    await passes(4_000);
    for (let round = 0; round < 4; round += 1) {
      const before = driver.keepers.length;
      if (round > 0) {
        for (let ms = 0; driver.keepers.length === before && ms < 900_000; ms += 2_000) await passes(2_000);
        await driver.taken(driver.keepers.at(-1)!.args.leaseKey);
      }
      const { leaseKey } = driver.keepers.at(-1)!.args;
      await passes(60_000);
      await givenBackToPeer(leaseKey);
    }
    peerLives = false;
    const before = driver.keepers.length;
    await passes(5 * failoverMs);
    expect(driver.keepers.length).to.be.above(before);
  });
});
