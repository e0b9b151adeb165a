// A keeper asks the live holder of a lease by a wish in the row. It then takes the lease that was handed over, or withdraws the wish.
// `me` is the asking worker, with the keeper under test. `you` holds the lease; the test writes what `you` would write.
import { expect } from 'chai';
import { beginHandingOut, createHandedOut } from '../../../src/core/handed-out-records.js';
import { asking, free, seenRow, holderWriter } from '../../support/asking-keeper.js';
import { driveKeeper, failoverMs, me, shardId, writer } from '../../support/keeper-driver.js';
import { applyChange, memoryLeaseStore, type MemoryLeaseStore } from '../../support/memory-lease-store.js';

const wishes = (store: MemoryLeaseStore): number =>
  store.calls.filter(({ wish }) => typeof wish?.text === 'string').length;
const looks = (store: MemoryLeaseStore): number => store.calls.filter(({ operation }) => operation === 'get').length;

/** Writes the hand-over as the holder. */
function handOver(store: MemoryLeaseStore): void {
  const asker = { workerId: me, writer, failoverMs };
  store.rows.set(
    shardId,
    applyChange(
      store.row(shardId),
      { checkpoint: { checkpoint: '200', subSequenceNumber: 0 }, handOver: asker },
      holderWriter,
    ),
  );
}

function answer(store: MemoryLeaseStore, text: string, more = ''): void {
  store.rows.set(shardId, { ...store.row(shardId), kinactAnswer: `${text} ${writer}${more}` });
}

/** Renews as the holder, which shows that it lives. */
function renew(store: MemoryLeaseStore): void {
  const row = store.row(shardId);
  store.rows.set(shardId, { ...row, leaseCounter: row.leaseCounter + 1 });
}

