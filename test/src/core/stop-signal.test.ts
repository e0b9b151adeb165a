// Signals within two seconds of the first are the same request to stop; a later or stronger signal asks to stop at once.
import { expect } from 'chai';
import { sameStopMs, stopSignals } from '../../../src/core/stop-signal.js';

describe('the classification of signals', () => {
  let nowMs: number;
  let judge: ReturnType<typeof stopSignals>;
  beforeEach(() => {
    nowMs = 5_000;
    judge = stopSignals(() => nowMs);
  });

  it('treats the first signal as the request to stop, and signals within two seconds as repeats', () => {
    expect(judge('SIGTERM')).to.equal('stop');
    expect(judge('SIGTERM')).to.equal('repeated');
    nowMs += sameStopMs;
    expect(judge('SIGTERM')).to.equal('repeated');
  });

  it('counts the two seconds from the first signal, not from the last repeat', () => {
    judge('SIGINT');
    nowMs += 1_500;
    expect(judge('SIGINT')).to.equal('repeated');
    nowMs += 501;
    expect(judge('SIGINT')).to.equal('atOnce');
  });

  it('treats another polite signal as a repeat, because runners answer Ctrl-C with SIGTERM to their children', () => {
    expect(judge('SIGINT')).to.equal('stop');
    expect(judge('SIGTERM')).to.equal('repeated');
    expect(judge('SIGHUP')).to.equal('repeated');
  });

  it('treats a stronger signal as `atOnce`, even within two seconds', () => {
    judge('SIGTERM');
    expect(judge('SIGQUIT')).to.equal('atOnce');
  });

  it('treats a repeated strong signal, and a weaker one after it, as repeats', () => {
    expect(judge('SIGQUIT')).to.equal('stop');
    expect(judge('SIGQUIT')).to.equal('repeated');
    expect(judge('SIGTERM')).to.equal('repeated');
  });
});
