// What a process has handed out of a lease is forgotten with the ownership, and that calls may run for it is not.
import { expect } from 'chai';
import {
  beganHandingOut,
  callsHaveEnded,
  callsMayRunOf,
  createHandedOut,
  forgetHandedOut,
  newestOf,
} from '../../../src/core/handed-out.js';

const at = (sequenceNumber: string) => ({ sequenceNumber, subSequenceNumber: 0 });

describe('what a process has handed out of a lease', () => {
  it('is the newest record of all tenures of one ownership, and calls may run as soon as there is one', () => {
    const handedOut = createHandedOut();
    expect(callsMayRunOf(handedOut, 'a')).to.equal(false);
    const first: { newestHandedOut?: ReturnType<typeof at> } = {};
    beganHandingOut(handedOut, 'a', first);
    expect(callsMayRunOf(handedOut, 'a')).to.equal(false);
    first.newestHandedOut = at('7');
    beganHandingOut(handedOut, 'a', { newestHandedOut: at('5') });
    expect(newestOf(handedOut, 'a')).to.deep.equal(at('7'));
    expect(callsMayRunOf(handedOut, 'a')).to.equal(true);
    expect(callsMayRunOf(handedOut, 'b')).to.equal(false);
  });

  it('is nothing in a later ownership, where calls of the earlier one may run until they are known to have ended', () => {
    const handedOut = createHandedOut();
    beganHandingOut(handedOut, 'a', { newestHandedOut: at('7') });
    forgetHandedOut(handedOut, 'a');
    beganHandingOut(handedOut, 'a', {});
    expect(newestOf(handedOut, 'a')).to.equal(undefined);
    expect(callsMayRunOf(handedOut, 'a')).to.equal(true);
    callsHaveEnded(handedOut, 'a');
    expect(callsMayRunOf(handedOut, 'a')).to.equal(false);
  });

  it('is all forgotten where the calls have ended, or there were none', () => {
    const handedOut = createHandedOut();
    beganHandingOut(handedOut, 'a', { newestHandedOut: at('7') });
    forgetHandedOut(handedOut, 'a', true);
    beganHandingOut(handedOut, 'b', {});
    forgetHandedOut(handedOut, 'b');
    expect(handedOut.size).to.equal(0);
  });

  it('does not grow with every lease that was ever lost', () => {
    const handedOut = createHandedOut();
    for (let index = 0; index < 10_100; index += 1) {
      beganHandingOut(handedOut, `${index}`, { newestHandedOut: at('7') });
      forgetHandedOut(handedOut, `${index}`);
    }
    expect(handedOut.size).to.equal(10_000);
    expect(callsMayRunOf(handedOut, '10099')).to.equal(true);
    expect(callsMayRunOf(handedOut, '99')).to.equal(false);
  });
});