describe('a keeper that asks for a lease', () => {
  it('writes a wish without changing counter or owner, and raises it three times in failoverMs', async () => {
    const store = memoryLeaseStore([seenRow]);
    const keeper = await asking(store);
    expect(keeper.row).to.deep.equal({ ...seenRow, kinactWish: `${writer} ${failoverMs} 1 ${holderWriter} ${me}` });
    expect(keeper.news).to.deep.equal([]);
    for (let at = 0; at < failoverMs; at += 1_000) {
      await keeper.advance(1_000);
      renew(store);
    }
    expect(keeper.row.kinactWish).to.equal(`${writer} ${failoverMs} 4 ${holderWriter} ${me}`);
    expect(keeper.row.leaseOwner).to.equal('you');
    expect(looks(store)).to.be.within(8, 9);
  });

  it('takes a handed-over lease by its own conditional write, from which fence and deadline count', async () => {
    const store = memoryLeaseStore([seenRow]);
    const keeper = await asking(store);
    handOver(store);
    expect(store.row(shardId)).to.deep.include({ leaseOwner: me, kinactWriter: writer, leaseCounter: 5 });
    await keeper.advance(1_000);
    expect(keeper.row).to.deep.include({ leaseCounter: 6, leaseOwner: me, checkpoint: '200' });
    expect(keeper.newsOf('taken')).to.have.length(1);
    expect(keeper.eventsOf('leaseTaken')[0]).to.deep.include({ from: 'you', counter: 6 });
    const tenure = await keeper.startShardWorker(1);
    expect(tenure).to.deep.include({ fence: 7, deadline: keeper.clock.now + failoverMs - 900 });
    expect(tenure.start).to.deep.equal({ type: 'after', position: { sequenceNumber: '200', subSequenceNumber: 0 } });
  });

  it('does not restore a withdrawn wish with a raise that arrives late', async () => {
    const store = memoryLeaseStore([seenRow]);
    const keeper = await asking(store);
    let arrive = (): void => undefined;
    store.script('wish', { type: 'holdBefore', until: new Promise<void>((resolve) => (arrive = resolve)) });
    await keeper.advance(failoverMs / 3);
    expect(wishes(store), 'it is on its way').to.equal(2);
    answer(store, 'refused');
    await keeper.advance(failoverMs);
    expect(store.row(shardId)).to.not.have.property('kinactWish');
    arrive();
    await keeper.advance(1_000);
    expect(store.row(shardId)).to.not.have.property('kinactWish');
  });

  it('reads the row ten times as often once the holder yields', async () => {
    const store = memoryLeaseStore([seenRow]);
    const keeper = await asking(store);
    answer(store, 'yielding', ' 9000');
    await keeper.advance(1_000);
    expect(looks(store)).to.equal(1);
    await keeper.advance(1_000);
    expect(looks(store)).to.be.within(10, 12);
  });

  it('withdraws the wish when the holder refuses, and reports that the wish failed', async () => {
    const store = memoryLeaseStore([seenRow]);
    const keeper = await asking(store);
    answer(store, 'refused');
    await keeper.advance(1_000);
    expect(keeper.row).to.deep.equal(seenRow);
    expect(keeper.newsOf('notTaken')).to.have.length(1);
    expect(keeper.newsOf('notTaken')[0]).to.deep.include({ wishFailed: true, retake: false });
    expect(keeper.ended).to.equal(true);
  });

  it('withdraws the wish when the holder has not answered for twice failoverMs', async () => {
    const store = memoryLeaseStore([seenRow]);
    const keeper = await asking(store);
    for (let at = 0; at < 2 * failoverMs; at += 1_000) {
      expect(keeper.ended, `after ${at} ms`).to.equal(false);
      renew(store);
      await keeper.advance(1_000);
    }
    expect(keeper.newsOf('notTaken')[0]).to.deep.include({ wishFailed: true });
    expect(keeper.row).to.not.have.any.keys('kinactWish', 'kinactAnswer');
  });

  it('waits for a yielding holder for the announced drain time, then reports that the wish failed', async () => {
    const store = memoryLeaseStore([seenRow]);
    const keeper = await asking(store);
    answer(store, 'yielding', ' 9000');
    for (let at = 0; at < 2 * failoverMs + 9_000; at += 1_000) {
      renew(store);
      await keeper.advance(1_000);
    }
    expect(keeper.ended).to.equal(false);
    for (let at = 0; at < 3_000; at += 1_000) {
      renew(store);
      await keeper.advance(1_000);
    }
    expect(keeper.newsOf('notTaken')[0]).to.deep.include({ wishFailed: true });
  });

  it('takes the lease when it expires meanwhile', async () => {
    const store = memoryLeaseStore([seenRow]);
    const keeper = await asking(store);
    await keeper.advance(failoverMs);
    expect(keeper.row.leaseOwner).to.equal('you');
    await keeper.advance(2_000);
    expect(keeper.row).to.deep.include({ leaseOwner: me, leaseCounter: 5 });
    expect(keeper.row).to.not.have.any.keys('kinactWish', 'kinactAnswer');
  });

  it('takes the lease when it is released meanwhile', async () => {
    const store = memoryLeaseStore([seenRow]);
    const keeper = await asking(store);
    free(store);
    await keeper.advance(1_000);
    expect(keeper.row).to.deep.include({ leaseOwner: me, leaseCounter: 6 });
  });

  it('ends when the owner or the holder’s keeper changes, without counting the wish as failed', async () => {
    for (const row of [
      { ...seenRow, leaseOwner: 'java', leaseCounter: 5 },
      { ...seenRow, kinactWriter: 'y1/4', leaseCounter: 5 },
    ]) {
      const store = memoryLeaseStore([seenRow]);
      const keeper = await asking(store);
      store.rows.set(shardId, row);
      await keeper.advance(1_000);
      expect(keeper.newsOf('notTaken')[0]).to.not.have.property('wishFailed');
      expect(store.row(shardId), 'nothing is written').to.deep.equal(row);
    }
  });

  it('ends when the row names this worker under another writer, and takes it again only if this process wrote it', async () => {
    for (const [kinactWriter, retake] of [
      ['n1/9', true],
      ['n2/1', false],
    ] as const) {
      const store = memoryLeaseStore([seenRow]);
      const keeper = await asking(store);
      store.rows.set(shardId, { ...seenRow, leaseOwner: 'me', kinactWriter, leaseCounter: 5 });
      await keeper.advance(1_000);
      expect(keeper.newsOf('notTaken')[0], kinactWriter).to.include({ reason: 'taken by me', retake });
    }
  });

  it('gives up when the row is gone, without creating it, and when the shard has ended', async () => {
    const store = memoryLeaseStore([seenRow]);
    store.script('wish', { type: 'meanwhile', act: () => store.rows.delete(shardId) });
    const gone = await asking(store);
    expect(gone.newsOf('notTaken')[0]).to.deep.include({ reason: 'the row is gone' });
    expect(store.rows.size).to.equal(0);
    const over = memoryLeaseStore([{ ...seenRow, checkpoint: 'SHARD_END' }]);
    const keeper = await asking(over);
    await keeper.advance(1_000);
    expect(keeper.newsOf('notTaken')[0]).to.deep.include({ reason: 'the shard has ended' });
  });

  it('leaves the lease to another asking worker, unless that worker has stopped raising its wish', async () => {
    const other = `z1/1 ${failoverMs} 3 ${holderWriter} them`;
    const store = memoryLeaseStore([{ ...seenRow, kinactWish: other }]);
    const second = await asking(store);
    expect(second.newsOf('notTaken')[0]).to.deep.include({ reason: 'another worker has asked for it' });
    expect(second.newsOf('notTaken')[0]).to.not.have.property('wishFailed');
    const later = await asking(store, { stale: other });
    expect(later.row.kinactWish).to.equal(`${writer} ${failoverMs} 1 ${holderWriter} ${me}`);
  });

  it('writes the wish again when the reply is lost, although its own wish is in the row', async () => {
    const store = memoryLeaseStore([seenRow]);
    store.script('wish', { type: 'failAfter' });
    const keeper = await asking(store);
    await keeper.advance(2_000);
    expect(keeper.row.kinactWish).to.equal(`${writer} ${failoverMs} 2 ${holderWriter} ${me}`);
    expect(keeper.state.lease.unknownWrites, 'it says nothing of the lease').to.deep.equal([]);
    expect(keeper.eventsOf('retrying')).to.have.length(1);
  });

  it('continues after a failed read of the row, and counts it', async () => {
    const store = memoryLeaseStore([seenRow]);
    store.script('get', { type: 'failBefore' });
    const keeper = await asking(store);
    handOver(store);
    await keeper.advance(3_000);
    expect(keeper.newsOf('taken')).to.have.length(1);
    expect(keeper.counts.get('failedLooks')).to.equal(1);
  });

  describe('when it has to stop', () => {
    const stopping = { type: 'release', reason: 'stopping', deadlineMs: 5_000 } as const;

    it('withdraws the wish', async () => {
      const store = memoryLeaseStore([seenRow]);
      const keeper = await asking(store);
      await keeper.tell(stopping);
      expect(keeper.row).to.deep.equal(seenRow);
      expect(keeper.newsOf('notTaken')[0]).to.deep.include({ reason: 'stopping' });
      expect(keeper.newsOf('notTaken')[0]).to.not.have.property('wishFailed');
    });

    it('releases at once a lease that was handed over to it meanwhile', async () => {
      const store = memoryLeaseStore([seenRow]);
      const keeper = await asking(store);
      handOver(store);
      await keeper.tell(stopping);
      expect(keeper.row).to.deep.include({ leaseCounter: 6, checkpoint: '200' });
      expect(keeper.row).to.not.have.property('leaseOwner');
      expect(keeper.newsOf('released')[0]!.lease).to.deep.include({
        released: true,
        recordsLeft: 0,
        checkpoint: '200',
      });
    });

    it('releases a handed-over lease at once although calls from an earlier tenure may still run', async () => {
      const store = memoryLeaseStore([seenRow]);
      const handedOut = createHandedOut();
      beginHandingOut(handedOut, `${store.tableName} ${shardId}`, {
        newestHandedOut: { sequenceNumber: '7', subSequenceNumber: 0 },
      });
      const keeper = await driveKeeper({ seenRow, store, handedOut, wish: { stale: undefined } });
      expect(keeper.state.leftovers.callsLeftBehind).to.equal('awaited');
      handOver(store);
      await keeper.tell(stopping);
      expect(keeper.row).to.not.have.property('leaseOwner');
      expect(keeper.newsOf('released')).to.have.length(1);
    });

    it('gives up the withdrawal at the deadline, and no longer raises the wish', async () => {
      const store = memoryLeaseStore([seenRow]);
      const keeper = await asking(store);
      const before = wishes(store);
      for (let times = 0; times < 50; times += 1) store.script('wish', { type: 'failBefore' });
      await keeper.tell(stopping);
      await keeper.advance(5_000);
      expect(keeper.newsOf('notTaken')).to.have.length(1);
      expect(wishes(store), 'it is not raised any more').to.equal(before);
    });
  });
});
