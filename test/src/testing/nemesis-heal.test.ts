// What becomes of messages and effects that a nemesis holds back when it heals or is disposed of, shown on an application's own actors.
import { expect } from 'chai';
import { createRuntime, send, spawn, stop } from '../../../supervision/index.js';
import { ManualClock, nemesis } from '../../../src/testing/index.js';
import { note, order, puppet } from '../../supervision/support.js';

describe('a nemesis that heals', () => {
  let clock: ManualClock;
  beforeEach(() => {
    clock = new ManualClock();
    clock.install();
  });
  afterEach(() => clock.uninstall());

  const scene = () => {
    const notes: unknown[] = [];
    const runtime = createRuntime({ clock, timers: clock });
    const ref = spawn(runtime, puppet('a', notes), 'a');
    return { notes, ref, chaos: nemesis({ runtime, closed: new Promise(() => {}) }, { seed: 1 }) };
  };

  it('lets a paused actor handle its waiting messages before newer ones after a disposal', async () => {
    const { notes, ref, chaos } = scene();
    chaos.pause('puppet');
    for (const what of [1, 2]) send(ref, note(what));
    await clock.advance(10);
    chaos[Symbol.dispose]();
    send(ref, note(3));
    await clock.advance(10);
    expect(notes).to.deep.equal([1, 2, 3]);
    await stop(ref);
  });

  it('releases effects that hang, and withdraws hangs that have not begun', async () => {
    const { notes, ref, chaos } = scene();
    const run = (name: string) =>
      ({ type: 'run', name, kind: 'io', start: () => name, done: note, failed: note }) as const;
    for (const name of ['before', 'after'] as const) chaos.hang('puppet', name, { when: name });
    chaos.hang('puppet', 'later');
    order(ref, run('before'), run('after'));
    await clock.advance(10);
    expect(notes).to.deep.equal([]);
    chaos.heal();
    await clock.advance(10);
    expect(notes.toSorted()).to.deep.equal(['after', 'before']);
    order(ref, run('later'));
    await clock.advance(10);
    expect(notes).to.include('later');
    await stop(ref);
  });
});
