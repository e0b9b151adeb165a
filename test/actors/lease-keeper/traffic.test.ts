// A keeper sends no write before the queue of the table has granted a permit, and decides only then what to write. The queue is a stub that
// grants a permit when the test calls `next`.
import { expect } from 'chai';
import type { LeaseTraffic, QueueEntry, TrafficPermit } from '../../../src/core/lease-traffic.js';
import { asking, seenRow } from '../../support/asking-keeper.js';
import {
  driveKeeper,
  failoverMs,
  marginMs,
  me,
  shardId,
  writer,
  type KeeperDriver,
  type KeeperSetup,
} from '../../support/keeper-driver.js';
import { memoryLeaseStore } from '../../support/memory-lease-store.js';

/** A queue that grants no permit at once, unless it is open. `next` grants a permit to the keeper that waits. */
function closedQueue() {
  const entries = new Set<QueueEntry>();
  const ended: string[] = [];
  const moved: string[] = [];
  let granting: ((permit: TrafficPermit) => void) | undefined;
  const permit = (): TrafficPermit => {
    let isOpen = true;
    return {
      end: (outcome) => {
        if (isOpen) ended.push(outcome);
        isOpen = false;
      },
    };
  };
  let open = false;
  const queue = {
    entries,
    ended,
    moved,
    setOpen: (now: boolean): void => void (open = now),
    waits: (): boolean => granting !== undefined,
    traffic: {
      join: () => {
        const entry: QueueEntry = { kind: 'take', deadline: Infinity, renewalDue: Infinity };
        entries.add(entry);
        return entry;
      },
      leave: (entry) => void entries.delete(entry),
      enter: () => (open ? permit() : undefined),
      wait: (_, signal) =>
        new Promise((resolve, reject) => {
          granting = resolve;
          signal.addEventListener('abort', () => reject(new Error('aborted')));
        }),
      moved: (entry) => void moved.push(entry.kind),
      report: () => ({ takesWaiting: 0, oldestTakeMs: 0, perSecond: 0 }),
    } satisfies LeaseTraffic as LeaseTraffic,
    async next(keeper: KeeperDriver): Promise<void> {
      const grant = granting;
      granting = undefined;
      grant?.(permit());
      await keeper.untilIdle();
    },
    entry: (): QueueEntry => [...entries][0]!,
  };
  return queue;
}

async function held(setup: KeeperSetup = {}): Promise<{ queue: ReturnType<typeof closedQueue>; keeper: KeeperDriver }> {
  const queue = closedQueue();
  queue.setOpen(true);
  const keeper = await driveKeeper({ traffic: queue.traffic, ...setup });
  await keeper.startShardWorker(1);
  queue.setOpen(false);
  queue.ended.length = 0;
  return { queue, keeper };
}

