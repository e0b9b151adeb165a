// When an ownership ends, a process forgets the records of the lease that it has handed out. It remembers that calls for them may run.
import { expect } from 'chai';
import {
  beginHandingOut,
  noteCallsEnded,
  callsMayRunOf,
  createHandedOut,
  forgetHandedOut,
  newestOf,
} from '../../../src/core/handed-out-records.js';

const at = (sequenceNumber: string) => ({ sequenceNumber, subSequenceNumber: 0 });

describe('what a process has handed out of a lease', () => {
  it('is the newest record of all tenures of one ownership, and its calls may be running', () => {
    const handedOut = createHandedOut();
    expect(callsMayRunOf(handedOut, 'a')).to.equal(false);
    const first: { newestHandedOut?: ReturnType<typeof at> } = {};
    beginHandingOut(handedOut, 'a', first);
    expect(callsMayRunOf(handedOut, 'a')).to.equal(false);
    first.newestHandedOut = at('7');
    beginHandingOut(handedOut, 'a', { newestHandedOut: at('5') });
    expect(newestOf(handedOut, 'a')).to.deep.equal(at('7'));
    expect(callsMayRunOf(handedOut, 'a')).to.equal(true);
    expect(callsMayRunOf(handedOut, 'b')).to.equal(false);
  });

  it('is empty in a new ownership, but calls of the earlier one may run until `noteCallsEnded`', () => {
    const handedOut = createHandedOut();
    beginHandingOut(handedOut, 'a', { newestHandedOut: at('7') });
    forgetHandedOut(handedOut, 'a');
    beginHandingOut(handedOut, 'a', {});
    expect(newestOf(handedOut, 'a')).to.equal(undefined);
    expect(callsMayRunOf(handedOut, 'a')).to.equal(true);
    noteCallsEnded(handedOut, 'a');
    expect(callsMayRunOf(handedOut, 'a')).to.equal(false);
  });

  it('is forgotten completely if its calls have ended or no record was handed out', () => {
    const handedOut = createHandedOut();
    beginHandingOut(handedOut, 'a', { newestHandedOut: at('7') });
    forgetHandedOut(handedOut, 'a', true);
    beginHandingOut(handedOut, 'b', {});
    forgetHandedOut(handedOut, 'b');
    expect(handedOut.size).to.equal(0);
  });

  it('is remembered for the newest 10,000 lost leases only', () => {
    const handedOut = createHandedOut();
    for (let index = 0; index < 10_100; index += 1) {
      beginHandingOut(handedOut, `${index}`, { newestHandedOut: at('7') });
      forgetHandedOut(handedOut, `${index}`);
    }
    expect(handedOut.size).to.equal(10_000);
    expect(callsMayRunOf(handedOut, '10099')).to.equal(true);
    expect(callsMayRunOf(handedOut, '99')).to.equal(false);
  });

  it('of a held lease is never forgotten for lost ones', () => {
    const handedOut = createHandedOut();
    const lose = (lease: string): void => {
      beginHandingOut(handedOut, lease, { newestHandedOut: at('7') });
      forgetHandedOut(handedOut, lease);
    };
    // Its entry is the oldest, and it has handed out nothing since a call of an earlier ownership was left behind.
    lose('held');
    beginHandingOut(handedOut, 'held', {});
    for (let index = 0; index < 10_100; index += 1) lose(`${index}`);
    expect(handedOut.size).to.equal(10_000);
    expect(callsMayRunOf(handedOut, 'held')).to.equal(true);
  });
});
