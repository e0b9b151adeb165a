// Symptom: a malformed step of `initial` left a running actor without any reference to it. Cause: its effects were carried out
// outside of the code that catches what a behaviour throws. nact swallowed a malformed step of `receive`. Wrong arguments were not
// refused.
import { expect } from 'chai';
import type { Behaviour, Ref } from '../../actors/protocol/actor.js';
import type { KinactEvent } from '../../src/api/events.js';
import {
  actorsOf,
  ask,
  attachIntercept,
  counters,
  crash,
  createRuntime,
  send,
  spawn,
  status,
  statusOf,
  stop,
  supervise,
  watch,
} from '../../supervision/index.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { gate, note, order, puppet, spawned } from '../supervision/support.js';

const steps: Readonly<Record<string, unknown>> = {
  nothing: undefined,
  'a promise': Promise.resolve([0, []]),
  'a state': { count: 0 },
  'no effects': [0],
  'one effect, and no list of them': [0, { type: 'end' }],
  'effects that are null': [0, null],
  'a third member': [0, [], 'x'],
  'effects that are a Set': [0, new Set()],
};

describe('the runtime, with a wrong behaviour or argument', () => {
  const clock = new ManualClock();
  let events: KinactEvent[];
  let runtime: ReturnType<typeof createRuntime>;
  beforeEach(() => {
    clock.install();
    events = [];
    runtime = createRuntime({ clock, timers: clock, emit: (event) => events.push(event) });
  });
  afterEach(() => clock.uninstall());

  for (const [what, step] of Object.entries(steps)) {
    it(`fails the start and leaves no actor if initial returns ${what}`, async () => {
      const wrong = { ...puppet('a'), initial: () => step } as unknown as Behaviour<undefined, never>;
      expect(() => spawn(runtime, wrong))
        .to.throw()
        .with.property('code', 'START_FAILED');
      expect(status(runtime)).to.deep.equal([]);
      expect(events).to.have.length(1);
      expect(events[0]?.data).to.have.nested.property('error.code', 'INVALID_BEHAVIOUR');
      const notes: unknown[] = [];
      const parent = spawn(runtime, puppet('parent', notes), 'parent');
      void spawned(parent, wrong);
      await clock.advance(0);
      expect(notes)
        .to.have.nested.property('[0].error.message')
        .that.matches(/^initial must return a pair/);
      expect(actorsOf(runtime)).to.deep.equal([parent]);
      void stop(parent);
    });

    it(`crashes the actor with INVALID_BEHAVIOUR if receive returns ${what}`, async () => {
      const ref = spawn(runtime, { ...puppet('a'), receive: () => step } as unknown as Behaviour<undefined, 'go'>);
      send(ref, 'go');
      await clock.advance(0);
      expect((await watch(ref)).error).to.include({ code: 'INVALID_BEHAVIOUR' });
    });
  }

  it('crashes an actor that returns a wrong effect, and names the effect', async () => {
    for (const [effect, said] of [
      [undefined, /expected an effect, got undefined$/],
      [null, /got null$/],
      ['end', /got 'end'$/],
      [{ type: 'sned' }, /of type 'sned'$/],
      [{ type: 'send', to: undefined, message: 1 }, /^effect: expected a reference to an actor, got undefined$/],
    ] as const) {
      const ref = spawn(runtime, puppet('a'), 'a');
      order(ref, effect as never);
      await clock.advance(0);
      expect((await watch(ref)).error?.message).to.match(said);
    }
  });

  it('gives ACTOR_STOPPED the crash of the actor, or of its parent, as the cause', async () => {
    const parent = spawn(runtime, puppet('parent'), 'parent');
    const child = spawned(parent, puppet('child'));
    await clock.advance(0);
    const hold = gate();
    const questions = [parent, await child].map((ref) => {
      order(ref, { type: 'run', name: 'w', kind: 'user', start: () => hold.promise, done: note, failed: note });
      return ask(ref, () => note('never answered')).catch((error: unknown) => error);
    });
    await clock.advance(0);
    const crashed = new Error('it');
    crash(parent, crashed);
    hold.open();
    await clock.advance(0);
    const late = await ask(parent, () => note('late')).catch((error: unknown) => error);
    for (const error of [...(await Promise.all(questions)), late]) {
      expect(error).to.include({ code: 'ACTOR_STOPPED', cause: crashed });
    }
    expect(() => spawn(parent, puppet('x')))
      .to.throw()
      .with.property('cause', crashed);
    const plain = spawn(runtime, puppet('plain'), 'plain');
    void stop(plain);
    expect(await ask(plain, () => note('x')).catch((error: unknown) => error)).to.not.have.property('cause');
  });

  it('refuses wrong arguments of every function, with path, expected and got', () => {
    const ref = spawn(runtime, puppet('a'), 'a');
    const leaf = { id: 'a', start: () => puppet('a') };
    const none = 'none' as never;
    const calls: readonly [string, () => unknown][] = [
      ['ref', () => stop(undefined as never)],
      ['ref', () => stop({} as Ref<never>)],
      ['deadlineMs', () => stop(ref, { deadlineMs: '5000' as never })],
      ['deadlineMs', () => stop(ref, { deadlineMs: -1 })],
      ['deadlineMs', () => stop(ref, { deadlineMs: Number.NaN })],
      ['deadline', () => stop(ref, { deadline: 5 } as never)],
      ['options', () => stop(ref, 5 as never)],
      ['ref', () => watch(none)],
      ['ref', () => crash(none, new Error('x'))],
      ['ref', () => send(none, 1 as never)],
      ['ref', () => ask(none, () => 1 as never)],
      ['question', () => ask(ref, { type: 'x' } as never)],
      ['deadlineMs', () => ask(ref, () => note(1), { deadlineMs: '1' as never })],
      ['signal', () => ask(ref, () => note(1), { signal: {} as never })],
      ['ref', () => statusOf(none)],
      ['runtime', () => status({} as never)],
      ['runtime', () => actorsOf(none)],
      ['runtime', () => counters({} as never)],
      ['runtime', () => attachIntercept({} as never, {})],
      ['intercept', () => attachIntercept(runtime, (() => {}) as never)],
      ['intercept', () => attachIntercept(runtime, { deliver: 1 } as never)],
      ['intercept.recieve', () => attachIntercept(runtime, { recieve: () => {} } as never)],
      ['parent', () => spawn(null as never, puppet('a'))],
      ['parent', () => spawn(5 as never, puppet('a'))],
      ['behaviour', () => spawn(runtime, undefined as never)],
      ['behaviour.kind', () => spawn(runtime, { ...puppet('a'), kind: '' })],
      ['behaviour.receive', () => spawn(runtime, { ...puppet('a'), receive: undefined } as never)],
      ['behaviour.stopped', () => spawn(runtime, { ...puppet('a'), stopped: true } as never)],
      ['behaviour.stopChildren', () => spawn(runtime, { ...puppet('a'), stopChildren: none })],
      ['name', () => spawn(runtime, puppet('a'), 5 as never)],
      ['shutdownMs', () => spawn(runtime, puppet('a'), 'a', { shutdownMs: -1 })],
      ['clock', () => createRuntime({ clock: {} as never })],
      ['timers', () => createRuntime({ timers: () => {} } as never)],
      ['emit', () => createRuntime({ emit: none })],
      ['tracer', () => createRuntime({ tracer: () => {} } as never)],
      ['probeMs', () => createRuntime({ probeMs: 0 })],
      ['children', () => supervise(runtime, {} as never)],
      ['strategy', () => supervise(runtime, { children: [], strategy: none })],
      ['intensity', () => supervise(runtime, { children: [], intensity: '5' as never })],
      ['restarts', () => supervise(runtime, { children: [], restarts: 1 } as never)],
      ['children', () => supervise(runtime, { children: [undefined as never] })],
      ['children.id', () => supervise(runtime, { children: [leaf, leaf] })],
      ['children.start', () => supervise(runtime, { children: [{ id: 'a' } as never] })],
      ['children.restrat', () => supervise(runtime, { children: [{ ...leaf, restrat: 'temporary' } as never] })],
      ['children.shutdown', () => supervise(runtime, { children: [{ ...leaf, shutdown: '5' as never }] })],
    ];
    for (const [path, call] of calls) {
      expect(call, String(call))
        .to.throw(/expected|no such/)
        .with.nested.property('data.option', path);
    }
    void stop(ref);
  });

  it('fails the start of a child whose spec makes no behaviour', async () => {
    const ref = supervise(runtime, { children: [{ id: 'a', start: () => ({}) as never }] });
    await clock.advance(0);
    const { error } = await watch(ref);
    expect(error).to.include({ code: 'START_FAILED' });
    expect(error?.cause).to.include({ code: 'INVALID_OPTION' });
  });
});
