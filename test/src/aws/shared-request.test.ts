// Many callers share few requests, and no caller gets the answer to a request that began before the caller asked.
import { expect } from 'chai';
import { sharedRequest } from '../../../src/aws/shared-request.js';
import { ManualClock } from '../../../src/testing/manual-clock.js';

const never = new AbortController().signal;

describe('a shared request', () => {
  it('answers each caller by a request that began after the call, and sends few requests', async () => {
    const clock = new ManualClock();
    const begun: number[] = [];
    const { ask } = sharedRequest(
      () => {
        begun.push(clock.now());
        return new Promise<number>((resolve) => clock.after(100, () => resolve(begun.length)));
      },
      { clock, timers: clock },
    );
    const answers: number[] = [];
    for (let reader = 0; reader < 300; reader += 1)
      void ask(new AbortController().signal).then((answer) => answers.push(answer));
    await clock.advance(50);
    void ask(new AbortController().signal).then((answer) => answers.push(answer));
    await clock.advance(5_000);
    expect(answers).to.have.length(301);
    expect(answers.at(-1)).to.equal(2);
    expect(begun).to.have.length(2);
  });

  it('is sent for a caller that comes after all waiting callers have left', async () => {
    const clock = new ManualClock();
    const { ask } = sharedRequest(() => Promise.resolve('here'), { clock, timers: clock });
    await ask(never);
    const abort = new AbortController();
    const left = ask(abort.signal).catch(() => 'left');
    await clock.advance(10);
    abort.abort();
    expect(await left).to.equal('left');
    let answer: unknown;
    void ask(never).then((given) => (answer = given));
    await clock.advance(1_000);
    expect(answer).to.equal('here');
  });

  it('is not sent if its caller has aborted, and rejects with STOPPED after a close', async () => {
    const clock = new ManualClock();
    let requests = 0;
    const shared = sharedRequest(
      () => {
        requests += 1;
        return Promise.reject(new Error('refused'));
      },
      { clock, timers: clock },
    );
    const codeOf = (asked: Promise<unknown>): Promise<unknown> =>
      asked.then(
        () => 'answered',
        (error: { code?: string; message: string }) => error.code ?? error.message,
      );
    expect(await codeOf(shared.ask(never))).to.equal('refused');
    const abort = new AbortController();
    const given = codeOf(shared.ask(abort.signal));
    abort.abort();
    expect(await given).to.equal('STOPPED');
    await clock.advance(10_000);
    expect(requests, 'nobody waits any more').to.equal(1);
    const waiting = codeOf(shared.ask(never));
    shared.close();
    expect(await waiting).to.be.oneOf(['STOPPED', 'refused']);
    expect(await codeOf(shared.ask(never))).to.equal('STOPPED');
  });

  it('leaves five times a second while that is rare, then once a second, and again after a pause', async () => {
    const clock = new ManualClock();
    const begun: number[] = [];
    const { ask } = sharedRequest(() => Promise.resolve(begun.push(clock.now())), { clock, timers: clock });
    const askOn = async (ms: number): Promise<void> => {
      for (let passed = 0; passed < ms; passed += 50) {
        void ask(new AbortController().signal);
        await clock.advance(50);
      }
    };
    await askOn(10_000);
    expect(begun.slice(1).every((at, index) => at - begun[index]! === 200)).to.equal(true);
    const quick = begun.length;
    await askOn(20_000);
    expect(begun.length - quick).to.be.within(20, 40);
    expect(begun.at(-1)! - begun.at(-2)!).to.be.at.least(1_000);
    await clock.advance(60_000);
    begun.length = 0;
    await askOn(2_000);
    expect(begun.length).to.be.within(9, 11);
  });

  it('leaves once a second after a failure, and for callers that come within milliseconds as one', async () => {
    const clock = new ManualClock();
    const begun: number[] = [];
    let isThrottled = true;
    const { ask } = sharedRequest(
      () => {
        begun.push(clock.now());
        return isThrottled ? Promise.reject(new Error('throttled')) : Promise.resolve();
      },
      { clock, timers: clock },
    );
    await ask(never).catch(() => undefined);
    isThrottled = false;
    for (let caller = 0; caller < 30; caller += 1) {
      void ask(new AbortController().signal);
      await clock.advance(100);
    }
    expect(begun).to.deep.equal([0, 1_000, 2_000, 3_000]);
    await clock.advance(60_000);
    begun.length = 0;
    void ask(never);
    for (const ms of [1_000, 1_005, 1_010, 1_015]) clock.after(ms, () => void ask(never));
    await clock.advance(1_300);
    expect(begun.length).to.equal(2);
  });
});
