// Symptom: two copies of kinact under one nact parent both named their first actor `kinact.n1`. When nact refused the second,
// kinact took the parent for one that has stopped. A parent of another copy of nact had the same effect. A reference of another
// copy looked like an actor that never existed, and messages to it vanished.
import { createRequire } from 'node:module';
import { expect } from 'chai';
import * as nact from 'nact';
import * as ours from '../../supervision/index.js';
import type { Ref, ReplyTo } from '../../actors/protocol/actor.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { note, order, puppet, type Order } from '../supervision/support.js';

/** The built package. It is another copy for these tests, because they run from their own build. */
const built = 'kinact/supervision';

describe('two copies of kinact in one process', () => {
  const clock = new ManualClock();
  let theirs: typeof ours;
  before(async () => (theirs = (await import(built)) as typeof ours));
  beforeEach(() => clock.install());
  afterEach(() => clock.uninstall());

  it('live under one parent of the nact that they share', async () => {
    const parent = nact.start() as object;
    const refs = [ours, theirs, ours, theirs].map((copy) => {
      const ref = copy.spawn(copy.createRuntime({ clock, timers: clock, parent }), puppet('a'), 'a');
      return { copy, ref };
    });
    const notes: unknown[] = [];
    for (const { copy, ref } of refs) {
      void copy
        .ask(ref, (replyTo) => ({ type: 'do', effects: [ours.effect.reply(replyTo, 1)] }) as const)
        .then((answer) => notes.push(answer));
    }
    await clock.advance(0);
    expect(notes).to.deep.equal([1, 1, 1, 1]);
    await Promise.all(refs.map(({ copy, ref }) => copy.stop(ref)));
    nact.stop(parent as nact.ActorSystemRef);
  });

  it("refuse what the other copy has made, with an error that names the other copy's place", async () => {
    const runtime = theirs.createRuntime({ clock, timers: clock });
    const ref = theirs.spawn(runtime, puppet('a'), 'a');
    for (const call of [
      () => ours.spawn(ref, puppet('b')),
      () => ours.spawn(runtime, puppet('b')),
      () => ours.supervise(ref, { children: [] }),
      () => ours.send(ref, note(1)),
      () => ours.ask(ref, () => note(1)),
      () => ours.watch(ref),
      () => ours.stop(ref),
      () => ours.crash(ref, new Error('x')),
      () => ours.status(runtime),
      () => ours.attachIntercept(runtime, {}),
    ]) {
      expect(call, String(call))
        .to.throw(/one of another copy in this process \(file:.*\/dist\/supervision\/package-copy\.js\)/)
        .with.property('code', 'INVALID_OPTION');
    }
    void theirs.stop(ref);
  });

  it("crash an actor that sends to, asks or watches the other copy's actor, with that error", async () => {
    const ref = theirs.spawn(theirs.createRuntime({ clock, timers: clock }), puppet('a'), 'a');
    const runtime = ours.createRuntime({ clock, timers: clock });
    for (const effect of [
      { type: 'send', to: ref, message: note(1) },
      { type: 'ask', to: ref, question: () => note(1), answered: note, failed: note },
      { type: 'watch', actor: ref, down: note },
    ] as const) {
      const own: Ref<Order> = ours.spawn(runtime, puppet('b'), 'b');
      order(own, effect);
      await clock.advance(0);
      expect((await ours.watch(own)).error?.message).to.match(/another copy in this process/);
    }
    void theirs.stop(ref);
  });

  it('do not confuse a question with a question of the other copy that has the same number', async () => {
    const runtime = ours.createRuntime({ clock, timers: clock });
    const ref = ours.spawn(runtime, puppet('a'), 'a');
    const asker = theirs.spawn(theirs.createRuntime({ clock, timers: clock }), puppet('b'), 'b');
    let number = 0;
    const answer = ours.ask(ref, (replyTo: ReplyTo<string>) => ((number = replyTo.question), note('asked')));
    order(ref, { type: 'reply', to: { asker, question: number } as never, answer: 'wrong' });
    await clock.advance(0);
    expect(ours.counters(runtime)).to.deep.equal({ lateAnswer: 1 });
    const stopped = answer.catch((error: unknown) => error);
    void ours.stop(ref);
    expect(await stopped).to.include({ code: 'ACTOR_STOPPED' });
    void theirs.stop(asker);
  });

  it('refuse a parent of another copy of nact as such, and not as a stopped parent', () => {
    const require = createRequire(import.meta.url);
    const cached = Object.keys(require.cache).filter((path) => path.includes('/node_modules/nact/'));
    for (const path of cached) delete require.cache[path];
    const other = require('nact') as typeof nact;
    const system = other.start();
    const actor = other.spawn(system, () => undefined, 'app');
    for (const parent of [system, actor]) {
      expect(() => ours.createRuntime({ parent: parent as object }))
        .to.throw(/^parent: expected a reference of the nact that kinact itself uses, got one of another copy of nact/)
        .with.property('code', 'INVALID_OPTION');
    }
    other.stop(system);
  });
});
