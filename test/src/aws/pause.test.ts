// The wait of the loops in src/aws: its time, its end, and that nothing of it stays.
import { expect } from 'chai';
import { pause } from '../../../src/aws/pause.js';
import { ManualClock } from '../../../src/testing/manual-clock.js';

describe('pause', () => {
  it('resolves after its time and leaves no listener', async () => {
    const clock = new ManualClock();
    const controller = new AbortController();
    let done = false;
    void pause(clock, 100, controller.signal, 'waiting').then(() => (done = true));
    await clock.advance(99);
    expect(done).to.equal(false);
    await clock.advance(1);
    expect(done).to.equal(true);
    controller.abort();
    expect(clock.pending()).to.equal(0);
  });

  it('rejects with STOPPED and what was waited for, when aborted before or meanwhile, and leaves no timer', async () => {
    const clock = new ManualClock();
    for (const before of [true, false]) {
      const controller = new AbortController();
      if (before) controller.abort();
      const waiting = pause(clock, 100, controller.signal, 'waiting').then(
        () => undefined,
        (error: unknown) => error,
      );
      controller.abort();
      expect(await waiting).to.include({ code: 'STOPPED', message: 'waiting was aborted' });
      expect(clock.pending()).to.equal(0);
    }
  });
});
