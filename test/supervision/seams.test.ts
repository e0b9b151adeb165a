// The seams of the runtime: intercept, trace, status, counters, and the timers of the host.
import { expect } from 'chai';
import type { Behaviour } from '../../supervision/actor.js';
import {
  counters,
  createRuntime,
  send,
  spawn,
  status,
  statusOf,
  stop,
  supervise,
  watch,
  type Delivery,
  type TraceEntry,
} from '../../supervision/index.js';
import { createActorTimers, systemClock, systemRandom, systemTimers } from '../../supervision/timers.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { note, order, puppet } from './support.js';

describe('the seams of a runtime', () => {
  const clock = new ManualClock();
  beforeEach(() => clock.install());
  afterEach(() => clock.uninstall());

  it('let intercept.deliver delay, repeat or lose a message', async () => {
    const notes: unknown[] = [];
    const plan: Record<string, (deliver: () => void) => void> = {
      late: (deliver) => void clock.after(100, deliver),
      twice: (deliver) => (deliver(), deliver()),
      lost: () => {},
    };
    const deliver = ({ message }: Delivery, go: () => void): void => {
      const { what } = message as { readonly what: string };
      (plan[what] ?? ((now) => now()))(go);
    };
    const runtime = createRuntime({ clock, timers: clock, intercept: { deliver } });
    const ref = spawn(runtime, puppet('a', notes), 'a');
    for (const what of ['late', 'twice', 'lost', 'plain']) send(ref, note(what));
    await clock.advance(1_000);
    expect(notes).to.deep.equal(['twice', 'twice', 'plain', 'late']);
    void stop(ref);
  });

  it('deliver a repeated result, answer, timer or `down` only once, and count the repeats', async () => {
    const notes: unknown[] = [];
    const deliver = ({ via }: Delivery, go: () => void): void => {
      go();
      if (via !== 'send' && via !== 'ask') go();
    };
    const runtime = createRuntime({ clock, timers: clock, intercept: { deliver } });
    const [ref, other] = [spawn(runtime, puppet('a', notes), 'a'), spawn(runtime, puppet('other'), 'other')];
    const question = (replyTo: unknown) => ({
      type: 'do',
      effects: [{ type: 'reply', to: replyTo, answer: 'answer' }],
    });
    send(ref, {
      type: 'do',
      effects: [
        { type: 'run', name: 'work', kind: 'io', start: () => 'result', done: note, failed: note },
        { type: 'after', key: 'timer', ms: 1, message: note('timer') },
        { type: 'ask', to: other, question, answered: note, failed: note },
        { type: 'watch', actor: other, down: () => note('down') },
      ],
    });
    await clock.advance(10);
    void stop(other);
    await clock.advance(0);
    expect(notes).to.deep.equal(['result', 'answer', 'timer', 'down']);
    expect(counters(runtime)).to.deep.equal({ repeatedMessages: 4 });
    void stop(ref);
  });

  it('let intercept.startEffect fail, hang or replace an effect', async () => {
    const notes: unknown[] = [];
    const runtime = createRuntime({
      clock,
      timers: clock,
      intercept: {
        startEffect: (_actor, { name }, start) => {
          if (name === 'fails') throw new Error('injected');
          return name === 'hangs' ? new Promise(() => {}) : name === 'replaced' ? 'instead' : start();
        },
      },
    });
    const ref = spawn(runtime, puppet('a', notes), 'a');
    for (const name of ['fails', 'hangs', 'replaced', 'plain']) {
      const failed = (error: unknown) => note((error as Error).message);
      order(ref, { type: 'run', name, kind: 'user', start: () => 'real', done: note, failed });
    }
    await clock.advance(0);
    expect(notes).to.deep.equal(['injected', 'instead', 'real']);
    await clock.advance(30);
    expect(statusOf(ref)?.effects).to.deep.equal([{ name: 'hangs', kind: 'user', ageMs: 30, aborted: false }]);
    const stopped = stop(ref, { deadlineMs: 5 });
    await clock.advance(5);
    expect((await stopped).orphans).to.deep.equal(['puppet/a#1: hangs']);
  });

  it('give the same trace for the same run, over ten virtual minutes of a busy tree', async () => {
    const run = async (): Promise<string> => {
      const entries: TraceEntry[] = [];
      const own = new ManualClock();
      clock.uninstall();
      own.install();
      const runtime = createRuntime({ clock: own, timers: own, trace: (entry) => entries.push(entry) });
      const ticker = (id: string, ms: number): Behaviour<number, { readonly type: 'tick' }> => ({
        kind: 'ticker',
        initial: () => [0, [{ type: 'after', key: 'tick', ms, message: { type: 'tick' } }]],
        receive(n) {
          if (n === 100) throw new Error(`${id} is tired`);
          return [n + 1, [{ type: 'after', key: 'tick', ms, message: { type: 'tick' } }]];
        },
      });
      const periods = [70, 110, 130, 170];
      const children = periods.map((ms, i) => ({ id: `t${i}`, start: () => ticker(`t${i}`, ms) }));
      const ref = supervise(runtime, { strategy: 'one-for-all', intensity: 1_000, children });
      await own.advance(600_000);
      void stop(ref);
      await own.advance(0);
      own.uninstall();
      clock.install();
      expect((await watch(ref)).reason).to.equal('shutdown');
      expect(entries.length).to.be.above(20_000);
      return entries.map((entry) => Object.values(entry).join(' ')).join('\n');
    };
    expect(await run()).to.equal(await run());
  });

  it('show the tree in start order by status, with the error of a status that throws', async () => {
    const runtime = createRuntime({ clock, timers: clock });
    const ref = supervise(runtime, {
      kind: 'tree',
      children: [
        { id: 'a', start: () => puppet('a', [], [], { status: () => ({ busy: true }) }) },
        {
          id: 'b',
          start: () =>
            puppet('b', [], [], {
              status: () => {
                throw new Error('no status');
              },
            }),
        },
      ],
    });
    await clock.advance(0);
    const [tree] = status(runtime);
    expect(tree).to.include({ path: 'tree#1', phase: 'running', queued: 0 });
    expect(tree?.state).to.include({ strategy: 'one-for-one', operation: 'idle', restarts: 0 });
    expect(tree?.children.map(({ path, state }) => [path, state])).to.deep.equal([
      ['puppet/a#2', { busy: true }],
      ['puppet/b#3', { error: 'no status' }],
    ]);
    await stop(ref);
    expect(status(runtime)).to.deep.equal([]);
  });

  it('count listener failures, dead letters and the counts of behaviours, without further effect', async () => {
    const emit = (): void => {
      throw new Error('listener');
    };
    const runtime = createRuntime({ clock, timers: clock, emit });
    const ref = spawn(runtime, puppet('a'), 'a');
    order(
      ref,
      { type: 'emit', event: { name: 'warning', data: { message: 'x' } } },
      { type: 'count', what: 'stale', by: 2 },
      { type: 'count', what: 'stale' },
      { type: 'send', to: { path: 'nobody', id: -1 }, message: 1 },
    );
    await clock.advance(0);
    expect(counters(runtime)).to.deep.equal({ listenerFailed: 1, stale: 3, deadLetter: 1 });
    await stop(ref);
  });

  it('crash an actor, and no other, if its behaviour breaks the rules', async () => {
    const runtime = createRuntime({ clock, timers: clock });
    const other = spawn(runtime, puppet('other'), 'other');
    const run = {
      type: 'run',
      name: 'x',
      kind: 'io',
      start: () => new Promise(() => {}),
      done: note,
      failed: note,
    } as const;
    const wrong = [[run, run], [{ type: 'stopChild', child: other, deadlineMs: 1 }], [{ type: 'nonsense' }]];
    for (const effects of wrong) {
      const ref = spawn(runtime, puppet('a'), 'a');
      order(ref, ...(effects as never[]));
      await clock.advance(0);
      expect((await watch(ref)).error).to.include({ code: 'INVALID_BEHAVIOUR' });
    }
    const throwing = (): never => {
      throw new Error('mapping');
    };
    for (const effect of [
      { ...run, start: () => 1, done: throwing },
      { type: 'ask', to: other, question: throwing, answered: note, failed: note },
      { type: 'watch', actor: { path: 'nobody', id: -1 }, down: throwing },
    ]) {
      const ref = spawn(runtime, puppet('a'), 'a');
      order(ref, effect as never);
      await clock.advance(0);
      expect((await watch(ref)).error?.message).to.equal('mapping');
    }
    expect(statusOf(other)?.phase).to.equal('running');
    await stop(other);
  });

  it("keep one of an actor's timers per key, and replace it when the key is set again", async () => {
    const fired: unknown[] = [];
    const own = new ManualClock();
    const timers = createActorTimers(own, (timer) => timer.claim() && fired.push(timer.message));
    timers.set('a', 10, 'first');
    timers.set('a', 20, 'second');
    timers.set('b', 5, 'b');
    timers.cancel('b');
    timers.set('c', 30, 'c');
    // A replaced or canceled timer does not keep the process alive.
    expect(own.pending()).to.equal(2);
    await own.advance(25);
    timers.cancelAll();
    expect(own.pending()).to.equal(0);
    await own.advance(100);
    expect(fired).to.deep.equal(['second']);
  });

  it("let the host's timers run for any duration, never early, and with a replaced setTimeout", async () => {
    const fired: string[] = [];
    const begun = clock.now();
    const cancel = systemTimers.after(5_000_000_000, () => fired.push('long'));
    systemTimers.after(Infinity, () => fired.push('never'))();
    systemTimers.after(10, () => fired.push(`short ${clock.now() - begun >= 10}`));
    await clock.advance(100);
    expect(fired).to.deep.equal(['short true']);
    await clock.advance(4_999_999_000);
    expect(fired).to.have.length(1);
    await clock.advance(1_000);
    expect(fired).to.deep.equal(['short true', 'long']);
    cancel();

    clock.uninstall();
    const waited = await new Promise<number>((resolve) => {
      const from = systemClock.now();
      systemTimers.after(5, () => resolve(systemClock.now() - from));
    });
    expect(waited).to.be.at.least(5);
    const from = Date.now();
    expect(systemClock.wallNow()).to.be.within(from, Date.now());
    expect(systemRandom.next()).to.be.within(0, 1);
    clock.install();
  });
});
