// There is one shard worker for each startable lease, and never two on one shard. After a worker has ended, the next one starts a
// pause later. The supervisor is real, and the coordinators and workers are stubs, in virtual time.
import { expect } from 'chai';
import type { Behaviour, Effect, Ref } from '../../../actors/protocol/actor.js';
import type { LeaseCoordinatorRequest } from '../../../actors/lease-coordinator/lease-coordinator.js';
import {
  shardWorkerSupervisor,
  type ShardWorkerSupervisorMessage,
} from '../../../actors/shard-worker-supervisor/shard-worker-supervisor.js';
import type { HeldLease } from '../../../actors/protocol/lease-messages.js';
import { ManualClock } from '../../../src/testing/manual-clock.js';
import { createRuntime, endingOf, sendFromOutside, spawnRoot, stopRoot } from '../../../supervision/system.js';

let clock: ManualClock;
const roots: Ref<never>[] = [];

type StubMessage = { readonly type: 'end' } | { readonly type: 'crash' };

/** The supervisor with stub coordinators. `tell` makes a stub worker end or crash. */
async function running(coordinators = 1) {
  const runtime = createRuntime({ clock, timers: clock });
  const subscribers: Ref<never>[] = [];
  const coordinator: Behaviour<null, LeaseCoordinatorRequest> = {
    kind: 'stub-coordinator',
    initial: () => [null, []],
    receive: (_, message) => {
      if (message.type === 'subscribe') subscribers.push(message.subscriber);
      return [null, []];
    },
  };
  const refs = Array.from({ length: coordinators }, (_, index) => spawnRoot(runtime, coordinator, String(index)));
  const started: { lease: HeldLease; ref: Ref<StubMessage> }[] = [];
  const makeShardWorker = (lease: HeldLease): Behaviour<never, never> => {
    const behaviour: Behaviour<null, StubMessage> = {
      kind: 'stub-worker',
      initial: (ref) => (started.push({ lease, ref }), [null, []]),
      receive: (_, { type }) => {
        const effect: Effect<StubMessage> = type === 'end' ? { type } : { type: 'fail', error: new Error('worker') };
        return [null, [effect]];
      },
    };
    return behaviour as unknown as Behaviour<never, never>;
  };
  const options = { coordinators: () => refs, makeShardWorker, againMs: 1_000, callDeadlineMs: 100 };
  const self = spawnRoot(runtime, shardWorkerSupervisor(options), '');
  roots.push(self, ...refs);
  await clock.advance(1);
  const held = async (version: number, leases: HeldLease[], table = 'app'): Promise<void> => {
    const message: ShardWorkerSupervisorMessage = { type: 'held', table, version, leases };
    sendFromOutside(self, message);
    await clock.advance(1);
  };
  const changed = async (
    since: number,
    leases: HeldLease[],
    { gone = [], version = since + 1 }: { readonly gone?: string[]; readonly version?: number } = {},
  ): Promise<void> => {
    sendFromOutside(self, { type: 'held', table: 'app', version, change: { since, gone }, leases });
    await clock.advance(1);
  };
  const tell = async (index: number, type: 'end' | 'crash'): Promise<void> => {
    sendFromOutside(started[index]!.ref, { type });
    await clock.advance(1);
  };
  return { self, subscribers, started, held, changed, tell };
}

let keepers = 0;

function lease(shardId: string, parts: Partial<HeldLease> = {}): HeldLease {
  const keeper = Object.freeze({ path: `lease-keeper/${shardId}`, id: (keepers += 1) + 1e6 }) as HeldLease['keeper'];
  return { leaseKey: shardId, shardId, source: 's', keeper, startable: true, ...parts };
}