describe('a keeper that needs permits to write', () => {
  it('sends a write only with a permit, and counts its deadline and time limit from then', async () => {
    const queue = closedQueue();
    const keeper = await driveKeeper({ traffic: queue.traffic });
    await keeper.advance(failoverMs);
    expect(keeper.store.calls).to.deep.equal([]);
    const sentAt = keeper.clock.now;
    let answer = (): void => {};
    keeper.store.script('update', { type: 'holdAfter', until: new Promise<void>((resolve) => (answer = resolve)) });
    await queue.next(keeper);
    expect(keeper.store.calls).to.have.length(1);
    await keeper.advance(failoverMs / 2 - 1);
    expect(keeper.eventsOf('retrying')).to.deep.equal([]);
    answer();
    await keeper.untilIdle();
    expect(keeper.newsOf('taken')).to.have.length(1);
    expect(keeper.state.timing.liveUntil).to.equal(sentAt + failoverMs - marginMs);
    expect(queue.ended).to.deep.equal(['answered']);
  });

  it('orders a permit for a renewal with its deadline, then one for a release', async () => {
    const { keeper, queue } = await held();
    const { liveUntil } = keeper.state.timing;
    await keeper.advance(failoverMs / 3);
    const renewalDue = liveUntil + marginMs - failoverMs + failoverMs / 3;
    expect(queue.entry()).to.deep.equal({ kind: 'renew', deadline: liveUntil, renewalDue });
    await keeper.tell({ type: 'release', reason: 'stopping', deadlineMs: 2_000 });
    await keeper.killShardWorker(1);
    await keeper.tell({ type: 'callsEnded' });
    expect(queue.entry()).to.deep.equal({ kind: 'duty', deadline: Infinity, renewalDue: Infinity });
    await queue.next(keeper);
    expect(keeper.newsOf('released')[0]?.lease).to.include({ released: true });
    expect(queue.entries.size).to.equal(0);
  });

  it('decides what to write when the permit comes, with the newest frontier as the checkpoint', async () => {
    const { keeper, queue } = await held();
    await keeper.advance(failoverMs / 3);
    expect(queue.waits()).to.equal(true);
    await keeper.reportFrontier(keeper.state.tenure!.shared, '7');
    await queue.next(keeper);
    expect(keeper.row.checkpoint).to.equal('7');
  });

  it('sets its timer to the deadline of the tenure while it waits for a permit', async () => {
    const { keeper } = await held();
    await keeper.advance(failoverMs / 3 + 1);
    expect(keeper.timers.get('wake')).to.equal(keeper.state.tenure!.shared.deadline);
  });

  it('ends its tenure at the deadline without a permit, and renews when the permit comes', async () => {
    const { keeper, queue } = await held();
    const { shared: tenure } = keeper.state.tenure!;
    await keeper.advance(failoverMs);
    expect(tenure.ended).to.equal(true);
    await queue.next(keeper);
    expect(keeper.state.timing.liveUntil).to.be.greaterThan(keeper.clock.now);
    expect(tenure.ended).to.equal(true);
  });

  it('orders a permit of kind `checkpoint` for an extra checkpoint, and changes it to `renew` when due', async () => {
    const { keeper, queue } = await held({ checkpointIntervalMs: 200 });
    await keeper.advance(1_000);
    await keeper.reportFrontier(keeper.state.tenure!.shared, '7');
    expect([queue.waits(), queue.entry().kind]).to.deep.equal([true, 'checkpoint']);
    expect(queue.moved).to.deep.equal([]);
    await keeper.advance(failoverMs / 3 - 1_000);
    expect(queue.entry()).to.include({ kind: 'renew', deadline: keeper.state.timing.liveUntil });
    expect(queue.moved).to.deep.equal(['renew']);
    await queue.next(keeper);
    expect(keeper.row.checkpoint).to.equal('7');
  });

  it('gives up a take that gets no permit within three times failoverMs', async () => {
    const queue = closedQueue();
    const keeper = await driveKeeper({ traffic: queue.traffic });
    await keeper.advance(3 * failoverMs - 1);
    expect(keeper.newsOf('notTaken')).to.deep.equal([]);
    await keeper.advance(1);
    expect(keeper.newsOf('notTaken')[0]).to.include({
      reason: 'its take got no permit to write',
      retake: false,
    });
    expect([keeper.ended, keeper.store.calls.length, queue.entries.size]).to.deep.equal([true, 0, 0]);
  });

  it('returns a permit that comes when there is nothing left to write', async () => {
    const { keeper, queue } = await held();
    await keeper.askForTenure(2);
    expect(queue.waits()).to.equal(true);
    await keeper.killShardWorker(2);
    await queue.next(keeper);
    expect(queue.ended).to.deep.equal(['unused']);
  });

  it('returns a permit that comes after a release has timed out, while onCheckpoint still runs', async () => {
    const queue = closedQueue();
    queue.setOpen(true);
    const keeper = await driveKeeper({ traffic: queue.traffic, onCheckpoint: () => new Promise(() => {}) });
    await keeper.reportFrontier(await keeper.startShardWorker(1), '7');
    await keeper.advance(failoverMs / 3);
    queue.setOpen(false);
    await keeper.advance(failoverMs / 3);
    await keeper.tell({ type: 'release', reason: 'stopping', deadlineMs: 1_000 });
    await keeper.advance(1_000);
    expect([keeper.state.phase, keeper.ended]).to.deep.equal(['over', false]);
    queue.ended.length = 0;
    await queue.next(keeper);
    expect(queue.ended).to.deep.equal(['unused']);
  });

  it('orders a permit of kind `duty` to take a row that it created again, without a time limit', async () => {
    const { keeper, queue } = await held();
    queue.setOpen(true);
    await keeper.advance(4 * failoverMs);
    queue.setOpen(false);
    keeper.store.rows.clear();
    await keeper.advance(failoverMs / 3);
    await queue.next(keeper);
    await queue.next(keeper);
    expect([keeper.state.phase, queue.entry().kind]).to.deep.equal(['taking', 'duty']);
    await keeper.advance(500);
    expect(keeper.newsOf('lost')).to.deep.equal([]);
    await queue.next(keeper);
    expect([keeper.state.phase, keeper.row.leaseOwner]).to.deep.equal(['held', 'me']);
  });

  it('asks for another permit if the queue takes the entry out', async () => {
    const { queue, keeper } = await held();
    const { wait } = queue.traffic;
    let asked = 0;
    queue.traffic.wait = (entry, signal) =>
      (asked += 1) === 1 ? Promise.reject(new Error('out')) : wait(entry, signal);
    await keeper.advance(failoverMs / 3);
    expect([asked, queue.waits()]).to.deep.equal([2, true]);
    const { leaseCounter } = keeper.row;
    await queue.next(keeper);
    expect(keeper.row.leaseCounter).to.equal(leaseCounter + 1);
  });

  it('releases at once a lease that was handed over to it and whose take waits for a permit', async () => {
    const queue = closedQueue();
    queue.setOpen(true);
    const store = memoryLeaseStore([seenRow]);
    const keeper = await asking(store, { traffic: queue.traffic });
    queue.setOpen(false);
    store.rows.set(shardId, { ...keeper.row, leaseOwner: me, kinactWriter: writer, leaseCounter: 5 });
    await keeper.advance(1_000);
    expect([keeper.state.phase, queue.waits()]).to.deep.equal(['taking', true]);
    await keeper.tell({ type: 'release', reason: 'stopping', deadlineMs: 5_000 });
    expect(queue.entry().kind).to.equal('duty');
    await queue.next(keeper);
    expect(keeper.row).to.not.have.property('leaseOwner');
    expect(keeper.newsOf('released')[0]!.lease).to.deep.include({ released: true, recordsLeft: 0 });
  });

  it('gives up an unsent take at once when a release is asked for', async () => {
    const queue = closedQueue();
    const keeper = await driveKeeper({ traffic: queue.traffic });
    await keeper.tell({ type: 'release', reason: 'stopping', deadlineMs: 20_000 });
    expect(keeper.newsOf('notTaken')).to.have.length(1);
    expect(keeper.store.calls).to.deep.equal([]);
  });

  it('reports to the queue whether a request was throttled or failed, and leaves it when stopped', async () => {
    const { keeper, queue } = await held();
    await keeper.advance(failoverMs / 3);
    const error = Object.assign(new Error('slow down'), { name: 'ThrottlingException' });
    keeper.store.script('update', { type: 'failBefore', error });
    await queue.next(keeper);
    expect(queue.ended).to.deep.equal(['throttled']);
    keeper.store.script('update', { type: 'holdBefore', until: new Promise(() => {}) });
    await keeper.advance(1_000);
    await queue.next(keeper);
    await keeper.advance(failoverMs / 2);
    expect(queue.ended).to.deep.equal(['throttled', 'failed']);
    keeper.stop();
    expect(queue.entries.size).to.equal(0);
  });
});
