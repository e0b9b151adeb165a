// A misspelt option gets a suggestion only if one name is near.
import { expect } from 'chai';
import { nearestName } from '../../../src/core/nearest-name.js';

describe('the nearest name', () => {
  const names = ['maxPending', 'maxPendingBytes', 'maxBytes', 'reducers', 'reducer', 'workerId'];

  it('is the name that differs least, whatever the case', () => {
    expect(nearestName('maxpending', names)).to.equal('maxPending');
    expect(nearestName('maxPendingByte', names)).to.equal('maxPendingBytes');
    expect(nearestName('maxByts', names)).to.equal('maxBytes');
    expect(nearestName('wokerID', names)).to.equal('workerId');
  });

  it('is undefined if no name is near, even for a text of a million characters', () => {
    expect(nearestName('logger', names)).to.equal(undefined);
    expect(nearestName('', names)).to.equal(undefined);
    expect(nearestName('x'.repeat(1_000_000), names)).to.equal(undefined);
  });
});
