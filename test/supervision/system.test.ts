// The runtime carries out effects of `supervision/actor.ts` on real nact, in real time.
import { expect } from 'chai';
import * as effect from '../../supervision/actor.js';
import type { Behaviour, Effect, Ending, Ref, ReplyTo } from '../../supervision/actor.js';
import { createRuntime, endingOf, sendFromOutside, spawnRoot, stopRoot } from '../../supervision/system.js';

type Message =
  | { readonly type: 'do'; readonly effects: readonly Effect<Message>[] }
  | { readonly type: 'note'; readonly what: unknown };

/** An actor that carries out the effects of a message and notes what comes back. */
function scripted(seen: unknown[], done: (length: number) => unknown = () => {}): Behaviour<undefined, Message> {
  return {
    kind: 'scripted',
    initial: () => [undefined, []],
    receive(_state, message) {
      if (message.type === 'do') return [undefined, message.effects];
      seen.push(message.what);
      done(seen.length);
      return [undefined, []];
    },
  };
}

describe('supervision/system', () => {
  it('delivers messages, timers, results, answers and deaths', async () => {
    const runtime = createRuntime();
    const seen: unknown[] = [];
    let resolve = (): void => {};
    const promise = new Promise<void>((settle) => (resolve = settle));
    const note = (what: unknown): Message => ({ type: 'note', what });
    const root = spawnRoot(
      runtime,
      scripted(seen, (n) => n === 8 && resolve()),
      'a',
    );
    type Echo = { readonly type: 'echo'; readonly replyTo: ReplyTo<string> };
    const echo: Behaviour<number, Echo> = {
      kind: 'echo',
      initial: () => [0, []],
      receive: (n, { replyTo }) => [
        n + 1,
        [effect.reply(replyTo, `echo ${n}`), ...(n === 1 ? [{ type: 'end' } as const] : [])],
      ],
    };
    let child: Ref<Echo> | undefined;
    sendFromOutside(root, {
      type: 'do',
      effects: [
        effect.run({ name: 'x', kind: 'io', start: async () => 1, done: note, failed: note }),
        effect.run({ name: 'y', kind: 'user', start: () => 2, done: note, failed: note }),
        { type: 'after', key: 't', ms: 20, message: note('timer') },
        effect.spawn('c', echo, {
          spawned: (ref) => ((child = ref), note('spawned')),
          down: (_ref, how: Ending) => note(how.reason),
        }),
      ],
    });
    while (!seen.includes('spawned')) await new Promise((r) => setImmediate(r));
    const question = (replyTo: ReplyTo<string>): Echo => ({ type: 'echo', replyTo });
    sendFromOutside(root, {
      type: 'do',
      effects: [
        effect.ask(child!, question, { answered: note, failed: note }),
        effect.ask(child!, question, { answered: note, failed: note }),
        effect.ask(child!, question, { answered: note, failed: note }),
      ],
    });
    await promise;
    expect(seen.filter((what) => typeof what !== 'object')).to.have.members([
      2,
      1,
      'spawned',
      'echo 0',
      'echo 1',
      'normal',
      'timer',
    ]);
    expect(seen.find((what) => what instanceof Error)).to.have.property('code', 'ACTOR_STOPPED');
    expect(await stopRoot(root, { deadlineMs: 100 })).to.deep.equal({ reason: 'shutdown', orphans: [] });
    expect((await endingOf(root)).reason).to.equal('shutdown');
  });
});
