import { expect } from 'chai';
import { sameWishMs, stopWishes } from '../../../src/core/stop-wish.js';

describe('a judge of signals', () => {
  let nowMs: number;
  let judge: ReturnType<typeof stopWishes>;
  beforeEach(() => {
    nowMs = 5_000;
    judge = stopWishes(() => nowMs);
  });

  it('takes the first one for the wish to stop, and what comes within two seconds for the same wish', () => {
    expect(judge('SIGTERM')).to.equal('stop');
    expect(judge('SIGTERM')).to.equal('repeated');
    nowMs += sameWishMs;
    expect(judge('SIGTERM')).to.equal('repeated');
  });

  it('counts the two seconds from the first one, so that nobody who repeats himself is put off for ever', () => {
    judge('SIGINT');
    nowMs += 1_500;
    expect(judge('SIGINT')).to.equal('repeated');
    nowMs += 501;
    expect(judge('SIGINT')).to.equal('atOnce');
  });

  it('takes a polite signal of another name for the same wish: a runner answers Ctrl-C with SIGTERM to its children', () => {
    expect(judge('SIGINT')).to.equal('stop');
    expect(judge('SIGTERM')).to.equal('repeated');
    expect(judge('SIGHUP')).to.equal('repeated');
  });

  it('takes a stronger one at its word, at any time', () => {
    judge('SIGTERM');
    expect(judge('SIGQUIT')).to.equal('atOnce');
  });

  it('takes a strong one that comes twice, and a weaker one behind it, for one wish', () => {
    expect(judge('SIGQUIT')).to.equal('stop');
    expect(judge('SIGQUIT')).to.equal('repeated');
    expect(judge('SIGTERM')).to.equal('repeated');
  });
});
