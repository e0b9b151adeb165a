// There is one shard worker for each startable lease, and never two on one shard. A worker that ended comes back after a pause.
// The real supervisor, with stubs for coordinators and workers, in virtual time.
import { expect } from 'chai';
import type { Behaviour, Effect, Ref } from '../../actors/protocol/actor.js';
import type { LeaseCoordinatorRequest } from '../../actors/lease-coordinator/lease-coordinator.js';
import { shardWorkerSupervisor } from '../../actors/shard-worker-supervisor/shard-worker-supervisor.js';
import type { ShardWorkerSupervisorMessage } from '../../actors/shard-worker-supervisor/shard-worker-supervisor.js';
import type { HeldLease } from '../../actors/protocol/leasing.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { createRuntime, endingOf, sendFromOutside, spawnRoot, stopRoot } from '../../supervision/system.js';

let clock: ManualClock;
const roots: Ref<never>[] = [];

type WorkerMessage = { readonly type: 'end' } | { readonly type: 'crash' };

/** The supervisor of workers over a stub coordinator; workers end when they are told to. */
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
  const started: { lease: HeldLease; ref: Ref<WorkerMessage> }[] = [];
  const makeWorker = (lease: HeldLease): Behaviour<never, never> => {
    const behaviour: Behaviour<null, WorkerMessage> = {
      kind: 'stub-worker',
      initial: (ref) => (started.push({ lease, ref }), [null, []]),
      receive: (_, { type }) => {
        const effect: Effect<WorkerMessage> = type === 'end' ? { type } : { type: 'fail', error: new Error('worker') };
        return [null, [effect]];
      },
    };
    return behaviour as unknown as Behaviour<never, never>;
  };
  const options = { coordinators: refs, makeWorker, againMs: 1_000, callDeadlineMs: 100 };
  const self = spawnRoot(runtime, shardWorkerSupervisor(options), '');
  roots.push(self, ...refs);
  await clock.advance(1);
  const held = async (version: number, leases: HeldLease[], table = 'app'): Promise<void> => {
    const message: ShardWorkerSupervisorMessage = { type: 'held', table, version, leases };
    sendFromOutside(self, message);
    await clock.advance(1);
  };
  const tell = async (index: number, type: 'end' | 'crash'): Promise<void> => {
    sendFromOutside(started[index]!.ref, { type });
    await clock.advance(1);
  };
  return { self, subscribers, started, held, tell };
}

let keepers = 0;

function lease(shardId: string, parts: Partial<HeldLease> = {}): HeldLease {
  const keeper = Object.freeze({ path: `lease-keeper/${shardId}`, id: (keepers += 1) + 1e6 }) as HeldLease['keeper'];
  return { leaseKey: shardId, shardId, source: 's', keeper, startable: true, ...parts };
}

describe('the shard workers of a pipeline', () => {
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

  it('subscribe to every coordinator and start one worker for each startable lease, once', async () => {
    const { subscribers, started, held, self } = await running(2);
    expect(subscribers).to.deep.equal([self, self]);
    const [a, b] = [lease('a'), lease('b', { startable: false })];
    await held(1, [a, b]);
    await held(2, [a, b]);
    expect(started.map((each) => each.lease.shardId)).to.deep.equal(['a']);
    await held(3, [a, { ...b, startable: true }]);
    expect(started.map((each) => each.lease.shardId)).to.deep.equal(['a', 'b']);
  });

  it('ignore news that are older than what they know', async () => {
    const { started, held } = await running();
    await held(5, []);
    await held(4, [lease('a')]);
    await held(5, [lease('a')]);
    expect(started).to.deep.equal([]);
  });

  it('keep shards of the same name apart by table', async () => {
    const { started, held } = await running();
    await held(1, [lease('a')], 'one');
    await held(1, [lease('a')], 'two');
    expect(started).to.have.length(2);
  });

  it('start again what is still held after a worker ended, but never in a hot loop', async () => {
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

  it('start nothing for a lease that is gone when the time has come', async () => {
    const { started, held, tell, self } = await running();
    await held(1, [lease('a')]);
    await tell(0, 'end');
    await held(2, []);
    await clock.advance(5_000);
    expect(started).to.have.length(1);
    expect(self.path).to.match(/^shard-worker-supervisor#/);
  });

  it('start at once when the lease was taken again: another keeper, another worker', async () => {
    const { started, held, tell } = await running();
    await held(1, [lease('a')]);
    await tell(0, 'end');
    await held(2, [lease('a')]);
    expect(started).to.have.length(2);
    // The rest of the first worker's pause does not start a third.
    await clock.advance(5_000);
    expect(started).to.have.length(2);
  });

  it('wait for the end of a worker whose lease was taken again meanwhile: never two on one shard', async () => {
    const { started, held, tell } = await running();
    await held(1, [lease('a')]);
    await held(2, [lease('a')]);
    expect(started).to.have.length(1);
    await tell(0, 'end');
    expect(started).to.have.length(2);
    await clock.advance(5_000);
    expect(started).to.have.length(2);
  });

  it('crash with the error of a worker that crashes: the whole pipeline restarts', async () => {
    const { held, tell, self } = await running();
    await held(1, [lease('a')]);
    const ending = endingOf(self);
    await tell(0, 'crash');
    await clock.advance(200);
    const { reason, error } = await ending;
    expect(reason).to.equal('crash');
    expect(error?.message).to.equal('worker');
  });

  it('count what they do not understand', async () => {
    const { self, held, started } = await running();
    sendFromOutside(self, { type: 'nonsense' });
    await held(1, [lease('a')]);
    expect(started).to.have.length(1);
  });
});
