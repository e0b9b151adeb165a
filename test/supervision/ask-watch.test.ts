// Questions are answered exactly once, whatever races; deaths are reported exactly once, whatever the order.
import { expect } from 'chai';
import {
  ask as askEffect,
  watch as watchEffect,
  type Ending,
  type Ref,
  type ReplyTo,
} from '../../supervision/actor.js';
import { ask, counters, createRuntime, send, spawn, stop, watch, type Runtime } from '../../supervision/index.js';
import { openQuestions } from '../../supervision/ask.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { note, order, puppet, type Order } from './support.js';

describe('ask and watch', () => {
  const clock = new ManualClock();
  /** The count is per process, and other tests kill simulated processes whose questions stay open. */
  let openBefore = 0;
  let runtime: Runtime;
  let asker: Ref<Order>;
  let asked: Ref<Order>;
  let notes: unknown[];
  /** The addresses of the questions that reached `asked`. */
  let questions: ReplyTo<unknown>[];
  beforeEach(() => {
    openBefore = openQuestions();
    clock.install();
    runtime = createRuntime({ clock, timers: clock });
    [notes, questions] = [[], []];
    asker = spawn(runtime, puppet('asker', notes), 'asker');
    asked = spawn(runtime, puppet('asked', questions), 'asked');
  });
  afterEach(async () => {
    void stop(asker);
    void stop(asked);
    await clock.advance(0);
    clock.uninstall();
    expect([openQuestions() - openBefore, clock.pending()]).to.deep.equal([0, 0]);
  });
  const question = (replyTo: ReplyTo<unknown>): Order => note(replyTo);
  const code = (error: unknown): Order => note((error as { code?: string }).code);
  const askNow = async (deadlineMs?: number): Promise<void> => {
    const outcomes = { answered: note, failed: code, ...(deadlineMs === undefined ? {} : { deadlineMs }) };
    order(asker, askEffect(asked, question, outcomes));
    await clock.advance(0);
  };
  const answer = (what: unknown): void =>
    order(asked, { type: 'reply', to: questions[0] as ReplyTo<never>, answer: what });

  it('deliver the first answer, and count a second one as late', async () => {
    await askNow();
    answer('one');
    answer('two');
    await clock.advance(0);
    expect(notes).to.deep.equal(['one']);
    expect(counters(runtime)).to.deep.equal({ lateAnswer: 1 });
  });

  it('fail a question to a dead actor, or to one that never existed, by a message', async () => {
    await stop(asked);
    await askNow();
    order(asker, askEffect({ path: 'nobody#0', id: -1 } as Ref<Order>, question, { answered: note, failed: code }));
    await clock.advance(0);
    expect(notes).to.deep.equal(['ACTOR_STOPPED', 'ACTOR_STOPPED']);
  });

  it('fail a question to a stopping actor at once', async () => {
    const start = (): Promise<void> => new Promise(() => {});
    order(asked, { type: 'run', name: 'save', kind: 'user', start, done: note, failed: note });
    await clock.advance(0);
    void stop(asked, { deadlineMs: 60_000 });
    await askNow();
    expect(notes).to.deep.equal(['ACTOR_STOPPED']);
    void stop(asked, { deadlineMs: 0 });
    await clock.advance(0);
  });

  it('fail an open question when the asked actor dies by a stop, crash or normal end', async () => {
    for (const last of [{ type: 'end' } as const, { type: 'fail', error: new Error('x') } as const, undefined]) {
      asked = spawn(runtime, puppet('asked', questions), 'asked');
      await askNow();
      if (last === undefined) void stop(asked);
      else order(asked, last);
      await clock.advance(0);
    }
    expect(notes).to.deep.equal(['ACTOR_STOPPED', 'ACTOR_STOPPED', 'ACTOR_STOPPED']);
  });

  it('deliver an answer that was sent before death, even one from the stop hook', async () => {
    await askNow();
    order(asked, { type: 'reply', to: questions[0] as ReplyTo<never>, answer: 'last words' }, { type: 'end' });
    await clock.advance(0);
    const stopped = () => [{ type: 'reply' as const, to: questions[1] as ReplyTo<never>, answer: 'from the hook' }];
    asked = spawn(runtime, puppet('asked', questions, [], { stopped }), 'asked');
    await askNow();
    void stop(asked);
    await clock.advance(0);
    expect(notes).to.deep.equal(['last words', 'from the hook']);
  });

  it('fail a question once at its deadline, and count a later answer as late', async () => {
    await askNow(100);
    await clock.advance(99);
    expect(notes).to.deep.equal([]);
    await clock.advance(1);
    answer('late');
    await clock.advance(0);
    expect(notes).to.deep.equal(['ASK_TIMEOUT']);
    expect(counters(runtime)).to.deep.equal({ lateAnswer: 1 });
  });

  it('cancel the deadline when an answer comes in time', async () => {
    await askNow(100);
    answer('in time');
    await clock.advance(0);
    expect(clock.pending()).to.equal(0);
    await clock.advance(1_000);
    expect(notes).to.deep.equal(['in time']);
  });

  it('close the questions of an asker that stops, and deliver no answer to it', async () => {
    await askNow(100);
    await stop(asker);
    expect(openQuestions()).to.equal(openBefore);
    answer('too late');
    await clock.advance(1_000);
    expect(notes).to.deep.equal([]);
  });

  it('let another actor answer a question that was passed on', async () => {
    await askNow();
    const other = spawn(runtime, puppet('other'), 'other');
    order(other, { type: 'reply', to: questions[0] as ReplyTo<never>, answer: 'from other' });
    await clock.advance(0);
    expect(notes).to.deep.equal(['from other']);
    void stop(other);
  });

  it('resolve a promise of a caller from outside, or reject it by deadline, death or signal', async () => {
    const outcomes: Promise<unknown>[] = [
      ask(asked, question),
      ask(asked, question, { deadlineMs: 10 }),
      ask(asked, question, { signal: AbortSignal.abort(new Error('before')) }),
    ].map((promise) => promise.catch((error: Error & { code?: string }) => error.code ?? error.message));
    const controller = new AbortController();
    outcomes.push(ask(asked, question, { signal: controller.signal }).catch((error: Error) => error.message));
    await clock.advance(0);
    controller.abort(new Error('withdrawn'));
    await clock.advance(10);
    outcomes.push(ask(asked, question).catch((error: { code?: string }) => error.code));
    await clock.advance(0);
    answer('answer');
    await clock.advance(0);
    await stop(asked);
    outcomes.push(ask(asked, question).catch((error: { code?: string }) => error.code));
    const expected = ['answer', 'ASK_TIMEOUT', 'before', 'withdrawn', 'ACTOR_STOPPED', 'ACTOR_STOPPED'];
    expect(await Promise.all(outcomes)).to.deep.equal(expected);
  });

  it('send `down` once per watch, after all messages of the actor, and at once for a dead one', async () => {
    const down = (how: Ending): Order => note(how.reason);
    order(asker, watchEffect(asked, down), watchEffect(asked, down));
    await clock.advance(0);
    order(asked, { type: 'send', to: asker, message: note('last words') }, { type: 'end' });
    await clock.advance(0);
    order(asker, watchEffect(asked, down));
    await clock.advance(0);
    expect(notes).to.deep.equal(['last words', 'normal', 'normal', 'normal']);
    expect((await watch(asked)).reason).to.equal('normal');
  });

  it('keep the order of the messages of one sender', async () => {
    const numbers = Array.from({ length: 500 }, (_, i) => i);
    order(asked, ...numbers.map((n) => ({ type: 'send', to: asker, message: note(n) }) as const));
    await clock.advance(0);
    for (const n of numbers) send(asker, note(n));
    await clock.advance(0);
    expect(notes).to.deep.equal([...numbers, ...numbers]);
  });
});
