// If the holder and another worker have different failover times, the larger one decides when the lease expires, and when a deleted
// row is created again. One warning names the difference. The test writes the rows of a peer by hand, in virtual time.
import { expect } from 'chai';
import { driveCoordinator, type CoordinatorDriver } from '../../support/coordinator-driver.js';
import { listedStream } from '../../support/listed-stream.js';
import { leaseRow, memoryLeaseStore, type MemoryLeaseStore } from '../../support/memory-lease-store.js';
import { failoverText } from '../../../src/core/lease-failover.js';
import { writerPrefixOf, writerOf } from '../../../src/core/writer-signature.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import type { TableHistory } from '../../../actors/lease-coordinator/options.js';

const zero = 'shardId-000000000000';
const one = 'shardId-000000000001';
const two = 'shardId-000000000002';
const peer = writerOf(writerPrefixOf('peer', 'x'), 1);

/** A row that `peer` has taken, with this failover time. */
const peers = (leaseKey: string, failoverMs: number): LeaseRow =>
  leaseRow({
    leaseKey,
    leaseOwner: 'peer',
    leaseCounter: 5,
    kinactWriter: peer,
    kinactFailover: failoverText(failoverMs, peer),
  });

async function holdingRest(
  store: MemoryLeaseStore,
  more: Parameters<typeof driveCoordinator>[0] = {},
): Promise<CoordinatorDriver> {
  const driver = driveCoordinator({ store, failoverMs: 3_000, ...more });
  await driver.started();
  await driver.takenAll();
  return driver;
}

/** `peer` renews what it holds. */
function renew(store: MemoryLeaseStore): void {
  for (const { leaseKey, leaseOwner } of store.rows.values()) if (leaseOwner === 'peer') store.renewAs(leaseKey, peer);
}

const warnings = (driver: CoordinatorDriver): string[] =>
  driver.harness.eventsOf('warning').map((event) => event.message);

describe('a lease whose holder has a different failoverMs', () => {
  it('expires only after the failoverMs of the holder if that is the larger one', async () => {
    const driver = await holdingRest(memoryLeaseStore([peers(zero, 20_000), leaseRow({ leaseKey: one })]));
    await driver.harness.advance(19_900);
    expect(driver.keepers.map(({ args }) => args.leaseKey)).to.deep.equal([one]);
    await driver.harness.advance(200);
    expect(driver.keeper(zero).args.seenRow.leaseOwner).to.equal('peer');
  });

  it('expires by the failoverMs of this worker if the value in the row is smaller or invalid', async () => {
    // A smaller value; a value that remains after a take by a Java worker; a value of more than ten minutes.
    const rows = [peers(zero, 3_000), { ...peers(zero, 20_000), leaseOwner: 'java' }, peers(zero, 600_001)];
    for (const row of rows) {
      const driver = await holdingRest(memoryLeaseStore([row, leaseRow({ leaseKey: one })]), { failoverMs: 10_000 });
      await driver.harness.advance(9_900);
      expect(driver.keepers, row.leaseOwner).to.have.length(1);
      await driver.harness.advance(200);
      expect(driver.keepers, row.leaseOwner).to.have.length(2);
    }
  });

  it('has its deleted row created again only after the longest failoverMs that any row has shown', async () => {
    // The longest failoverMs is in another row. Its worker may have taken this lease after the last scan.
    const store = memoryLeaseStore([peers(zero, 20_000), { ...peers(one, 3_000), leaseCounter: 9 }, peers(two, 3_000)]);
    const driver = await holdingRest(store, { stream: listedStream({ shards: 3 }) });
    renew(store);
    await driver.harness.advance(1_500);
    store.rows.delete(one);
    for (let beat = 0; beat < 18; beat += 1) {
      await driver.harness.advance(1_000);
      renew(store);
      expect(store.rows.has(one), `after ${beat} s`).to.equal(false);
    }
    for (let beat = 0; beat < 6; beat += 1) {
      await driver.harness.advance(1_000);
      renew(store);
    }
    expect(store.row(one).checkpoint).to.equal('TRIM_HORIZON');
  });

  it('has a missing row created only after the longest failoverMs that an earlier coordinator has seen', async () => {
    const tableHistory: TableHistory = { longestFailoverMs: 20_000, failoverReported: true };
    const store = memoryLeaseStore([leaseRow({ leaseKey: zero, checkpoint: '17' })]);
    const driver = driveCoordinator({ store, failoverMs: 3_000, tableHistory });
    await driver.started();
    await driver.taken(zero);
    await driver.harness.advance(18_000);
    expect(store.rows.has(one)).to.equal(false);
    await driver.harness.advance(4_000);
    expect(store.row(one).checkpoint).to.equal('TRIM_HORIZON');
  });

  it('has its row created by a successor coordinator only after failoverMs if all rows were deleted meanwhile', async () => {
    const tableHistory: TableHistory = { longestFailoverMs: 0, failoverReported: false };
    const store = memoryLeaseStore([peers(zero, 3_000), peers(one, 3_000)]);
    const first = driveCoordinator({ store, failoverMs: 3_000, tableHistory });
    let second: CoordinatorDriver | undefined;
    await first.started();
    const { harness } = first;
    for (const hasNoted of [false, true]) {
      store.rows.clear();
      // With `hasNoted`, the old coordinator dies right after the scan that shows the deletion.
      const told = warnings(first).length;
      while (hasNoted && warnings(first).length === told) await harness.advance(100);
      await harness.kill(hasNoted ? second!.coordinator : first.coordinator);
      second = driveCoordinator({ harness, store, failoverMs: 3_000, tableHistory, isSuccessor: true });
      await second.started();
      await harness.advance(1_500);
      expect([...store.rows.keys()]).to.deep.equal([]);
      await harness.advance(4_000);
      expect([...store.rows.keys()]).to.have.members([zero, one]);
    }
  });

  it('has a missing row created only after the longest failoverMs, even if a row shows it later', async () => {
    for (const isVanished of [true, false]) {
      const store = memoryLeaseStore([
        leaseRow({ leaseKey: zero, checkpoint: '17' }),
        ...(isVanished ? [peers(one, 3_000)] : []),
      ]);
      const driver = driveCoordinator({ store, failoverMs: 3_000 });
      await driver.started();
      await driver.taken(zero);
      store.rows.delete(one);
      await driver.harness.advance(1_500);
      // The peer, whose failoverMs is 20 s, has created another of its rows again.
      store.rows.set(two, peers(two, 20_000));
      for (let beat = 0; beat < 17; beat += 1) {
        await driver.harness.advance(1_000);
        renew(store);
        expect(store.rows.has(one), `${beat} s after that`).to.equal(false);
      }
      for (let beat = 0; beat < 6; beat += 1) {
        await driver.harness.advance(1_000);
        renew(store);
      }
      expect(store.rows.has(one)).to.equal(true);
    }
  });
});

