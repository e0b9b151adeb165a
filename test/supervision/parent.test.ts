// Living under an application's own nact: what its typings hide, what happens when it stops under us.
import { expect } from 'chai';
import * as nact from 'nact';
import { counters, createRuntime, spawn, status, stop, watch } from '../../supervision/index.js';
import { mailboxName } from '../../supervision/nact.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { gate, note, order, puppet, spawned } from './support.js';

describe("under an application's nact parent", () => {
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

  it("nact's stop(system) leaves actors running | ours stop within probeMs, with PARENT_STOPPED and no timer left", async () => {
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

  it('stopping the parent actor is noticed as well, and running user effects are waited for and named', async () => {
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

  it('a parent that stopped is noticed at once by the next spawn', async () => {
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

  it('two runtimes live under one parent without collision, and leave nothing in it', async () => {
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

  it("a fault in nact's top level actors prints to the console | a crash of ours does not", async () => {
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

  it('whatever else is dispatched to our nact actors is counted', async () => {
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

  it('nact refuses most characters in a name | every name of ours is made to fit', () => {
    const system = nact.start();
    expect(() => nact.spawn(system, () => undefined, 'a:b')).to.throw('Invalid argument');
    for (const name of ['123456789012:orders:1700000000:shardId-000000000000', 'größe/1 %', '']) {
      nact.spawn(system, () => undefined, mailboxName('shard-worker', name, 7));
    }
    expect(mailboxName('w', 'a:b', 7)).to.equal('w.a!b.n7');
    nact.stop(system);
  });

  it("nact's typings promise what is not there: configureLogging, a system's name, a logger", async () => {
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

  it('refuses a parent that is neither an actor, a runtime nor of nact', () => {
    expect(() => spawn({ type: 'other' }, puppet('x'), 'x'))
      .to.throw()
      .with.property('code', 'INVALID_OPTION');
  });
});
