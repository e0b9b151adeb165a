// Symptom: a lease table of two sources was deleted. A process removed one of the sources and added it again, and made its rows again
// at TRIM_HORIZON, so all of it was read once more (seed 980144). Other workers still held the leases. Cause: the coordinator noticed
// deleted rows only of sources that it read, and forgot those that it had noticed when a source went. Likewise a coordinator that
// was restarted forgot the deleted rows of a stream that it opened only after its first scan.
import { expect } from 'chai';
import { driveCoordinator, type CoordinatorDriver } from '../support/coordinator-driver.js';
import { actorHarness } from '../support/actor-harness.js';
import { listedStream } from '../support/listed-stream.js';
import { leaseRow, memoryLeaseStore } from '../support/memory-lease-store.js';
import type { LeaseCoordinatorMessage } from '../../actors/lease-coordinator/lease-coordinator.js';
import type { TableHistory } from '../../actors/lease-coordinator/options.js';
import { leaseKeyOf, streamIdentifier } from '../../src/core/lease-key.js';
import { streamIdentityOf } from '../../src/core/stream-identity.js';

const failoverMs = 10_000;
/** A worker whose sources have no free lease scans that often. */
const scanMs = 5_100;
/** Until a scan has noticed a deleted row, and its holder's time and the next scan are over. */
const overMs = failoverMs + 2 * scanMs;
const history = () => ({ worked: false, failure: undefined });

describe('a deleted lease row of a source that is removed and added again', () => {
  const orders = listedStream({ shards: 1 });
  const returns = listedStream({ name: 'returns' });
  let driver: CoordinatorDriver;
  let theirs: string;
  let own: string;

  beforeEach(async () => {
    const description = await returns.describe(new AbortController().signal);
    const keyOf = (shardId: string): string => leaseKeyOf(streamIdentifier(description), shardId);
    theirs = keyOf('shardId-000000000000');
    own = keyOf('shardId-000000000001');
    const kinactStream = streamIdentityOf(description);
    const holder = { leaseOwner: 'other', kinactWriter: 'other/1', checkpoint: '4711' };
    const store = memoryLeaseStore([
      leaseRow({ leaseKey: theirs, kinactStream, ...holder }),
      leaseRow({ leaseKey: own, kinactStream }),
    ]);
    const sources = [orders, returns].map((source) => ({
      source,
      initialPosition: 'TRIM_HORIZON' as const,
      history: history(),
    }));
    driver = driveCoordinator({ store, sources, multiStream: true, failoverMs });
    await driver.started();
    await driver.harness.advance(100);
    await driver.takenAll();
    await renewing(2_000);
  });

  /** Lets time pass while the other worker renews its lease. */
  const renewing = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 500) {
      driver.store.renewAs(theirs);
      await driver.harness.advance(500);
    }
  };
  const ask = async (message: (replyTo: never) => LeaseCoordinatorMessage): Promise<void> =>
    void (await driver.harness.ask<LeaseCoordinatorMessage, unknown>(driver.coordinator, message as never));
  const beginRemoval = (): Promise<void> =>
    ask((replyTo) => ({ type: 'removeSource', source: 'returns', deadlineMs: 1_000, replyTo }));
  /** The keeper gives the lease back. If its row is deleted, it has no row to write. */
  const endRemoval = async (): Promise<void> => {
    if (driver.store.rows.has(own)) {
      const { leaseOwner: _, ...row } = driver.store.row(own);
      driver.store.put({ ...row, leaseCounter: row.leaseCounter + 1 });
    }
    const { source, shardId } = driver.keeper(own).args;
    const at = { checkpoint: 'TRIM_HORIZON', subSequenceNumber: 0, recordsLeft: 0, released: true };
    const lease = { leaseKey: own, source, shardId, ...at };
    await driver.news(own, { type: 'released', lease, reason: '', coolDown: false });
  };
  const remove = async (): Promise<void> => {
    await beginRemoval();
    await endRemoval();
  };
  const add = (): Promise<void> =>
    ask((replyTo) => {
      const source = { source: returns, initialPosition: 'TRIM_HORIZON' as const, history: history() };
      return { type: 'addSource', source, replyTo };
    });
  const made = (): number =>
    driver.store.calls.filter(({ operation, leaseKey }) => operation === 'create' && leaseKey === theirs).length;

  const deleteRows = async (): Promise<void> => {
    for (const leaseKey of [own, theirs]) driver.store.rows.delete(leaseKey);
  };
  const scan = (): Promise<void> => driver.harness.advance(scanMs);
  const acts: Readonly<Record<string, readonly (() => Promise<void>)[]>> = {
    'before it was removed': [deleteRows, scan, remove, add],
    'before it was removed, for longer': [deleteRows, scan, remove, scan, add],
    'before its removal, which takes long': [deleteRows, scan, beginRemoval, scan, endRemoval, add],
    'during its removal': [beginRemoval, deleteRows, scan, endRemoval, add],
    'while it was removed': [remove, deleteRows, scan, add],
    'between the last scan and its return': [remove, () => renewing(scanMs), deleteRows, add],
  };
  for (const [when, steps] of Object.entries(acts)) {
    it(`is left to its holder (deleted ${when})`, async () => {
      for (const act of steps) await act();
      await driver.harness.advance(500);
      expect(made()).to.equal(0);
      driver.store.put({ ...leaseRow({ leaseKey: theirs }), leaseOwner: 'other', checkpoint: '4712' });
      await renewing(2 * overMs);
      expect(made()).to.equal(0);
    });

    it(`is created at its last seen checkpoint if its holder does not write (deleted ${when})`, async () => {
      for (const act of steps) await act();
      await driver.harness.advance(overMs);
      expect(made()).to.equal(1);
      expect(driver.store.row(theirs)).to.include({ checkpoint: '4711' });
    });
  }

  it('is forgotten after its holder’s time if the source stays away: added after that, the source begins as at first', async () => {
    await remove();
    await deleteRows();
    await driver.harness.advance(overMs);
    expect(made(), 'its rows are no concern of this worker').to.equal(0);
    expect(driver.harness.eventsOf('warning')).to.deep.equal([]);
    await add();
    await driver.harness.advance(500);
    expect(driver.store.row(theirs)).to.include({ checkpoint: 'TRIM_HORIZON' });
  });
});

