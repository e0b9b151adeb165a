// How actors end: in which order, by which deadlines, with which orphans, and that they do nothing afterwards (I23, I25).
import { expect } from 'chai';
import type { Behaviour, Ending, Ref } from '../../supervision/actor.js';
import {
  counters,
  createRuntime,
  effect,
  spawn,
  status,
  statusOf,
  stop,
  watch,
  type Runtime,
} from '../../supervision/index.js';
import { cellOf } from '../../supervision/cell.js';
import { isReachable } from '../../supervision/nact.js';
import { crashActor } from '../../supervision/system.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { gate, note, order, puppet, spawned, type Order } from './support.js';

describe('an actor', () => {
  const clock = new ManualClock();
  let runtime: Runtime;
  let events: unknown[];
  beforeEach(() => {
    clock.install();
    events = [];
    runtime = createRuntime({ clock, timers: clock, emit: (event) => events.push(event) });
  });
  afterEach(() => clock.uninstall());

  const user = (ref: Ref<Order>, name: string, start: (signal: AbortSignal) => unknown): void =>
    order(ref, { type: 'run', name, kind: 'user', start, done: note, failed: note });
  const whenAborted = (log: string[], name: string) => (signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => {
        log.push(`abort ${name}`);
        resolve();
      });
    });
  /** Resolves with the ending and the moment. */
  const ended = (ref: Ref<never>): Promise<Ending & { at: number }> =>
    watch(ref).then((how) => ({ ...how, at: clock.now() }));

  it('stops bottom-up in reverse start order, with each stop hook once, then abort, then the wait', async () => {
    const log: string[] = [];
    const root = spawn(runtime, puppet('root', [], log), 'root');
    const children = [spawned(root, puppet('one', [], log)), spawned(root, puppet('two', [], log))];
    await clock.advance(0);
    const grandchild = spawned(await children[1]!, puppet('two.one', [], log));
    await clock.advance(0);
    for (const [name, ref] of Object.entries({ root, one: await children[0]!, deep: await grandchild })) {
      user(ref, 'work', whenAborted(log, name));
    }
    await clock.advance(0);
    const stopped = stop(root);
    void stop(root);
    await clock.advance(0);
    expect(await stopped).to.deep.equal({ reason: 'shutdown', orphans: [] });
    expect(log.slice(4)).to.deep.equal([
      'stop two.one shutdown',
      'abort deep',
      'stop one shutdown',
      'abort one',
      'stop two shutdown',
      'stop root shutdown',
      'abort root',
    ]);
  });

  it('waits, under one-by-one, for each child to end before it stops the previous one', async () => {
    const log: string[] = [];
    const root = spawn(runtime, puppet('root', [], log, { stopChildren: 'one-by-one' }), 'root');
    const children = [spawned(root, puppet('one', [], log)), spawned(root, puppet('two', [], log))];
    await clock.advance(0);
    const hold = gate();
    user(await children[1]!, 'work', () => hold.promise);
    await clock.advance(0);
    void stop(root, { deadlineMs: 1_000 });
    await clock.advance(500);
    expect(log.slice(3)).to.deep.equal(['stop two shutdown']);
    hold.open();
    await clock.advance(0);
    expect(log.slice(4)).to.deep.equal(['stop one shutdown', 'stop root shutdown']);
  });

  it('keeps the order of one-by-one, even if a child is already ending by itself', async () => {
    const log: string[] = [];
    const root = spawn(runtime, puppet('root', [], log, { stopChildren: 'one-by-one' }), 'root');
    const children = ['one', 'two', 'three'].map((name) => spawned(root, puppet(name, [], log)));
    await clock.advance(0);
    const [one, , three] = await Promise.all(children);
    const [short, long] = [gate(), gate()];
    user(one!, 'work', () => short.promise);
    user(three!, 'work', () => long.promise);
    order(one!, { type: 'end' });
    await clock.advance(0);
    void stop(root, { deadlineMs: 1_000 });
    short.open();
    await clock.advance(500);
    expect(log.slice(4)).to.deep.equal(['stop one normal', 'stop three shutdown']);
    long.open();
    await clock.advance(0);
    expect(log.slice(6)).to.deep.equal(['stop two shutdown', 'stop root shutdown']);
  });

  it('stops its children by `stopOrder`, after those that `stopOrder` does not name', async () => {
    const log: string[] = [];
    const named: Ref<Order>[] = [];
    const root = spawn(runtime, puppet('root', [], log, { stopOrder: () => named }), 'root');
    const children = ['one', 'two', 'three'].map((name) => spawned(root, puppet(name, [], log)));
    await clock.advance(0);
    const [one, two] = await Promise.all(children);
    named.push(one!, two!);
    await stop(root);
    expect(log.slice(4)).to.deep.equal([
      'stop three shutdown',
      'stop one shutdown',
      'stop two shutdown',
      'stop root shutdown',
    ]);
  });

  it('leaves neither its nact actor nor its watches on other actors after a stop', async () => {
    const root = spawn(runtime, puppet('root'), 'root');
    const [watching, watched] = [spawned(root, puppet('watching')), spawned(root, puppet('watched'))];
    await clock.advance(0);
    const { deathWatch } = cellOf(await watched)! as {
      deathWatch: { add: (down: (how: Ending) => void) => () => void };
    };
    const add = deathWatch.add;
    let kept = 0;
    deathWatch.add = (down) => {
      const forget = add(down);
      kept += 1;
      return () => ((kept -= 1), forget());
    };
    order(await watching, { type: 'watch', actor: await watched, down: note });
    await clock.advance(0);
    expect(kept).to.equal(1);
    const { mailbox } = cellOf(await watching)!;
    expect(isReachable(mailbox)).to.equal(true);
    await stop(await watching);
    expect(kept).to.equal(0);
    expect(isReachable(mailbox)).to.equal(false);
    void stop(root);
  });

  it('gets `ending`, then `down`, of a child that ends by itself, and only `down` of a stopped child', async () => {
    const notes: unknown[] = [];
    const root = spawn(runtime, puppet('root', notes), 'root');
    const hold = gate();
    const start = (): Ref<Order>[] => {
      const started: Ref<Order>[] = [];
      order(root, {
        type: 'spawn',
        name: 'child',
        behaviour: puppet('child') as unknown as Behaviour<never, never>,
        spawned: (ref) => (started.push(ref as Ref<Order>), note('spawned')),
        ending: (_ref, { reason }) => note(`ending ${reason}`),
        down: (_ref, { reason }) => note(`down ${reason}`),
      });
      return started;
    };
    const [one, two] = [start(), start()];
    await clock.advance(0);
    for (const [ref] of [one, two]) user(ref!, 'work', () => hold.promise);
    order(one[0]!, { type: 'end' });
    await clock.advance(0);
    void stop(two[0]!);
    await clock.advance(0);
    expect(notes.slice(2)).to.deep.equal(['ending normal']);
    hold.open();
    await clock.advance(0);
    expect(notes.slice(3)).to.deep.equal(['down normal', 'down shutdown']);
    void stop(root);
  });

  it('waits for user effects until the deadline, not for io, and then names and counts orphans', async () => {
    const root = spawn(runtime, puppet('root'), 'root');
    const child = spawned(root, puppet('child'));
    await clock.advance(0);
    const hold = gate();
    user(await child, 'save', () => hold.promise);
    order(root, {
      type: 'run',
      name: 'fetch',
      kind: 'io',
      start: () => new Promise(() => {}),
      done: note,
      failed: note,
    });
    await clock.advance(0);
    const [ending, childEnding] = [ended(root), ended(await child)];
    void stop(root, { deadlineMs: 700 });
    await clock.advance(699);
    expect(statusOf(root)?.phase).to.equal('stopping');
    await clock.advance(1);
    const path = (await child).path;
    expect(await childEnding).to.deep.equal({ reason: 'shutdown', orphans: [`${path}: save`], at: clock.now() });
    expect((await ending).orphans).to.deep.equal([`${path}: save`]);
    expect(events).to.deep.equal([{ name: 'orphaned', data: { actor: path, effects: ['save'] } }]);
    hold.open();
    await clock.advance(0);
    expect(counters(runtime)).to.deep.equal({ orphan: 1, orphanEnded: 1, lateResult: 1 });
  });

  it('waits in a stop for the last of several user effects, and a crash meanwhile changes nothing', async () => {
    const root = spawn(runtime, puppet('root'), 'root', { shutdownMs: 50 });
    const [one, two] = [gate(), gate()];
    user(root, 'one', () => one.promise);
    user(root, 'two', () => two.promise);
    await clock.advance(0);
    const ending = ended(root);
    void stop(root, { deadlineMs: 1_000 });
    crashActor(root, new Error('for the test'));
    await clock.advance(100);
    one.open();
    await clock.advance(100);
    expect(statusOf(root)?.phase).to.equal('stopping');
    two.open();
    await clock.advance(0);
    expect(await ending).to.deep.equal({ reason: 'shutdown', orphans: [], at: clock.now() });
    expect(events).to.deep.equal([]);
  });

  it("crashes with the error of an effect's `spawned`, `ending` or `down` that throws", async () => {
    for (const which of ['spawned', 'ending', 'down']) {
      const error = new Error(which);
      const told = (news: string) => () => {
        if (news === which) throw error;
        return note(news);
      };
      const root = spawn(runtime, puppet('root'), 'root');
      order(root, {
        type: 'spawn',
        name: 'child',
        behaviour: puppet('child', [], [], {
          initial: () => [undefined, [{ type: 'end' }]],
        }) as unknown as Behaviour<never, never>,
        spawned: told('spawned'),
        ending: told('ending'),
        down: told('down'),
      });
      await clock.advance(0);
      expect(await watch(root)).to.deep.equal({ reason: 'crash', error, orphans: [] });
    }
    expect(status(runtime)).to.deep.equal([]);
  });

  it('stops earlier at a second stop with an earlier deadline, and ignores a later deadline', async () => {
    const root = spawn(runtime, puppet('root', [], [], { stopChildren: 'one-by-one' }), 'root');
    const child = spawned(root, puppet('child'), 60_000);
    await clock.advance(0);
    user(await child, 'save', () => new Promise(() => {}));
    await clock.advance(0);
    const begun = clock.now();
    const ending = ended(root);
    void stop(root, { deadlineMs: 10_000 });
    await clock.advance(100);
    void stop(root, { deadlineMs: 200 });
    void stop(root, { deadlineMs: 90_000 });
    await clock.advance(20_000);
    expect((await ending).at - begun).to.equal(300);
  });

  it('has at most its own shutdownMs to stop, and no time at all with 0', async () => {
    const root = spawn(runtime, puppet('root'), 'root');
    const [slow, brutal] = [spawned(root, puppet('slow'), 400), spawned(root, puppet('brutal'), 0)];
    await clock.advance(0);
    const refs = [await slow, await brutal];
    for (const ref of refs) user(ref, 'save', () => new Promise(() => {}));
    await clock.advance(0);
    const begun = clock.now();
    const endings = refs.map(ended);
    void stop(root, { deadlineMs: 10_000 });
    await clock.advance(10_000);
    expect((await Promise.all(endings)).map((how) => how.at - begun)).to.deep.equal([400, 0]);
  });

  it('lets effects that obey their signal settle, even with a deadline of 0', async () => {
    const root = spawn(runtime, puppet('root'), 'root');
    user(root, 'work', whenAborted([], 'work'));
    await clock.advance(0);
    const stopped = stop(root, { deadlineMs: 0 });
    await clock.advance(1);
    expect((await stopped).orphans).to.deep.equal([]);
  });

  it('does nothing after a stop: no timer, queued message or effect result takes effect (I25)', async () => {
    const [notes, log] = [[] as unknown[], [] as string[]];
    const root = spawn(runtime, puppet('root', notes, log), 'root');
    const hold = gate<string>();
    user(root, 'work', () => hold.promise);
    order(root, { type: 'after', key: 'tick', ms: 500, message: note('tick') });
    await clock.advance(0);
    notes.length = 0;
    order(
      root,
      { type: 'after', key: 'tock', ms: 0, message: note('tock') },
      {
        type: 'emit',
        event: { name: 'warning', data: { message: 'x' } },
      },
    );
    const stopped = stop(root, { deadlineMs: 10 });
    hold.open('result');
    await clock.advance(0);
    await stopped;
    expect(clock.pending()).to.equal(0);
    order(root);
    await clock.advance(1_000);
    expect([notes, events]).to.deep.equal([[], []]);
    expect(counters(runtime)).to.deep.equal({ lateResult: 1, deadLetter: 2 });
  });

  it('ignores the waiting message of a fired timer that has since been cancelled or replaced', async () => {
    const notes: unknown[] = [];
    const fire: (() => void)[] = [];
    const timers = { after: (_ms: number, callback: () => void) => (fire.push(callback), () => {}) };
    const root = spawn(createRuntime({ clock, timers }), puppet('root', notes), 'root');
    const after = (key: string, what: string) => ({ type: 'after', key, ms: 1, message: note(what) }) as const;
    order(root, after('a', 'a'), after('b', 'b1'), after('c', 'c'));
    await clock.advance(0);
    order(root, { type: 'cancel', key: 'a' }, after('b', 'b2'));
    for (const callback of fire.splice(0)) callback();
    await clock.advance(0);
    expect(notes).to.deep.equal(['c']);
    fire[0]!();
    await clock.advance(0);
    expect(notes).to.deep.equal(['c', 'b2']);
    void stop(root);
  });

  it('runs its stop hook after a crash: its last messages come before `down`, and a throw is counted', async () => {
    const notes: unknown[] = [];
    const root = spawn(runtime, puppet('root', notes), 'root');
    const [good, bad] = [
      spawned(
        root,
        puppet('good', [], [], {
          stopped: (_s, reason) => [effect.send(root, note(reason)), effect.end() as never],
        }),
      ),
      spawned(
        root,
        puppet('bad', [], [], {
          stopped: () => {
            throw new Error('hook');
          },
        }),
      ),
    ];
    await clock.advance(0);
    notes.length = 0;
    const error = new Error('killed');
    crashActor(await good, error);
    crashActor(await bad, error);
    await clock.advance(0);
    expect(notes).to.deep.equal([
      'crash',
      { reason: 'crash', error, orphans: [] },
      { reason: 'crash', error, orphans: [] },
    ]);
    expect(counters(runtime)).to.deep.equal({ effectAfterStop: 1, stopHookFailed: 1 });
    void stop(root);
  });

  it('does not start if `initial` throws: only `down` comes, and no stop hook runs', async () => {
    const [notes, log] = [[] as unknown[], [] as string[]];
    const root = spawn(runtime, puppet('root', notes), 'root');
    const error = new Error('no start');
    void spawned(
      root,
      puppet('child', [], log, {
        initial: () => {
          throw error;
        },
      }),
    );
    await clock.advance(0);
    expect(notes).to.deep.equal([{ reason: 'crash', error, orphans: [] }]);
    expect(log).to.deep.equal([]);
    expect(statusOf(root)?.children).to.deep.equal([]);
    expect(() =>
      spawn(
        root,
        puppet('x', [], [], {
          initial: () => {
            throw error;
          },
        }),
      ),
    ).to.throw('did not start');
    void stop(root);
  });

  it('carries out no further effect after an effect of its own has stopped the actor', async () => {
    const notes: unknown[] = [];
    const root = spawn(runtime, puppet('root', notes), 'root');
    const start = (): void => void stop(root);
    user(root, 'stop', start);
    order(root, { type: 'end' }, { type: 'fail', error: new Error('after the end') });
    await clock.advance(0);
    expect((await watch(root)).reason).to.equal('shutdown');
    expect(events).to.deep.equal([]);
    expect(status(runtime)).to.deep.equal([]);
  });

  it('carries out no effect after `end`, even while it waits for its user effects', async () => {
    const [notes, begun] = [[] as unknown[], [] as string[]];
    const other = spawn(runtime, puppet('other', notes), 'other');
    const root = spawn(runtime, puppet('root'), 'root');
    const hold = gate();
    const run = (name: string, start: () => unknown) =>
      ({ type: 'run', name, kind: 'user', start, done: note, failed: note }) as const;
    order(
      root,
      run('save', () => hold.promise),
      { type: 'end' },
      run('more', () => begun.push('more')),
      { type: 'send', to: other, message: note('more') },
    );
    await clock.advance(0);
    expect(statusOf(root)?.phase).to.equal('stopping');
    hold.open();
    await clock.advance(0);
    expect((await watch(root)).reason).to.equal('normal');
    expect([notes, begun]).to.deep.equal([[], []]);
    void stop(other);
  });
});
