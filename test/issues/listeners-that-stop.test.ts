// A `trace` or `emit` listener may stop any actor. Symptom: the stopped actor still handled the message of the call, without its
// state, or began the effect with an aborted signal. A crashed actor was reported as stopped, and its error was lost. An actor with
// effects left running ended twice, and its last messages came after its end. A supervisor of unbounded intensity could not be
// stopped while its child could not start.
import { expect } from 'chai';
import type { Behaviour, Ref } from '../../supervision/actor.js';
import {
  actorsOf,
  ask,
  counters,
  createRuntime,
  crash,
  spawn,
  stop,
  supervise,
  watch,
  type Runtime,
  type RuntimeOptions,
} from '../../supervision/index.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { note, order, puppet, spawned, type Order } from '../supervision/support.js';

describe('a listener that stops the actor of the call', () => {
  const clock = new ManualClock();
  beforeEach(() => clock.install());
  afterEach(() => clock.uninstall());

  const runtimeWith = (seams: RuntimeOptions): Runtime => createRuntime({ clock, timers: clock, ...seams });
  const childOf = async (parent: Ref<Order>, behaviour: Behaviour<undefined, Order>, shutdownMs?: number) => {
    const child = spawned(parent, behaviour, shutdownMs);
    await clock.advance(0);
    return child;
  };

  it('keeps the actor from handling the message, which is counted as a dead letter', async () => {
    const notes: unknown[] = [];
    const runtime = runtimeWith({
      trace: ({ what }) => {
        if (what === 'message') void stop(root);
      },
    });
    const root = spawn(runtime, puppet('root', notes), 'root');
    order(root);
    await clock.advance(0);
    expect((await watch(root)).reason).to.equal('shutdown');
    expect(counters(runtime)).to.deep.equal({ deadLetter: 1 });
  });

  it('keeps the effect from beginning', async () => {
    let begun = false;
    const runtime = runtimeWith({
      trace: ({ what }) => {
        if (what === 'effect') void stop(root);
      },
    });
    const root = spawn(runtime, puppet('root'), 'root');
    order(root, { type: 'run', name: 'save', kind: 'user', start: () => (begun = true), done: note, failed: note });
    await clock.advance(0);
    expect(await watch(root)).to.deep.equal({ reason: 'shutdown', orphans: [] });
    expect(begun).to.equal(false);
  });

  it('leaves the crash as the end of the actor: watchers and askers get its error', async () => {
    const runtime = runtimeWith({
      emit: ({ name }) => {
        if (name === 'actorCrashed') void stop(root);
      },
    });
    const root = spawn(runtime, puppet('root'), 'root');
    const error = new Error('for the test');
    const asked = ask(root, () => note('a question')).catch((failed: unknown) => failed);
    crash(root, error);
    await clock.advance(0);
    expect(await watch(root)).to.deep.equal({ reason: 'crash', error, orphans: [] });
    expect(await asked).to.deep.include({ code: 'ACTOR_STOPPED', cause: error });
  });

  it('ends the actor once, and an effect left running is counted once', async () => {
    const notes: unknown[] = [];
    const runtime = runtimeWith({
      emit: ({ name }) => {
        if (name === 'orphaned') void stop(child, { deadlineMs: 0 });
      },
    });
    const root = spawn(runtime, puppet('root', notes), 'root');
    const child = await childOf(root, puppet('child'), 0);
    const start = (): Promise<void> => new Promise(() => {});
    order(child, { type: 'run', name: 'save', kind: 'user', start, done: note, failed: note });
    await clock.advance(0);
    order(root, { type: 'stopChild', child, deadlineMs: 5_000 });
    await clock.advance(0);
    expect(notes).to.deep.equal(['spawned', { reason: 'shutdown', orphans: [`${child.path}: save`] }]);
    expect(counters(runtime)).to.deep.equal({ orphan: 1 });
    void stop(root);
  });

  it('lets the last messages of the stop hook come before the end of the actor', async () => {
    const notes: unknown[] = [];
    const runtime = runtimeWith({ emit: () => void stop(child, { deadlineMs: 0 }) });
    const root = spawn(runtime, puppet('root', notes), 'root');
    const child = await childOf(
      root,
      puppet('child', [], [], {
        stopped: () => [
          { type: 'emit', event: { name: 'warning', data: { message: 'first' } } },
          { type: 'send', to: root, message: note('last words') },
        ],
      }),
    );
    order(root, { type: 'stopChild', child, deadlineMs: 5_000 });
    await clock.advance(0);
    expect(notes).to.deep.equal(['spawned', 'last words', { reason: 'shutdown', orphans: [] }]);
    void stop(root);
  });
});

it('a supervisor of unbounded intensity can be stopped while its child cannot start', async () => {
  let tries = 0;
  const start = (): Behaviour<undefined, Order> => {
    tries += 1;
    if (tries > 1 && tries < 1_000) throw new Error('for the test');
    return puppet('child');
  };
  const runtime = createRuntime();
  const ref = supervise(runtime, { intensity: Infinity, children: [{ id: 'child', start }] });
  await ask(ref, (replyTo) => ({ type: 'children', replyTo }));
  const child = actorsOf(runtime)[1] as Ref<never>;
  crash(child, new Error('for the test'));
  while (tries < 2) await new Promise(setImmediate);
  expect((await stop(ref)).reason).to.equal('shutdown');
  expect(tries).to.be.below(10);
});
