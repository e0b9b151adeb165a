// A holder that is asked for its lease drains, and hands the lease over in one write. It refuses if a record stays open, or if a call may
// still run. `me` is the holder, with the keeper under test, and `you` is the asking worker.
import { expect } from 'chai';
import {
  driveKeeper,
  failoverMs,
  marginMs,
  me,
  shardId,
  writer,
  type KeeperDriver,
} from '../../support/keeper-driver.js';
import { applyChange } from '../../support/memory-lease-store.js';
import type { Tenure } from '../../../actors/protocol/tenure.js';

const askerWriter = 'y1/3';
const renewalMs = failoverMs / 3;
const rowAfterHandOver = { leaseOwner: 'you', kinactWriter: askerWriter, kinactFailover: `7000 ${askerWriter}` };

function ask(keeper: KeeperDriver, number = 1, holder = writer): void {
  keeper.store.rows.set(shardId, { ...keeper.row, kinactWish: `${askerWriter} 7000 ${number} ${holder} you` });
}

function withdraw(keeper: KeeperDriver): void {
  const { kinactWish: _wish, kinactAnswer: _answer, ...row } = keeper.row;
  keeper.store.rows.set(shardId, row);
}

/** A keeper that holds the lease, delivers, and has answered a wish. */
async function yielding(setup: Parameters<typeof driveKeeper>[0] = {}): Promise<[KeeperDriver, Tenure]> {
  const keeper = await driveKeeper(setup);
  const tenure = await keeper.startShardWorker(1);
  tenure.newestHandedOut = { sequenceNumber: '100', subSequenceNumber: 0 };
  await keeper.reportFrontier(tenure, '100');
  ask(keeper);
  await keeper.advance(renewalMs);
  return [keeper, tenure];
}

/** The same keeper a second later: it has told its worker to pause. */
async function draining(setup: Parameters<typeof driveKeeper>[0] = {}): Promise<[KeeperDriver, Tenure]> {
  const [keeper, tenure] = await yielding(setup);
  await keeper.advance(1_000);
  return [keeper, tenure];
}

const drained = { type: 'drained', open: 0 } as const;

