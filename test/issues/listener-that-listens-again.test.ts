// A listener that takes itself off and puts itself on again, or adds another one, was called for the same event without end:
// those that came while an event was handed out were handed it as well, and the event loop never went on.
import { expect } from 'chai';
import { createEmitter } from '../../src/consumer/emitter.js';
import { silentLogger } from '../../src/api/logger.js';

const event = { name: 'warning', data: { message: 'x' } } as const;
/** More calls than this are without end. */
const enough = 1_000;

describe('a listener that listens again', () => {
  it('is called once for each event, with those who listened when the event came', () => {
    const emitter = createEmitter(silentLogger);
    let calls = 0;
    const again = (): void => {
      calls += 1;
      off();
      if (calls < enough) off = emitter.on('warning', again);
    };
    let off = emitter.on('warning', again);
    emitter.emit(event);
    expect(calls).to.equal(1);
    emitter.emit(event);
    expect(calls).to.equal(2);
  });

  it('is not called for an event when one before it has taken it off', () => {
    const emitter = createEmitter(silentLogger);
    const called: string[] = [];
    emitter.on('warning', () => {
      called.push('first');
      off();
    });
    const off = emitter.on('warning', () => called.push('second'));
    emitter.emit(event);
    expect(called).to.deep.equal(['first']);
  });
});