describe('the shard worker supervisor', () => {
  beforeEach(() => {
    clock = new ManualClock();
    clock.install();
  });
  afterEach(async () => {
    const stopped = Promise.all(roots.splice(0).map((root) => stopRoot(root, { deadlineMs: 100 })));
    await clock.advance(1_000);
    await stopped;
    clock.uninstall();
  });

  it('subscribes to every coordinator, and starts one worker for each startable lease', async () => {
    const { subscribers, started, held, self } = await running(2);
    expect(subscribers).to.deep.equal([self, self]);
    const [a, b] = [lease('a'), lease('b', { startable: false })];
    await held(1, [a, b]);
    await held(2, [a, b]);
    expect(started.map((each) => each.lease.shardId)).to.deep.equal(['a']);
    await held(3, [a, { ...b, startable: true }]);
    expect(started.map((each) => each.lease.shardId)).to.deep.equal(['a', 'b']);
  });

  it('ignores a list of held leases whose version is not newer', async () => {
    const { started, held } = await running();
    await held(5, []);
    await held(4, [lease('a')]);
    await held(5, [lease('a')]);
    expect(started).to.deep.equal([]);
  });

  it('starts a worker for a lease that an update adds, and none for one that an update removes', async () => {
    const { started, held, changed, tell } = await running();
    const [a, b] = [lease('a'), lease('b')];
    await held(1, [a]);
    await changed(1, [b]);
    expect(started.map((each) => each.lease.shardId)).to.deep.equal(['a', 'b']);
    await changed(2, [], { gone: ['a'] });
    await tell(0, 'end');
    await tell(1, 'end');
    await clock.advance(5_000);
    expect(started.map((each) => each.lease.shardId)).to.deep.equal(['a', 'b', 'b']);
  });

  it('subscribes again after a lost update, and ignores one that came late', async () => {
    const { started, held, changed, self, subscribers } = await running();
    const [a, b, c] = [lease('a'), lease('b'), lease('c')];
    await held(1, [a]);
    await changed(2, [c]);
    expect(subscribers).to.deep.equal([self, self]);
    expect(started.map((each) => each.lease.shardId)).to.deep.equal(['a']);
    await held(3, [a, b, c]);
    await changed(1, [], { gone: ['a'] });
    await changed(1, [lease('d')]);
    expect(started.map((each) => each.lease.shardId)).to.deep.equal(['a', 'b', 'c']);
    expect(subscribers).to.have.length(2);
  });

  it('subscribes again if it hears of changes before it has a list', async () => {
    const { started, changed, self, subscribers } = await running();
    await changed(4, [lease('a')]);
    expect(subscribers).to.deep.equal([self, self]);
    expect(started).to.deep.equal([]);
  });

  it('keeps shards of the same name apart by table', async () => {
    const { started, held } = await running();
    await held(1, [lease('a')], 'one');
    await held(1, [lease('a')], 'two');
    expect(started).to.have.length(2);
  });

  it('starts another worker for a held lease a pause after the last one ended', async () => {
    const { started, held, tell } = await running();
    const a = lease('a');
    await held(1, [a]);
    await tell(0, 'end');
    await held(2, [a]);
    expect(started).to.have.length(1);
    await clock.advance(1_000);
    expect(started).to.have.length(2);
    await clock.advance(5_000);
    expect(started).to.have.length(2);
  });

  it('starts no worker after the pause if the lease is gone', async () => {
    const { started, held, tell, self } = await running();
    await held(1, [lease('a')]);
    await tell(0, 'end');
    await held(2, []);
    await clock.advance(5_000);
    expect(started).to.have.length(1);
    expect(self.path).to.match(/^shard-worker-supervisor#/);
  });

  it('starts a worker at once when the lease was taken again by another keeper', async () => {
    const { started, held, tell } = await running();
    await held(1, [lease('a')]);
    await tell(0, 'end');
    await held(2, [lease('a')]);
    expect(started).to.have.length(2);
    // The rest of the first worker's pause does not start a third.
    await clock.advance(5_000);
    expect(started).to.have.length(2);
  });

  it('starts no second worker on a shard before the first one has ended', async () => {
    const { started, held, tell } = await running();
    await held(1, [lease('a')]);
    await held(2, [lease('a')]);
    expect(started).to.have.length(1);
    await tell(0, 'end');
    expect(started).to.have.length(2);
    await clock.advance(5_000);
    expect(started).to.have.length(2);
  });

  it('crashes with the error of a worker that crashes', async () => {
    const { held, tell, self } = await running();
    await held(1, [lease('a')]);
    const ending = endingOf(self);
    await tell(0, 'crash');
    await clock.advance(200);
    const { reason, error } = await ending;
    expect(reason).to.equal('crash');
    expect(error?.message).to.equal('worker');
  });

  it('continues after an unknown message', async () => {
    const { self, held, started } = await running();
    sendFromOutside(self, { type: 'nonsense' });
    await held(1, [lease('a')]);
    expect(started).to.have.length(1);
  });
});