describe('a keeper that is asked for its lease', () => {
  it('answers a wish right after the renewal that shows it, and delivers for another second', async () => {
    const [keeper, tenure] = await yielding();
    expect(keeper.row).to.deep.include({ kinactAnswer: `yielding ${askerWriter} 100000`, leaseOwner: me });
    await keeper.advance(999);
    expect(keeper.controls.get(1)).to.equal(undefined);
    expect(tenure.ended).to.equal(false);
    await keeper.advance(1);
    expect(keeper.controls.get(1)).to.deep.equal([{ type: 'pause', fence: tenure.fence, number: 1 }]);
  });

  it('hands over a drained lease in one write that names the asking worker, and ends', async () => {
    const [keeper, tenure] = await draining();
    tenure.newestHandedOut = { sequenceNumber: '200', subSequenceNumber: 0 };
    await keeper.reportFrontier(tenure, '200');
    const { leaseCounter } = keeper.row;
    await keeper.endShardWorker(tenure, drained);
    const at = { checkpoint: '200', subSequenceNumber: 0 };
    expect(keeper.row).to.deep.include({
      ...rowAfterHandOver,
      checkpoint: '200',
      leaseCounter: leaseCounter + 1,
      ownerSwitchesSinceCheckpoint: 1,
    });
    expect(keeper.row).to.not.have.any.keys('kinactWish', 'kinactAnswer');
    expect(tenure).to.deep.include({ ended: true, deadline: 0 });
    expect(keeper.news.at(-1)).to.deep.equal({ type: 'handedOver', to: 'you', at });
    expect(keeper.eventsOf('leaseHandedOver')).to.deep.equal([
      { source: 'orders', shardId, leaseKey: shardId, to: 'you' },
    ]);
    expect(keeper.eventsOf('leaseLost')).to.deep.equal([]);
    expect(keeper.ended).to.equal(true);
  });

  it('does not hand over while its worker may still settle records, and continues to renew', async () => {
    const [keeper] = await draining();
    const { leaseCounter } = keeper.row;
    await keeper.advance(renewalMs);
    expect(keeper.row.leaseOwner).to.equal(me);
    expect(keeper.row.leaseCounter).to.be.greaterThan(leaseCounter);
  });

  it('refuses tenures while the hand-over is under way', async () => {
    const [keeper, tenure] = await draining();
    keeper.store.script('update', { type: 'holdBefore', until: new Promise(() => {}) });
    await keeper.endShardWorker(tenure, drained);
    expect(await keeper.askForTenure(2)).to.deep.equal({ type: 'refused', reason: 'the lease is being handed over' });
  });

  it('refuses when the drain takes too long, finishes the drain, and continues under a new fence', async () => {
    const [keeper, tenure] = await draining({ handOverMs: 2_000 });
    ask(keeper, 2);
    await keeper.advance(2_000);
    expect(keeper.row.kinactAnswer).to.equal(`refused ${askerWriter}`);
    expect(tenure.ended, 'what is under way is not cut off').to.equal(false);
    await keeper.endShardWorker(tenure, drained);
    expect(keeper.row.leaseOwner).to.equal(me);
    const next = await keeper.startShardWorker(2);
    expect(next.fence).to.be.greaterThan(tenure.fence);
    ask(keeper, 3);
    await keeper.advance(renewalMs + 2_000);
    expect(keeper.controls.get(2), 'the same wish is not heard again').to.equal(undefined);
  });

  it('extends the drain while the frontier moves, to ten times handOverMs at most', async () => {
    const [keeper, tenure] = await draining({ handOverMs: 2_000 });
    let number = 2;
    for (let at = 0; at < 19_000; at += 1_000) {
      ask(keeper, number++);
      await keeper.reportFrontier(tenure, String(101 + at));
      await keeper.advance(1_000);
      expect(keeper.row.kinactAnswer, `after ${at} ms`).to.equal(`yielding ${askerWriter} 20000`);
    }
    ask(keeper, number);
    await keeper.advance(1_500);
    expect(keeper.row.kinactAnswer).to.equal(`refused ${askerWriter}`);
  });

  it('drains for at most ten minutes, however long handOverMs is', async () => {
    const [keeper, tenure] = await draining({ handOverMs: 400_000 });
    expect(keeper.row.kinactAnswer).to.equal(`yielding ${askerWriter} 600000`);
    const drainOn = async (from: number, until: number): Promise<void> => {
      for (let ms = from; ms < until; ms += 2_000) {
        ask(keeper, 2 + ms);
        await keeper.advance(2_000);
        await keeper.reportFrontier(tenure, String(1_000_000 + ms));
      }
    };
    await drainOn(0, 598_000);
    expect(keeper.controls.get(1)).to.have.length(1);
    await drainOn(598_000, 604_000);
    expect(keeper.controls.get(1)?.map(({ type }) => type)).to.deep.equal(['pause', 'resume']);
  });

  it('does not extend the drain for a repeated frontier or one of an earlier tenure', async () => {
    const [keeper, tenure] = await draining({ handOverMs: 2_000 });
    ask(keeper, 2);
    await keeper.advance(1_900);
    const { shardWorkerNumber: shardWorker, fence } = tenure;
    const position = { sequenceNumber: '100', subSequenceNumber: 0 };
    await keeper.tell({ type: 'frontier', frontier: { shardWorker, fence: fence - 1, position, records: 9 } });
    await keeper.tell({ type: 'frontier', frontier: { shardWorker, fence, position, records: 1 } });
    await keeper.advance(100);
    expect(keeper.row.kinactAnswer).to.equal(`refused ${askerWriter}`);
  });

  it('refuses when its worker crashes, because calls may still run', async () => {
    const [keeper] = await draining();
    await keeper.killShardWorker(1);
    expect(keeper.row).to.deep.include({ leaseOwner: me, kinactAnswer: `refused ${askerWriter}` });
  });

  it('refuses when its worker has ended with open records', async () => {
    const [keeper, tenure] = await draining();
    tenure.newestHandedOut = { sequenceNumber: '300', subSequenceNumber: 0 };
    await keeper.endShardWorker(tenure, { type: 'drained', open: 1 });
    expect(keeper.row).to.deep.include({ leaseOwner: me, kinactAnswer: `refused ${askerWriter}` });
  });

  it('ignores that an earlier worker cannot drain, and that its worker cannot before it has to', async () => {
    const [keeper, tenure] = await yielding();
    await keeper.tell({ type: 'cannotDrain', shardWorker: 1, fence: tenure.fence });
    await keeper.advance(1_000);
    await keeper.tell({ type: 'cannotDrain', shardWorker: 1, fence: tenure.fence - 1 });
    expect(keeper.controls.get(1)!.map(({ type }) => type)).to.deep.equal(['pause']);
    await keeper.endShardWorker(tenure, drained);
    expect(keeper.row).to.deep.include(rowAfterHandOver);
  });

  it('sends no pause to a worker whose tenure is revoked, and hands over once that has ended', async () => {
    const [keeper, tenure] = await yielding();
    keeper.suspend(marginMs + 1);
    await keeper.advance(1_000);
    expect(keeper.controls.get(1)!.map(({ type }) => type)).to.deep.equal(['revoked']);
    expect(keeper.state.receivedWish?.phase).to.equal('draining');
    await keeper.endShardWorker(tenure, drained);
    expect(keeper.row).to.deep.include(rowAfterHandOver);
  });

  it('gives the lease up if the table refuses the hand-over again and again, although nothing has changed', async () => {
    const [keeper, tenure] = await draining();
    let refused = 0;
    keeper.store.update = async () => {
      refused += 1;
      return { type: 'refused', current: keeper.row };
    };
    await keeper.endShardWorker(tenure, drained);
    for (let n = 0; n < 10 && !keeper.ended; n += 1) await keeper.advance(200);
    expect(refused).to.equal(4);
    expect(keeper.news.at(-1)).to.include({ type: 'lost', retake: true });
  });

  it('hands over at once a lease that no worker reads', async () => {
    const keeper = await driveKeeper({ mayNotStart: true });
    ask(keeper);
    await keeper.advance(renewalMs);
    expect(keeper.row).to.deep.include(rowAfterHandOver);
    expect(keeper.news.at(-1)).to.deep.include({ type: 'handedOver', to: 'you' });
  });

  it('keeps the lease if the wish is withdrawn before the drain, during it, or before the hand-over', async () => {
    const [early] = await yielding();
    withdraw(early);
    ask(early, 9, 'another/tenure');
    early.state.timing.renewAt = early.clock.now;
    await early.advance(1_000);
    await early.advance(renewalMs);
    expect(early.row.leaseOwner).to.equal(me);

    const [late, tenure] = await draining();
    withdraw(late);
    await late.advance(renewalMs);
    await late.endShardWorker(tenure, drained);
    expect(late.row.leaseOwner).to.equal(me);
    expect((await late.startShardWorker(2)).fence).to.be.greaterThan(tenure.fence);

    const [last, lastTenure] = await draining();
    last.store.script('update', { type: 'meanwhile', act: () => withdraw(last) });
    await last.endShardWorker(lastTenure, drained);
    expect(last.row).to.deep.include({ leaseOwner: me });
    expect(last.ended).to.equal(false);
    expect((await last.startShardWorker(2)).fence).to.be.greaterThan(lastTenure.fence);
  });

  it('does not yield to a wish that is no longer raised, until it is raised again', async () => {
    const [keeper, tenure] = await draining({ handOverMs: 60_000 });
    await keeper.advance(failoverMs);
    await keeper.endShardWorker(tenure, drained);
    expect(keeper.row.leaseOwner).to.equal(me);
    await keeper.startShardWorker(2);
    await keeper.advance(renewalMs + 2_000);
    expect(keeper.controls.get(2), 'as long as it is not raised').to.equal(undefined);
    ask(keeper, 2);
    await keeper.advance(renewalMs + 1_000);
    expect(keeper.controls.get(2)).to.have.length(1);
  });

  it('ignores a wish that is addressed to another keeper', async () => {
    const keeper = await driveKeeper();
    await keeper.startShardWorker(1);
    ask(keeper, 1, 'n1/6');
    await keeper.advance(renewalMs + 2_000);
    expect(keeper.row).to.not.have.property('kinactAnswer');
    expect(keeper.controls.get(1)).to.equal(undefined);
  });

  it('recognises its hand-over after a lost reply, even if the new owner has taken or released the lease', async () => {
    for (const then of [
      (): void => {},
      (keeper: KeeperDriver): void => void keeper.store.takeAs(shardId, 'you', askerWriter),
      (keeper: KeeperDriver): void =>
        void keeper.store.rows.set(shardId, applyChange(keeper.row, { leaseOwner: null }, askerWriter)),
    ]) {
      const [keeper, tenure] = await draining();
      await keeper.reportFrontier(tenure, '200');
      keeper.store.script('update', { type: 'failAfter' });
      await keeper.endShardWorker(tenure, drained);
      expect(keeper.ended).to.equal(false);
      expect(await keeper.askForTenure(2)).to.deep.include({ type: 'refused' });
      then(keeper);
      await keeper.advance(2_000);
      expect(keeper.news.at(-1)).to.deep.include({ type: 'handedOver', to: 'you' });
      expect(keeper.eventsOf('leaseLost')).to.deep.equal([]);
      expect(keeper.eventsOf('checkpoint').at(-1)).to.deep.include({ sequenceNumber: '200' });
    }
  });

  it('repeats the hand-over when it did not take effect and the wish still stands', async () => {
    const [keeper, tenure] = await draining();
    keeper.store.script('update', { type: 'failBefore' });
    await keeper.endShardWorker(tenure, drained);
    await keeper.advance(2_000);
    expect(keeper.row).to.deep.include(rowAfterHandOver);
  });

  it('reports the lease as lost when a Java worker has taken it meanwhile', async () => {
    const [keeper, tenure] = await draining();
    keeper.store.takeAs(shardId, 'java');
    await keeper.endShardWorker(tenure, drained);
    expect(keeper.news.at(-1)).to.deep.include({ type: 'lost', reason: 'taken by java' });
  });

  it('ends the shard instead of handing it over', async () => {
    const [keeper, tenure] = await draining();
    await keeper.endShardWorker(tenure, { type: 'shardEnd', children: [], notFound: false });
    await keeper.plan({ type: 'ready', childShardIds: [] });
    expect(keeper.row).to.deep.include({ checkpoint: 'SHARD_END', leaseOwner: me });
    expect(keeper.row).to.not.have.any.keys('kinactWish', 'kinactAnswer');
  });

  describe('when it has to stop', () => {
    const stopping = { type: 'release', reason: 'stopping', deadlineMs: 5_000 } as const;

    it('hands the lease over directly to the asking worker if no worker reads it any more', async () => {
      const [keeper, tenure] = await draining();
      keeper.store.script('update', { type: 'failBefore' });
      await keeper.endShardWorker(tenure, drained);
      expect(keeper.row.leaseOwner).to.equal(me);
      await keeper.tell(stopping);
      await keeper.advance(1_000);
      expect(keeper.row).to.deep.include({ ...rowAfterHandOver, checkpoint: '100' });
      expect(keeper.newsOf('released')[0]!.lease).to.deep.include({
        released: true,
        recordsLeft: 0,
        checkpoint: '100',
      });
    });

    // Only after a pause is it certain that no call runs.
    it('releases the lease to any worker if its own worker drains for the stop', async () => {
      const [keeper, tenure] = await yielding();
      await keeper.tell(stopping);
      await keeper.endShardWorker(tenure, drained);
      expect(keeper.row).to.not.have.property('leaseOwner');
      expect(keeper.newsOf('released')[0]!.lease).to.deep.include({
        released: true,
        recordsLeft: 0,
        checkpoint: '100',
      });
    });

    it('releases the lease to any worker if the wish is gone or a record is open', async () => {
      const [gone, goneTenure] = await yielding();
      await gone.tell(stopping);
      gone.store.script('update', { type: 'meanwhile', act: () => withdraw(gone) });
      await gone.endShardWorker(goneTenure, drained);
      expect(gone.row).to.not.have.property('leaseOwner');
      expect(gone.newsOf('released')[0]!.lease).to.deep.include({ released: true, recordsLeft: 0 });

      const [open, tenure] = await yielding();
      tenure.newestHandedOut = { sequenceNumber: '300', subSequenceNumber: 0 };
      await open.tell(stopping);
      await open.endShardWorker(tenure, { type: 'drained', open: 1 });
      expect(open.row.leaseOwner, 'a call may run').to.equal(me);
      await open.advance(stopping.deadlineMs);
      expect(open.row).to.not.have.property('leaseOwner');
    });
  });
});
