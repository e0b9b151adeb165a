// An operation that keeps failing counts from its first failure. A failure after a long pause starts a new count, and the status shows
// only recent failures, because a success since then may have gone unnoticed.
import { expect } from 'chai';
import { failedAgain, failingStatus, type RepeatedFailure } from '../../actors/protocol/repeated-failure.js';

const fails = (before: RepeatedFailure | undefined, now: number): RepeatedFailure =>
  failedAgain(before, 'Scan', new Error('cut'), now);

describe('an operation that fails repeatedly', () => {
  it('has failed since its first failure, and counts its attempts', () => {
    const failing = [1_000, 20_000, 60_000].reduce<RepeatedFailure | undefined>(fails, undefined);
    expect(failingStatus([failing], 70_000)).to.deep.include.members([
      { operation: 'Scan', kind: 'other', attempts: 3, forMs: 69_000, error: 'cut' },
    ]);
  });

  it('starts a new count a day later, and leaves the status after a while', () => {
    const failing = fails(fails(undefined, 0), 86_400_000);
    expect(failing).to.include({ since: 86_400_000, attempts: 1 });
    expect(failingStatus([failing], 86_401_000)[0]).to.include({ forMs: 1_000, attempts: 1 });
    expect(failingStatus([failing], 86_500_000)).to.deep.equal([]);
  });

  it('continues its count when it is tried every two minutes, like an audit', () => {
    const failing = fails(fails(undefined, 0), 120_000);
    expect(failing).to.include({ since: 0, attempts: 2 });
  });
});
