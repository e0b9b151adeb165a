// The wait that the loops in src/aws use takes its time, ends at an abort, and leaves neither a timer nor a listener.
import { expect } from 'chai';
import { sleep } from '../../../src/aws/sleep.js';
import { ManualClock } from '../../../src/testing/manual-clock.js';

describe('sleep', () => {
  it('resolves after its time and leaves no listener', async () => {
    const clock = new ManualClock();
    const controller = new AbortController();
    let done = false;
    void sleep(clock, 100, controller.signal, 'waiting').then(() => (done = true));
    await clock.advance(99);
    expect(done).to.equal(false);
    await clock.advance(1);
    expect(done).to.equal(true);
    controller.abort();
    expect(clock.pending()).to.equal(0);
  });

  it('rejects with STOPPED and its purpose if aborted before or during the wait, and leaves no timer', async () => {
    const clock = new ManualClock();
    for (const before of [true, false]) {
      const controller = new AbortController();
      if (before) controller.abort();
      const waiting = sleep(clock, 100, controller.signal, 'waiting').then(
        () => undefined,
        (error: unknown) => error,
      );
      controller.abort();
      expect(await waiting).to.include({ code: 'STOPPED', message: 'waiting was aborted' });
      expect(clock.pending()).to.equal(0);
    }
  });
});
