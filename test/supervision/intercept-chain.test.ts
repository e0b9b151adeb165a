// Intercepts that are attached to a running tree: how they are nested and detached, and what `receive` may do.
import { expect } from 'chai';
import {
  actorsOf,
  attachIntercept,
  counters,
  crash,
  createRuntime,
  send,
  spawn,
  statusOf,
  stop,
  watch,
  type Delivery,
  type Intercept,
} from '../../supervision/index.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { note, order, puppet, spawned } from './support.js';

const whatOf = ({ message }: Delivery): unknown => (message as { readonly what?: unknown }).what;

describe('intercepts', () => {
  const clock = new ManualClock();
  beforeEach(() => clock.install());
  afterEach(() => clock.uninstall());

  it('are nested, with the first attached outermost, and are detached one by one', async () => {
    const seen: string[] = [];
    const notes: unknown[] = [];
    const witness = (name: string): Intercept => ({
      deliver: (_delivery, deliver) => (seen.push(`${name} deliver`), deliver()),
      receive: (_delivery, receive) => (seen.push(`${name} receive`), receive()),
      startEffect: (_actor, _info, start) => (seen.push(`${name} effect`), start()),
    });
    const runtime = createRuntime({ clock, timers: clock, intercept: witness('own') });
    const detach = [attachIntercept(runtime, {}), attachIntercept(runtime, witness('added'))];
    const ref = spawn(runtime, puppet('a', notes), 'a');
    order(ref, { type: 'run', name: 'x', kind: 'io', start: () => 'done', done: note, failed: note });
    await clock.advance(0);
    const each = ['deliver', 'receive'].flatMap((what) => [`own ${what}`, `added ${what}`]);
    expect(seen).to.deep.equal([...each, 'own effect', 'added effect', ...each]);
    for (const off of detach) off();
    detach[1]?.();
    seen.length = 0;
    send(ref, note('again'));
    await clock.advance(0);
    expect(seen).to.deep.equal(['own deliver', 'own receive']);
    expect(notes).to.deep.equal(['done', 'again']);
    await stop(ref);
  });

  it('may be attached twice, and are then detached separately, once each', async () => {
    let seen = 0;
    const runtime = createRuntime({ clock, timers: clock });
    const same: Intercept = { deliver: (_delivery, deliver) => ((seen += 1), deliver()) };
    const [first] = [attachIntercept(runtime, same), attachIntercept(runtime, same)] as const;
    const ref = spawn(runtime, puppet('a'), 'a');
    first();
    first();
    send(ref, note('x'));
    await clock.advance(0);
    expect(seen).to.equal(1);
    await stop(ref);
  });

  it('may delay, drop or repeat a message in `receive`, and crash the actor by a throw', async () => {
    const notes: unknown[] = [];
    const held: (() => void)[] = [];
    const runtime = createRuntime({ clock, timers: clock });
    attachIntercept(runtime, {
      receive: (delivery, receive) => {
        const what = whatOf(delivery);
        if (what === 'held') held.push(receive);
        else if (what === 'throws') throw new Error('injected');
        else if (what !== 'lost') (receive(), receive());
      },
    });
    const ref = spawn(runtime, puppet('a', notes), 'a');
    for (const what of ['held', 'lost', 'plain']) send(ref, note(what));
    await clock.advance(0);
    expect(notes).to.deep.equal(['plain']);
    held[0]?.();
    expect(notes).to.deep.equal(['plain', 'held']);
    send(ref, note('throws'));
    send(ref, note('held'));
    await clock.advance(0);
    expect((await watch(ref)).error?.message).to.equal('injected');
    held[1]?.();
    expect(notes).to.deep.equal(['plain', 'held']);
    // The messages that never reached the actor: the lost one, the one that threw, and the one still held.
    expect(counters(runtime)).to.deep.equal({ deadLetter: 3 });
  });

  it('do not revive a held timer that has since been replaced', async () => {
    const notes: unknown[] = [];
    const held: (() => void)[] = [];
    const runtime = createRuntime({ clock, timers: clock });
    const detach = attachIntercept(runtime, { receive: (_delivery, receive) => void held.push(receive) });
    const ref = spawn(runtime, puppet('a', notes), 'a');
    const after = (message: unknown) => ({ type: 'after', key: 't', ms: 10, message: note(message) }) as const;
    order(ref, after('first'));
    await clock.advance(0);
    held.shift()?.();
    await clock.advance(10);
    expect(held.length).to.equal(1);
    detach();
    order(ref, after('second'));
    await clock.advance(0);
    held.shift()?.();
    await clock.advance(10);
    expect(notes).to.deep.equal(['second']);
    await stop(ref);
  });

  it('come with actorsOf, which lists every actor, and crash, which waits for a running effect', async () => {
    const notes: unknown[] = [];
    const runtime = createRuntime({ clock, timers: clock });
    const parent = spawn(runtime, puppet('parent', notes), 'parent');
    const starting = spawned(parent, puppet('child'));
    await clock.advance(0);
    const child = await starting;
    expect(actorsOf(runtime)).to.deep.equal([parent, child]);
    let aborted: unknown;
    const start = (signal: AbortSignal) =>
      new Promise((resolve) =>
        signal.addEventListener('abort', () => void clock.after(20, () => resolve((aborted = true)))),
      );
    order(child, { type: 'run', name: 'x', kind: 'user', start, done: note, failed: note });
    await clock.advance(0);
    crash(child, new Error('nemesis'));
    expect(statusOf(child)?.phase).to.equal('stopping');
    await clock.advance(20);
    expect(aborted).to.equal(true);
    expect(notes.at(-1)).to.include({ reason: 'crash' });
    expect(actorsOf(runtime)).to.deep.equal([parent]);
    await stop(parent);
  });
});
