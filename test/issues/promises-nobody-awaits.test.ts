// Symptom: an async function where a synchronous one is expected could end the process. It was refused, or its promise was dropped,
// but nothing handled the rejection of the promise. Cause: only listeners, `extract`, `key` and `onFailure` were known to return
// promises. Behaviours, their hooks, child specs, `init` and the entries that `extract` returns were not.
import { expect } from 'chai';
import type { Behaviour } from '../../supervision/actor.js';
import { actorsOf, crash, createRuntime, send, spawn, status, stop, supervise } from '../../supervision/index.js';
import { defineReducer, type ConsumerOptions } from '../../src/index.js';
import type { KinactEvent } from '../../src/api/events.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { note, order, puppet, spawned } from '../supervision/support.js';
import { inVirtualTime } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

const rejects = async (): Promise<never> => {
  await Promise.resolve();
  throw new Error('nobody awaits me');
};
const never = rejects as never;

describe('a rejected promise of the application that nothing awaits', () => {
  const clock = new ManualClock();
  let unhandled: unknown[];
  let runtime: ReturnType<typeof createRuntime>;
  let events: KinactEvent[];
  // The listeners of the test run are set aside: they would fail the run instead of the test.
  let others: NodeJS.UnhandledRejectionListener[];
  const hear = (error: unknown): void => void unhandled.push(error);
  beforeEach(() => {
    others = process.listeners('unhandledRejection');
    process.removeAllListeners('unhandledRejection').on('unhandledRejection', hear);
    unhandled = [];
    events = [];
    clock.install();
    runtime = createRuntime({ clock, timers: clock, emit: (event) => events.push(event) });
  });
  afterEach(() => {
    clock.uninstall();
    process.removeAllListeners('unhandledRejection');
    for (const listener of others) process.on('unhandledRejection', listener);
  });
  const handled = async (): Promise<void> => {
    await clock.advance(10);
    await new Promise((resolve) => process.nextTick(resolve));
    expect(unhandled).to.deep.equal([]);
  };
  const asyncPuppet = (hook: keyof Behaviour<undefined, never>): Behaviour<undefined, never> =>
    ({ ...puppet('a'), [hook]: rejects }) as never;

  it('ends no process if initial, receive or a hook of a behaviour returned it', async () => {
    expect(() => spawn(runtime, asyncPuppet('initial'))).to.throw();
    const receiver = spawn(runtime, asyncPuppet('receive'));
    send(receiver, 'go' as never);
    await handled();
    const shown = spawn(runtime, asyncPuppet('status'));
    expect(status(runtime)[0]?.state).to.deep.equal({ error: 'status must be synchronous, it returned a promise' });
    void stop(shown);
    void stop(spawn(runtime, asyncPuppet('stopped')));
    const parent = spawn(runtime, { ...puppet('parent'), stopOrder: rejects as never });
    const children = [spawned(parent, puppet('one')), spawned(parent, puppet('two'))];
    await clock.advance(0);
    await Promise.all(children);
    void stop(parent);
    await handled();
    expect(events.filter(({ name }) => name === 'warning')).to.have.length(2);
  });

  it('ends no process if a child spec or an option of a supervisor returned it', async () => {
    void supervise(runtime, { children: [{ id: 'a', start: never }] });
    expect(() => supervise(runtime, { children: [], dynamic: never })).to.throw();
    await handled();
    void supervise(runtime, { children: [{ id: 'b', start: () => puppet('b') }], restarting: never });
    await clock.advance(0);
    const child = actorsOf(runtime).find(({ path }) => path.startsWith('puppet'))!;
    crash(child, new Error('b'));
    await handled();
  });

  it('ends no process if a function that makes a message returned it', async () => {
    const ref = spawn(runtime, puppet('a'));
    order(ref, { type: 'run', name: 'r', kind: 'io', start: () => 1, done: never, failed: note });
    await handled();
    void stop(ref);
  });

  const cases: Readonly<Record<string, Partial<ConsumerOptions>>> = {
    'entries of what extract returns': { extract: () => [rejects(), rejects()] as never },
    'what a generator yields': {
      extract: function* () {
        yield rejects() as never;
      },
    },
    'keys of items': { extract: () => [{ key: rejects() as never, value: 1 }] },
    'keys and values of items behind the one that fails': {
      extract: () => [{ key: 1 as never, value: 1 }, { key: rejects() as never, value: rejects() }, undefined as never],
    },
  };
  for (const [what, options] of Object.entries(cases)) {
    it(`ends no process, but fails the record, and onFailure applies (${what})`, async () => {
      const { consumer, stream, heard } = virtualConsumer(clock, { ...options, onFailure: 'skip' });
      await inVirtualTime(clock, consumer.start());
      stream.put({ partitionKey: 'a', data: 'x' });
      await clock.advance(5_000);
      await handled();
      expect(heard('recordSkipped')).to.have.length(1);
      await inVirtualTime(clock, consumer.stop());
    });
  }

  it('ends no process as the value of an item, but fails the record when reduce awaits it', async () => {
    const reducer = defineReducer<number, Promise<void>>({
      init: () => 0,
      reduce: async (count, { value }) => (await value, count + 1),
    });
    const extract: ConsumerOptions['extract'] = () => [{ key: 'a', value: rejects() }];
    const { consumer, stream, heard } = virtualConsumer(clock, { extract, reducer, onFailure: 'skip' });
    await inVirtualTime(clock, consumer.start());
    stream.put({ partitionKey: 'a', data: 'x' });
    await clock.advance(5_000);
    await handled();
    expect(heard('recordSkipped')).to.have.length(1);
    await inVirtualTime(clock, consumer.stop());
  });

  it('ends no process as the state from init, but is refused at the start', async () => {
    const reducer = defineReducer({ init: () => rejects(), reduce: async (state) => (await state, state) });
    const { consumer } = virtualConsumer(clock, { reducer });
    const error = await inVirtualTime(
      clock,
      consumer.start().catch((thrown: unknown) => thrown),
    );
    await handled();
    expect(String(error)).to.include(
      'reducer.init: expected a synchronous function that returns the state, got a promise',
    );
    await consumer.closed.catch(() => {});
  });
});
