// A worker that asks for a lease leaves no wish behind in the row of an ended shard, and waits as long as the holder needs.
// `holder` holds the lease; `me` asks for it, and is the keeper.
import { expect } from 'chai';
import { failoverText } from '../../../src/core/lease-failover.js';
import { answerText, wishText } from '../../../src/core/lease-wish.js';
import { writerPrefixOf } from '../../../src/core/writer-signature.js';
import {
  driveKeeper,
  failoverMs,
  shardId,
  writer,
  type KeeperDriver,
  type KeeperSetup,
} from '../../support/keeper-driver.js';
import { leaseRow } from '../../support/memory-lease-store.js';
import type { LeaseRow } from '../../../src/core/lease.js';

const holder = { id: 'holder', writer: `${writerPrefixOf('holder', 'h1')}/3` };

function rowOfHolder(holderMs = failoverMs): LeaseRow {
  return leaseRow({
    leaseKey: shardId,
    leaseCounter: 40,
    leaseOwner: holder.id,
    kinactWriter: holder.writer,
    kinactFailover: failoverText(holderMs, holder.writer),
  });
}

const asking = (setup: KeeperSetup & { readonly holderMs?: number } = {}): Promise<KeeperDriver> =>
  driveKeeper({ handOverMs: failoverMs, seenRow: rowOfHolder(setup.holderMs), wish: { stale: undefined }, ...setup });

const change = (keeper: KeeperDriver, row: Partial<LeaseRow>): void =>
  void keeper.store.rows.set(shardId, { ...keeper.row, ...row });

const renewed = (keeper: KeeperDriver): void => change(keeper, { leaseCounter: keeper.row.leaseCounter + 1 });

describe('a worker that asks for a lease', () => {
  it('leaves no wish in the row of a shard that has ended', async () => {
    const keeper = await asking();
    await keeper.advance(failoverMs / 3 - 200);
    renewed(keeper);
    await keeper.advance(100);
    // SHARD_END: owner and writer stay, wish and answer go.
    const { kinactWish: _wish, ...rest } = keeper.row;
    keeper.store.rows.set(shardId, { ...rest, checkpoint: 'SHARD_END', leaseCounter: keeper.row.leaseCounter + 1 });
    await keeper.advance(3 * failoverMs);
    expect(keeper.ended).to.equal(true);
    expect(keeper.row.kinactWish).to.equal(undefined);
  });

  it('waits longer for a holder whose failover time is longer than its own', async () => {
    const holderMs = 10 * failoverMs;
    const keeper = await asking({ holderMs });
    // A holder renews after a third of its failover time, and sees the wish then.
    for (let ms = 0; ms < holderMs / 3; ms += 1_000) await keeper.advance(1_000);
    expect(keeper.newsOf('notTaken').map(({ reason }) => reason)).to.deep.equal([]);
    expect(keeper.row.kinactWish).to.match(/^n1\/7 /);
  });

  it('waits as long as the answer gives the holder to drain, even beyond its own handOverMs', async () => {
    const keeper = await asking();
    await keeper.advance(1_000);
    const kinactAnswer = answerText('yielding', { writer }, 60_000);
    change(keeper, { kinactAnswer, leaseCounter: keeper.row.leaseCounter + 1 });
    // The handOverMs of the holder is a minute, and the holder continues to renew.
    for (let ms = 0; ms < 50_000; ms += 1_000) {
      await keeper.advance(1_000);
      if (ms % 3_000 === 0) renewed(keeper);
    }
    expect(keeper.newsOf('notTaken').map(({ reason }) => reason)).to.deep.equal([]);
  });

  it('takes the lease within a second of the hand-over, even if the write of its wish hangs', async () => {
    const keeper = await asking();
    await keeper.advance(1_000);
    change(keeper, { kinactAnswer: answerText('yielding', { writer }), leaseCounter: keeper.row.leaseCounter + 1 });
    await keeper.advance(1_100);
    keeper.store.script('wish', { type: 'holdBefore', until: new Promise(() => {}) });
    await keeper.advance(failoverMs / 3 - 2_100);
    expect(keeper.status()).to.include({ writing: 'wish' });
    const { kinactWish: _wish, kinactAnswer: _answer, ...rest } = keeper.row;
    const counter = rest.leaseCounter + 1;
    keeper.store.rows.set(shardId, {
      ...rest,
      leaseCounter: counter,
      leaseOwner: 'me',
      kinactWriter: writer,
      kinactFailover: failoverText(failoverMs, writer),
    });
    await keeper.advance(1_000);
    expect(keeper.row.leaseCounter, 'a second after it was handed over').to.equal(counter + 1);
  });

  it('does not report `wishFailed` for a wish that never reached the row', async () => {
    const keeper = await asking();
    expect(keeper.row.kinactWish).to.equal(
      wishText({ writer, failoverMs, number: 1, holder: holder.writer, workerId: 'me' }),
    );
    const other = await driveKeeper({
      handOverMs: failoverMs,
      seenRow: rowOfHolder(),
      wish: { stale: undefined },
      traffic: {
        join: () => ({ kind: 'take', deadline: Infinity, renewalDue: Infinity }),
        leave: () => {},
        enter: () => undefined,
        wait: () => new Promise(() => {}),
        moved: () => {},
        report: () => ({ takesWaiting: 1, oldestTakeMs: 0, perSecond: 0 }),
      },
    });
    await other.advance(4 * failoverMs);
    expect(other.store.calls.filter(({ operation }) => operation === 'wish')).to.deep.equal([]);
    expect(other.newsOf('notTaken').map(({ wishFailed }) => wishFailed)).to.deep.equal([undefined]);
  });
});