describe('a deleted lease row of a stream that a restarted coordinator opens after its first scan', () => {
  it('is created at its last seen checkpoint', async () => {
    const orders = listedStream({ shards: 1 });
    const returns = listedStream({ name: 'returns', shards: 1 });
    const description = await returns.describe(new AbortController().signal);
    const leaseKey = leaseKeyOf(streamIdentifier(description), 'shardId-000000000000');
    const row = { leaseOwner: 'other', kinactWriter: 'other/1', checkpoint: '4711' };
    const store = memoryLeaseStore([leaseRow({ leaseKey, kinactStream: streamIdentityOf(description), ...row })]);
    const tableHistory: TableHistory = { longestFailoverMs: 0, failoverReported: false };
    const harness = actorHarness();
    const start = async (): Promise<CoordinatorDriver> => {
      const sources = [orders, returns].map((source) => ({
        source,
        initialPosition: 'TRIM_HORIZON' as const,
        history: history(),
      }));
      const driver = driveCoordinator({
        ...{ harness, store, sources, tableHistory, multiStream: true, failoverMs },
      });
      await harness.advance(1_500);
      return driver;
    };
    const first = await start();
    store.rows.delete(leaseKey);
    await harness.advance(1_100);
    await harness.kill(first.coordinator);
    returns.faults.describe.push(new Error('down'), new Error('down'), new Error('down'));
    await start();
    await harness.advance(20_000);
    expect(store.row(leaseKey)).to.include({ checkpoint: '4711' });
  });
});
