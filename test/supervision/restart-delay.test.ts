// A supervisor with `restartDelayMs`: when its children start again, what waits until then, and what ends the wait.
import { expect } from 'chai';
import {
  ask,
  createRuntime,
  crash,
  spawn,
  stop,
  supervisor,
  type Behaviour,
  type Ref,
  type SupervisorMessage,
} from '../../supervision/index.js';
import { ManualClock } from '../../src/testing/manual-clock.js';

describe('a supervisor that delays restarts', () => {
  const clock = new ManualClock();
  beforeEach(() => clock.install());
  afterEach(() => clock.uninstall());

  function started(restartDelayMs: (count: number, error: Error) => number) {
    const refs: Ref<never>[] = [];
    const child: Behaviour<number, never> = {
      kind: 'child',
      initial: (self) => (refs.push(self as Ref<never>), [0, []]),
      receive: (state) => [state, []],
    };
    const runtime = createRuntime({ clock, timers: clock });
    const top = spawn(
      runtime,
      supervisor({ children: [{ id: 'child', start: () => child as never }], intensity: 10, restartDelayMs }),
      'top',
    );
    return { refs, top, runtime };
  }

  it('starts its children after the delay, which may depend on the restart and its cause', async () => {
    const asked: [number, string][] = [];
    const { refs } = started((count, { message }) => {
      asked.push([count, message]);
      return count * 1_000;
    });
    await clock.advance(10);
    for (const delayMs of [1_000, 2_000]) {
      const before = refs.length;
      crash(refs.at(-1)!, new Error('for the test'));
      await clock.advance(delayMs - 1);
      expect(refs).to.have.length(before);
      await clock.advance(10);
      expect(refs).to.have.length(before + 1);
    }
    expect(asked).to.deep.equal([
      [1, 'for the test'],
      [2, 'for the test'],
    ]);
  });

  it('answers requests after the delay', async () => {
    const { refs, top } = started(() => 5_000);
    await clock.advance(10);
    crash(refs[0]!, new Error('for the test'));
    await clock.advance(10);
    let answer: unknown;
    void ask(top as Ref<SupervisorMessage>, (replyTo) => ({ type: 'children', replyTo })).then(
      (children) => (answer = children),
    );
    await clock.advance(4_000);
    expect(answer).to.equal(undefined);
    await clock.advance(2_000);
    expect(answer).to.have.length(1);
  });

  it('stops at once during a delay, and starts nothing more', async () => {
    const { refs, top } = started(() => 60_000);
    await clock.advance(10);
    crash(refs[0]!, new Error('for the test'));
    await clock.advance(10);
    let stopped = false;
    void stop(top).then(() => (stopped = true));
    await clock.advance(10);
    expect(stopped).to.equal(true);
    await clock.advance(120_000);
    expect(refs).to.have.length(1);
    expect(clock.pending()).to.equal(0);
  });
});
