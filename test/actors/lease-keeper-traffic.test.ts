// A keeper sends no write before it has a permit of the table, and decides only then what to write.
// The queue is a stub that gives permits when the test says so.
// The keeper takes the lease, or holds it. `work` begins a shard worker in a tenure; `frontier` reports what it has settled;
// `down` is its death without a last word.
import { expect } from 'chai';
import type { LeaseTraffic, TrafficOrder, TrafficPermit } from '../../src/core/lease-traffic.js';
import { driveKeeper, failoverMs, marginMs } from '../support/keeper-driver.js';
import type { KeeperDriver, KeeperSetup } from '../support/keeper-driver.js';

/** A queue that lets nobody in at once; `next` gives a permit to the one that waits. */
function closedQueue() {
  const orders = new Set<TrafficOrder>();
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
    orders,
    ended,
    moved,
    setOpen: (now: boolean): void => void (open = now),
    waits: (): boolean => granting !== undefined,
    traffic: {
      join: () => {
        const order: TrafficOrder = { kind: 'take', deadline: Infinity, renewalDue: Infinity };
        orders.add(order);
        return order;
      },
      leave: (order) => void orders.delete(order),
      enter: () => (open ? permit() : undefined),
      wait: (_, signal) =>
        new Promise((resolve, reject) => {
          granting = resolve;
          signal.addEventListener('abort', () => reject(new Error('aborted')));
        }),
      moved: (order) => void moved.push(order.kind),
      report: () => ({ takesWaiting: 0, oldestTakeMs: 0, perSecond: 0 }),
    } satisfies LeaseTraffic as LeaseTraffic,
    async next(keeper: KeeperDriver): Promise<void> {
      const grant = granting;
      granting = undefined;
      grant?.(permit());
      await keeper.settle();
    },
    order: (): TrafficOrder => [...orders][0]!,
  };
  return queue;
}

async function held(setup: KeeperSetup = {}): Promise<{ queue: ReturnType<typeof closedQueue>; keeper: KeeperDriver }> {
  const queue = closedQueue();
  queue.setOpen(true);
  const keeper = await driveKeeper({ traffic: queue.traffic, ...setup });
  await keeper.work(1);
  queue.setOpen(false);
  queue.ended.length = 0;
  return { queue, keeper };
}

