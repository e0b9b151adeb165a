// Intercepts that are attached to a running tree: in which order they stand, what `receive` may do, and that they go.
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

  it('stand one behind the other, the first attached outermost, and go one by one', async () => {
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

  it('the same one attached twice is there twice, and each goes for itself, once', async () => {
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

  it('receive may be held back, refused, or called once too often; what it throws is the crash of that actor', async () => {
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
    // What never got to the actor: the lost one, the one that threw, the one still held.
    expect(counters(runtime)).to.deep.equal({ deadLetter: 3 });
  });

  it('a held timer that is cancelled behind it never acts', async () => {
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

  it('actorsOf names every actor, and crash ends one where it stands, with its running effect waited for', async () => {
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
