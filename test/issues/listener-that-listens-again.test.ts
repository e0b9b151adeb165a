// Symptom: a listener that removed and added itself again, or added another listener, was called for the same event without end.
// The event loop stood still. Cause: a listener that was added while an event was delivered got this event as well.
import { expect } from 'chai';
import { createEmitter } from '../../src/consumer/emitter.js';
import { silentLogger } from '../../src/api/logger.js';

const event = { name: 'warning', data: { message: 'x' } } as const;
/** More calls than this count as endless. */
const enough = 1_000;

describe('a listener of an event', () => {
  it('is called once for each event, even if it removes and adds itself meanwhile', () => {
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

  it('is not called for an event if an earlier listener has removed it', () => {
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
