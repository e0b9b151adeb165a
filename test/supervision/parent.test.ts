// A runtime under an application's own nact: what happens when nact stops the parent, and where the typings of nact are wrong.
import { expect } from 'chai';
import * as nact from 'nact';
import { counters, createRuntime, spawn, status, stop, watch } from '../../supervision/index.js';
import { mailboxName } from '../../supervision/nact.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { gate, note, order, puppet, spawned } from './support.js';

describe("a runtime under an application's nact parent", () => {
  const clock = new ManualClock();
  const printed: unknown[][] = [];
  const print = console.log;
  beforeEach(() => {
    clock.install();
    printed.length = 0;
    console.log = (...args: unknown[]) => void printed.push(args);
  });
  afterEach(() => {
    console.log = print;
    clock.uninstall();
  });
  const under = (parent: unknown) => createRuntime({ clock, timers: clock, parent: parent as object });

  it("stops its actors with PARENT_STOPPED within probeMs after stop(system), while nact's actors run on", async () => {
    const system = nact.start();
    const happened: string[] = [];
    const theirs = nact.spawn(system, (_s: undefined, m: string) => void happened.push(m), 'theirs', {
      afterStop: () => void happened.push('afterStop'),
    });
    const [runtime, log, notes] = [under(system), [] as string[], [] as unknown[]];
    const ref = spawn(runtime, puppet('root', notes, log), 'root');
    const child = spawned(ref, puppet('child', notes, log));
    await clock.advance(0);
    order(await child, { type: 'after', key: 'tick', ms: 100, message: note('tick') });
    await clock.advance(0);
    nact.dispatch(theirs, 'queued');
    nact.stop(system);
    await clock.advance(0);
    expect(happened).to.deep.equal(['queued']);

    const stoppedAt = watch(ref).then((how) => ({ how, at: clock.now() }));
    const begun = clock.now();
    await clock.advance(10_000);
    const { how, at } = await stoppedAt;
    expect(at - begun).to.be.at.most(250);
    expect(how.reason).to.equal('shutdown');
    expect(how.error).to.have.property('code', 'PARENT_STOPPED');
    expect(log.slice(2)).to.deep.equal(['stop child shutdown', 'stop root shutdown']);
    expect(status(runtime)).to.deep.equal([]);
    expect(printed).to.deep.equal([]);
  });

  it('notices the stop of a parent actor, waits for running user effects, and names orphans', async () => {
    const system = nact.start();
    const parent = nact.spawn(system, () => undefined, 'app');
    const ref = spawn(under(parent), puppet('root'), 'root');
    const [aborted, hold] = [gate(), gate()];
    const start = (signal: AbortSignal): Promise<void> => {
      signal.addEventListener('abort', () => aborted.open());
      return hold.promise;
    };
    order(ref, { type: 'run', name: 'save', kind: 'user', start, done: note, failed: note });
    await clock.advance(0);
    nact.stop(parent);
    await clock.advance(249 + 4_999);
    await aborted.promise;
    let ended = false;
    const ending = watch(ref).then((how) => ((ended = true), how));
    await clock.advance(0);
    expect(ended).to.equal(false);
    await clock.advance(10);
    expect((await ending).orphans).to.deep.equal(['puppet/root#1: save']);
    nact.stop(system);
  });

  it('notices a stopped parent at once at the next spawn', async () => {
    const system = nact.start();
    const runtime = under(system);
    const ref = spawn(runtime, puppet('root'), 'root');
    nact.stop(system);
    expect(() => spawn(ref, puppet('child'), 'child'))
      .to.throw()
      .with.property('code', 'PARENT_STOPPED');
    expect((await watch(ref)).error).to.have.property('code', 'PARENT_STOPPED');
    expect(() => spawn(runtime, puppet('root'), 'root'))
      .to.throw()
      .with.property('code', 'PARENT_STOPPED');
  });

  it('shares a parent with another runtime without collision, and leaves no actor in the parent', async () => {
    const system = nact.start();
    let children: string[] = [];
    const parent = nact.spawn(system, (_s, _m, context) => void (children = [...context.children.keys()]), 'app');
    const refs = [under(parent), under(parent)].map((runtime) => spawn(runtime, puppet('same'), 'same'));
    expect(new Set(refs.map((ref) => ref.id)).size).to.equal(2);
    nact.dispatch(parent, 'look');
    await clock.advance(0);
    expect(children).to.have.length(2);
    await Promise.all(refs.map((ref) => stop(ref)));
    nact.dispatch(parent, 'look');
    await clock.advance(0);
    expect(children).to.deep.equal([]);
    expect(clock.pending()).to.equal(0);
    nact.stop(system);
  });

  it("prints nothing when an actor crashes, while a fault in nact's top level actors prints to the console", async () => {
    const system = nact.start();
    const faulty = nact.spawn(
      system,
      () => {
        throw new Error('fault');
      },
      'faulty',
      {
        onCrash: (_m, _e, context) => context.escalate,
      },
    );
    nact.dispatch(faulty, 1);
    await clock.advance(0);
    expect(printed).to.deep.equal([['Stopping top level actor,', 'faulty', 'due to a fault']]);
    printed.length = 0;

    const crashed: unknown[] = [];
    const runtime = createRuntime({
      clock,
      timers: clock,
      parent: system as object,
      emit: (event) => crashed.push(event),
    });
    const ref = spawn(runtime, puppet('root'), 'root');
    const error = new Error('fault');
    order(ref, { type: 'fail', error });
    await clock.advance(0);
    expect(await watch(ref)).to.deep.equal({ reason: 'crash', error, orphans: [] });
    expect(crashed).to.deep.equal([{ name: 'actorCrashed', data: { actor: 'puppet/root#1', error } }]);
    expect(printed).to.deep.equal([]);
    nact.stop(system);
  });

  it('counts foreign messages that are dispatched to its nact actors', async () => {
    const system = nact.start();
    let ours: unknown;
    const parent = nact.spawn(system, (_s, _m, context) => void (ours = [...context.children.values()][0]), 'app');
    const runtime = under(parent);
    const ref = spawn(runtime, puppet('root'), 'root');
    nact.dispatch(parent, 'look');
    await clock.advance(0);
    nact.dispatch(ours as never, { type: 'garbage' } as never);
    await clock.advance(0);
    expect(counters(runtime)).to.deep.equal({ unknownMessage: 1 });
    await stop(ref);
    nact.stop(system);
  });

  it('makes every name fit for nact, which refuses most characters', () => {
    const system = nact.start();
    expect(() => nact.spawn(system, () => undefined, 'a:b')).to.throw('Invalid argument');
    for (const name of ['123456789012:orders:1700000000:shardId-000000000000', 'größe/1 %', '']) {
      nact.spawn(system, () => undefined, mailboxName('shard-worker', name, 7));
    }
    expect(mailboxName('w', 'a:b', 7)).to.equal('w.a!b.n7');
    nact.stop(system);
  });

  it("cannot use what nact's typings promise: configureLogging, a system's name, a logger", async () => {
    const exports: Record<string, unknown> = await import('nact');
    expect(exports['configureLogging']).to.equal(undefined);
    expect(exports['seconds']).to.equal(undefined);
    const system = nact.start('orders') as unknown as { readonly name: string };
    expect(system.name).to.not.equal('orders');
    let log: unknown = 'unset';
    const actor = nact.spawn(system as nact.ActorSystemRef, (_s, _m: number, context) => void (log = context.log), 'a');
    nact.dispatch(actor, 1);
    await clock.advance(0);
    expect(log).to.equal(undefined);
    nact.stop(system as nact.ActorSystemRef);
  });

  it('refuses a parent that is neither an actor, a runtime nor a nact reference', () => {
    expect(() => spawn({ type: 'other' }, puppet('x'), 'x'))
      .to.throw()
      .with.property('code', 'INVALID_OPTION');
  });
});
