// What nact 7.6.2 does by itself, and what our runtime does in the same place: the hazards N1–N7. The name of each
// test below says what the hazard is, and docs/actors-on-nact.md what kinact does about them.
import { expect } from 'chai';
import * as nact from 'nact';
import { type Behaviour, type Ref, type ReplyTo, reply } from '../../supervision/actor.js';
import { ask, counters, createRuntime, send, spawn, stop, supervise, watch } from '../../supervision/index.js';
import { openQuestions } from '../../supervision/ask.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { gate, note, order, puppet, spawned, type Order } from './support.js';

type NactRef = nact.Ref<unknown>;
type Supervision = { readonly reset: symbol; readonly resetAllChildren: symbol; readonly stop: symbol };

describe('nact | our runtime', () => {
  const clock = new ManualClock();
  const printed: unknown[][] = [];
  const unhandled: unknown[] = [];
  const print = console.log;
  const onUnhandled = (error: unknown): void => void unhandled.push(error);
  let system: NactRef;
  let listeners: NodeJS.UnhandledRejectionListener[] = [];

  beforeEach(() => {
    printed.length = 0;
    unhandled.length = 0;
    clock.install();
    console.log = (...args: unknown[]) => void printed.push(args);
    // mocha's own listener would fail the test for what nact does.
    listeners = process.listeners('unhandledRejection');
    process.removeAllListeners('unhandledRejection');
    process.on('unhandledRejection', onUnhandled);
    system = nact.start();
  });
  afterEach(() => {
    console.log = print;
    clock.uninstall();
    nact.stop(system);
    process.removeAllListeners('unhandledRejection');
    for (const listener of listeners) process.on('unhandledRejection', listener);
  });
  /** Our runtime must not make nact print anything, and must leave no rejection unhandled. */
  const expectSilence = (): void => {
    expect([printed, unhandled]).to.deep.equal([[], []]);
  };
  const rest = (ms = 0): Promise<void> => clock.advance(ms);
  const runtime = () => createRuntime({ clock, timers: clock });
  /** Many nact facts are about contexts and symbols that its typings leave out. */
  const spawnNact = (parent: NactRef, handler: unknown, name?: string, properties?: unknown): NactRef =>
    nact.spawn(parent, handler as never, name, properties as never) as NactRef;

  it('N1: an old reference reaches a new actor of the same name | an old reference reaches no actor', async () => {
    const seen: string[] = [];
    const old = spawnNact(system, () => void seen.push('old'), 'worker');
    nact.stop(old);
    spawnNact(system, () => void seen.push('new'), 'worker');
    nact.dispatch(old, 'hello');
    await rest();
    expect(seen).to.deep.equal(['new']);

    const ours = runtime();
    const notes: unknown[] = [];
    const first = spawn(ours, puppet('first'), 'worker');
    void stop(first);
    const second = spawn(ours, puppet('second', notes), 'worker');
    send(first, note('hello'));
    await rest();
    expect(notes).to.deep.equal([]);
    expect(counters(ours)).to.include({ deadLetter: 1 });
    expect([first.path, second.path]).to.deep.equal(['puppet/worker#1', 'puppet/worker#2']);
    void stop(second);
    expectSilence();
  });

  it('N2: reset keeps the one initialState object with its changes | each incarnation has its own state', async () => {
    const lists: unknown[] = [];
    const crashing = (state: string[], message: string): string[] => {
      lists.push([...state]);
      state.push(message);
      throw new Error('crash');
    };
    const onCrash = (_m: unknown, _e: unknown, context: Supervision) => context.reset;
    const actor = spawnNact(system, crashing, 'a', { initialState: [], onCrash });
    nact.dispatch(actor, 'x');
    await rest();
    nact.dispatch(actor, 'y');
    await rest();
    expect(lists).to.deep.equal([[], ['x']]);

    const states: unknown[] = [];
    let child!: Ref<string>;
    const behaviour: Behaviour<string[], string> = {
      kind: 'list',
      initial: (self) => ((child = self), [[], []]),
      receive(state, message) {
        states.push([...state]);
        state.push(message);
        throw new Error('crash');
      },
    };
    const ours = supervise(runtime(), { children: [{ id: 'list', start: () => behaviour }] });
    await rest();
    send(child, 'x');
    await rest();
    send(child, 'y');
    await rest();
    expect(states).to.deep.equal([[], []]);
    void stop(ours);
    await rest();
    expectSilence();
  });

  it('N3: resetAllChildren runs a second handler beside a waiting one | a restart waits for the old effect', async () => {
    let running = 0;
    let most = 0;
    const wait = gate();
    const parent = spawnNact(system, () => undefined, 'p', {
      onCrash: (_m: unknown, _e: unknown, context: Supervision) => context.resetAllChildren,
    });
    const slow = async (): Promise<void> => {
      most = Math.max(most, ++running);
      await wait.promise;
      running -= 1;
    };
    const busy = spawnNact(parent, slow, 'busy');
    const bad = spawnNact(
      parent,
      () => {
        throw new Error('crash');
      },
      'bad',
      {
        onCrash: (_m: unknown, _e: unknown, context: { escalate: symbol }) => context.escalate,
      },
    );
    nact.dispatch(busy, 1);
    nact.dispatch(busy, 2);
    await rest();
    nact.dispatch(bad, 'x');
    await rest();
    expect(most).to.equal(2);
    wait.open();
    await rest();

    running = most = 0;
    const hold = gate();
    const refs: Ref<Order>[] = [];
    const child = (): Behaviour<undefined, Order> =>
      puppet('busy', [], [], { initial: (self) => (refs.push(self), [undefined, []]) });
    const ours = supervise(runtime(), {
      strategy: 'one-for-all',
      children: ['busy', 'bad'].map((id) => ({ id, start: child })),
    });
    await rest();
    const work = async (): Promise<void> => {
      most = Math.max(most, ++running);
      await hold.promise;
      running -= 1;
    };
    order(refs[0]!, { type: 'run', name: 'work', kind: 'user', start: work, done: note, failed: note });
    send(refs[1]!, { type: 'throw', error: new Error('crash') });
    await rest(100);
    expect(refs).to.have.length(2);
    hold.open();
    await rest();
    expect(refs).to.have.length(4);
    order(refs[2]!, { type: 'run', name: 'work', kind: 'user', start: work, done: note, failed: note });
    await rest();
    expect(most).to.equal(1);
    void stop(ours, { deadlineMs: 1 });
    await rest(5);
    expectSilence();
  });

  it('N4: a handler runs on after stop, and its throw repeats afterStop | late results are dropped and counted', async () => {
    const wait = gate();
    const happened: string[] = [];
    const handler = async (): Promise<void> => {
      await wait.promise;
      happened.push('effect after stop');
      throw new Error('late');
    };
    const actor = spawnNact(system, handler, 'a', {
      afterStop: () => void happened.push('afterStop'),
      onCrash: (_m: unknown, _e: unknown, context: Supervision) => context.stop,
    });
    nact.dispatch(actor, 1);
    await rest();
    nact.stop(actor);
    await rest();
    wait.open();
    await rest();
    expect(happened).to.deep.equal(['afterStop', 'effect after stop', 'afterStop']);

    const ours = runtime();
    const [hold, notes, log] = [gate(), [] as unknown[], [] as string[]];
    const ref = spawn(ours, puppet('a', notes, log), 'a');
    let aborted = false;
    const start = async (signal: AbortSignal): Promise<void> => {
      signal.addEventListener('abort', () => (aborted = true));
      await hold.promise;
      throw new Error('late');
    };
    order(ref, { type: 'run', name: 'wait', kind: 'io', start, done: note, failed: note });
    await rest();
    await stop(ref);
    hold.open();
    await rest();
    expect([aborted, notes, log]).to.deep.equal([true, [], ['start a', 'stop a shutdown']]);
    expect(counters(ours)).to.include({ lateResult: 1 });
    expectSilence();
  });

  it('N4: a crash that escalates after a stop is an unhandled rejection | a late failure leaves none', async () => {
    const wait = gate();
    const handler = async (): Promise<void> => {
      await wait.promise;
      throw new Error('late');
    };
    const escalate = (_m: unknown, _e: unknown, context: { escalate: symbol }) => context.escalate;
    const actor = spawnNact(system, handler, 'a', { onCrash: escalate });
    nact.dispatch(actor, 1);
    await rest();
    nact.stop(actor);
    wait.open();
    await rest();
    expect(unhandled.map(String)).to.deep.equal([
      "TypeError: Cannot read properties of undefined (reading 'handleFault')",
    ]);
    unhandled.length = 0;

    const [hold, ref] = [gate(), spawn(runtime(), puppet('a'), 'a')];
    const start = () => hold.promise.then(() => Promise.reject(new Error('late')));
    order(ref, { type: 'run', name: 'wait', kind: 'user', start, done: note, failed: note });
    await rest();
    const stopped = stop(ref, { deadlineMs: 10 });
    await rest(10);
    expect((await stopped).orphans).to.deep.equal(['puppet/a#1: wait']);
    hold.open();
    await rest();
    expectSilence();
  });

  it('N5: a query to a stopping actor fails only at its timeout | a question fails at once', async () => {
    const begun = clock.now();
    const actor = spawnNact(system, () => new Promise(() => {}), 'a');
    const failed = nact.query(actor, () => 'question', 60_000).catch(() => clock.now() - begun);
    await rest();
    nact.stop(actor);
    await rest(60_000);
    expect(await failed).to.equal(60_000);

    const before = openQuestions();
    const ref = spawn(runtime(), puppet('a'), 'a');
    const answer = ask(ref, () => note('a question without an answer')).catch((error: unknown) => error);
    await rest();
    void stop(ref);
    expect(await answer).to.include({ code: 'ACTOR_STOPPED' });
    expect(openQuestions()).to.equal(before);
    expectSilence();
  });

  it('N6: temporary reply ids collide and an answer reaches the wrong asker | numbered questions get their own answers', async () => {
    const random = Math.random;
    const askers: NactRef[] = [];
    const actor = spawnNact(system, (_s: unknown, message: { from: NactRef }) => void askers.push(message.from), 'a');
    Math.random = () => 0.5; // what 25,749 draws of 32 bits do by themselves
    const factory = ((from: NactRef) => ({ from })) as never;
    const outcome = (name: string) => [(a: unknown) => `${name} got ${String(a)}`, () => `${name} timed out`] as const;
    const first = (nact.query(actor, factory, 1_000) as Promise<unknown>).then(...outcome('first'));
    const second = (nact.query(actor, factory, 1_000) as Promise<unknown>).then(...outcome('second'));
    Math.random = random;
    await rest();
    nact.dispatch(askers[0]!, 'answer to first');
    await rest(1_000);
    expect(await Promise.all([first, second])).to.deep.equal(['first timed out', 'second got answer to first']);

    Math.random = () => 0.5;
    type Question = { readonly name: string; readonly replyTo: ReplyTo<string> };
    const echo: Behaviour<undefined, Question> = {
      kind: 'echo',
      initial: () => [undefined, []],
      receive: (_state, { name, replyTo }) => [undefined, [reply(replyTo, name)]],
    };
    const ref = spawn(runtime(), echo);
    const names = Array.from({ length: 1_000 }, (_, i) => `q${i}`);
    const answers = names.map((name) => ask(ref, (replyTo: ReplyTo<string>) => ({ name, replyTo })));
    Math.random = random;
    await rest();
    expect(await Promise.all(answers)).to.deep.equal(names);
    void stop(ref);
    expectSilence();
  });

  it('N7: children of a stopped parent live on unnoticed | children stop before their parent, and watchers are notified', async () => {
    const happened: string[] = [];
    const properties = (name: string) => ({ afterStop: () => void happened.push(`stopped ${name}`) });
    const parent = spawnNact(system, () => undefined, 'parent', properties('parent'));
    const child = spawnNact(
      parent,
      (_s: unknown, m: string) => void happened.push(`child handles ${m}`),
      'c',
      properties('c'),
    );
    nact.dispatch(child, 'first');
    nact.dispatch(child, 'second');
    nact.stop(parent);
    await rest();
    expect(happened).to.have.members(['child handles first', 'child handles second', 'stopped parent']);

    const [log, notes] = [[] as string[], [] as unknown[]];
    const ref = spawn(runtime(), puppet('parent', [], log), 'parent');
    const started = Promise.all([spawned(ref, puppet('one', notes, log)), spawned(ref, puppet('two', notes, log))]);
    await rest();
    const [one] = await started;
    const told: string[] = [];
    void watch(one).then((how) => told.push(how.reason));
    send(one, note('queued'));
    await stop(ref);
    await rest();
    expect(log.slice(3)).to.deep.equal(['stop two shutdown', 'stop one shutdown', 'stop parent shutdown']);
    expect([told, notes]).to.deep.equal([['shutdown'], []]);
    expectSilence();
  });
});
