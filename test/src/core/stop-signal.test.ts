// Signals within two seconds of the first are the same request to stop; a later or a stronger one means at once.
import { expect } from 'chai';
import { sameStopMs, stopSignals } from '../../../src/core/stop-signal.js';

describe('a judge of signals', () => {
  let nowMs: number;
  let judge: ReturnType<typeof stopSignals>;
  beforeEach(() => {
    nowMs = 5_000;
    judge = stopSignals(() => nowMs);
  });

  it('takes the first one for the request to stop, and what comes within two seconds for the same request', () => {
    expect(judge('SIGTERM')).to.equal('stop');
    expect(judge('SIGTERM')).to.equal('repeated');
    nowMs += sameStopMs;
    expect(judge('SIGTERM')).to.equal('repeated');
  });

  it('counts the two seconds from the first one, so that nobody who repeats himself is put off for ever', () => {
    judge('SIGINT');
    nowMs += 1_500;
    expect(judge('SIGINT')).to.equal('repeated');
    nowMs += 501;
    expect(judge('SIGINT')).to.equal('atOnce');
  });

  it('takes a polite signal of another name for the same request: a runner answers Ctrl-C with SIGTERM to its children', () => {
    expect(judge('SIGINT')).to.equal('stop');
    expect(judge('SIGTERM')).to.equal('repeated');
    expect(judge('SIGHUP')).to.equal('repeated');
  });

  it('takes a stronger one at its word, at any time', () => {
    judge('SIGTERM');
    expect(judge('SIGQUIT')).to.equal('atOnce');
  });

  it('takes a strong one that comes twice, and a weaker one behind it, for one request', () => {
    expect(judge('SIGQUIT')).to.equal('stop');
    expect(judge('SIGQUIT')).to.equal('repeated');
    expect(judge('SIGTERM')).to.equal('repeated');
  });
});