describe('a keeper whose table has a queue', () => {
  it('sends nothing before it has a permit, and counts its deadline and its time limit from then', async () => {
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
    await keeper.settle();
    expect(keeper.newsOf('taken')).to.have.length(1);
    expect(keeper.state.timing.liveUntil).to.equal(sentAt + failoverMs - marginMs);
    expect(queue.ended).to.deep.equal(['answered']);
  });

  it('asks as what it is about to write: a renewal with its deadline, then a release', async () => {
    const { keeper, queue } = await held();
    const { liveUntil } = keeper.state.timing;
    await keeper.advance(failoverMs / 3);
    const renewalDue = liveUntil + marginMs - failoverMs + failoverMs / 3;
    expect(queue.order()).to.deep.equal({ kind: 'renew', deadline: liveUntil, renewalDue });
    await keeper.tell({ type: 'release', reason: 'stopping', deadlineMs: 2_000 });
    await keeper.down(1);
    await keeper.tell({ type: 'callsEnded' });
    expect(queue.order()).to.deep.equal({ kind: 'duty', deadline: Infinity, renewalDue: Infinity });
    await queue.next(keeper);
    expect(keeper.newsOf('released')[0]?.lease).to.include({ released: true });
    expect(queue.orders.size).to.equal(0);
  });

  it('decides what to write when its permit has come: the checkpoint on board is the newest', async () => {
    const { keeper, queue } = await held();
    await keeper.advance(failoverMs / 3);
    expect(queue.waits()).to.equal(true);
    await keeper.frontier(keeper.state.tenure!.shared, '7');
    await queue.next(keeper);
    expect(keeper.row.checkpoint).to.equal('7');
  });

  it('does not look again and again while it waits', async () => {
    const { keeper } = await held();
    await keeper.advance(failoverMs / 3 + 1);
    expect(keeper.timers.get('wake')).to.equal(keeper.state.tenure!.shared.deadline);
  });

  it('ends its tenure at the deadline, permit or not, and renews when the permit comes', async () => {
    const { keeper, queue } = await held();
    const { shared: tenure } = keeper.state.tenure!;
    await keeper.advance(failoverMs);
    expect(tenure.dead).to.equal(true);
    await queue.next(keeper);
    expect(keeper.state.timing.liveUntil).to.be.greaterThan(keeper.clock.now);
    expect(tenure.dead).to.equal(true);
  });

  it('asks for a checkpoint that no renewal waits for as that, and says when it has become a renewal', async () => {
    const { keeper, queue } = await held({ checkpointIntervalMs: 200 });
    await keeper.advance(1_000);
    await keeper.frontier(keeper.state.tenure!.shared, '7');
    expect([queue.waits(), queue.order().kind]).to.deep.equal([true, 'checkpoint']);
    expect(queue.moved).to.deep.equal([]);
    await keeper.advance(failoverMs / 3 - 1_000);
    expect(queue.order()).to.include({ kind: 'renew', deadline: keeper.state.timing.liveUntil });
    expect(queue.moved).to.deep.equal(['renew']);
    await queue.next(keeper);
    expect(keeper.row.checkpoint).to.equal('7');
  });

  it('gives a take up that has had no permit for three times failoverMs', async () => {
    const queue = closedQueue();
    const keeper = await driveKeeper({ traffic: queue.traffic });
    await keeper.advance(3 * failoverMs - 1);
    expect(keeper.newsOf('notTaken')).to.deep.equal([]);
    await keeper.advance(1);
    expect(keeper.newsOf('notTaken')[0]).to.include({
      reason: 'its take got no permit to write',
      retake: false,
    });
    expect([keeper.ended, keeper.store.calls.length, queue.orders.size]).to.deep.equal([true, 0, 0]);
  });

  it('gives a permit back that comes when nothing is to be written any more', async () => {
    const { keeper, queue } = await held();
    await keeper.begin(2);
    expect(queue.waits()).to.equal(true);
    await keeper.down(2);
    await queue.next(keeper);
    expect(queue.ended).to.deep.equal(['unused']);
  });

  it('gives a permit back that comes after the lease was lost, while onCheckpoint is waited for', async () => {
    const queue = closedQueue();
    queue.setOpen(true);
    const keeper = await driveKeeper({ traffic: queue.traffic, onCheckpoint: () => new Promise(() => {}) });
    await keeper.frontier(await keeper.work(1), '7');
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

  it('keeps a row that it makes again, however old it is: only a first take is given up, and only that can wait', async () => {
    const { keeper, queue } = await held();
    queue.setOpen(true);
    await keeper.advance(4 * failoverMs);
    queue.setOpen(false);
    keeper.store.rows.clear();
    await keeper.advance(failoverMs / 3);
    await queue.next(keeper);
    await queue.next(keeper);
    expect([keeper.state.phase, queue.order().kind]).to.deep.equal(['taking', 'duty']);
    await keeper.advance(500);
    expect(keeper.newsOf('lost')).to.deep.equal([]);
    await queue.next(keeper);
    expect([keeper.state.phase, keeper.row.leaseOwner]).to.deep.equal(['held', 'me']);
  });

  it('gives a take up at once that was never sent, when the lease is to be released', async () => {
    const queue = closedQueue();
    const keeper = await driveKeeper({ traffic: queue.traffic });
    await keeper.tell({ type: 'release', reason: 'stopping', deadlineMs: 20_000 });
    expect(keeper.newsOf('notTaken')).to.have.length(1);
    expect(keeper.store.calls).to.deep.equal([]);
  });

  it('gives a permit back that it has no use for, and tells how each request ended', async () => {
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
    expect(queue.orders.size).to.equal(0);
  });
});