describe('the warning that failover times differ', () => {
  it('names the worker, both values and the remedy, and comes once per consumer and table', async () => {
    const store = memoryLeaseStore([peers(zero, 20_000), leaseRow({ leaseKey: one })]);
    const tableHistory: TableHistory = { longestFailoverMs: 0, failoverReported: false };
    const driver = await holdingRest(store, { tableHistory });
    await driver.harness.advance(1_500);
    renew(store);
    await driver.harness.advance(1_500);
    expect(warnings(driver)).to.have.length(1);
    expect(warnings(driver)[0]).to.match(
      /^Worker peer has leases\.failoverMs 20000, this one 3000, in the lease table memory: .*Give every worker/,
    );
    renew(store);
    await driver.harness.advance(1_500);
    expect(warnings(driver)).to.have.length(1);
    const successor = await holdingRest(store, { tableHistory, isSuccessor: true });
    for (let beat = 0; beat < 3; beat += 1) {
      renew(store);
      await successor.harness.advance(1_500);
    }
    expect(warnings(successor)).to.deep.equal([]);
  });

  it('also comes if the other worker has the smaller failoverMs', async () => {
    const store = memoryLeaseStore([peers(zero, 3_000), leaseRow({ leaseKey: one })]);
    const driver = await holdingRest(store, { failoverMs: 10_000 });
    renew(store);
    await driver.harness.advance(1_500);
    expect(warnings(driver)[0]).to.match(/^Worker peer has leases\.failoverMs 3000, this one 10000/);
  });

  it('does not come for rows of a dead worker or of an earlier process with this worker id', async () => {
    const dead = await holdingRest(memoryLeaseStore([peers(zero, 5_000), leaseRow({ leaseKey: one })]));
    await dead.harness.advance(60_000);
    expect(warnings(dead)).to.deep.equal([]);
    const before = writerOf(writerPrefixOf('me', 'before'), 1);
    const own = leaseRow({
      leaseKey: zero,
      leaseOwner: 'me',
      kinactWriter: before,
      kinactFailover: failoverText(5_000, before),
    });
    const store = memoryLeaseStore([own, leaseRow({ leaseKey: one })]);
    const restarted = driveCoordinator({ store, failoverMs: 3_000, workerId: 'me' });
    await restarted.started();
    store.renewAs(zero, before);
    await restarted.harness.advance(12_000);
    expect(restarted.scans(), 'it has looked again').to.be.above(2);
    expect(warnings(restarted)).to.deep.equal([]);
  });

  it('does not come if all workers have the same failoverMs', async () => {
    const store = memoryLeaseStore([peers(zero, 3_000), leaseRow({ leaseKey: one })]);
    const driver = await holdingRest(store);
    for (let beat = 0; beat < 10; beat += 1) {
      renew(store);
      await driver.harness.advance(1_000);
    }
    expect(warnings(driver)).to.deep.equal([]);
  });
});
