// What fails again and again counts from its first failure, as long as nobody can have seen it succeed in between.
import { expect } from 'chai';
import { failedAgain, failingStatus } from '../../actors/protocol/repeated-failure.js';
import type { Failing } from '../../actors/protocol/repeated-failure.js';

const fails = (before: Failing | undefined, now: number): Failing => failedAgain(before, 'Scan', new Error('cut'), now);

describe('an operation that fails again and again', () => {
  it('has failed since the first time, and says how often', () => {
    const failing = [1_000, 20_000, 60_000].reduce<Failing | undefined>(fails, undefined);
    expect(failingStatus([failing], 70_000)).to.deep.include.members([
      { operation: 'Scan', kind: 'other', attempts: 3, forMs: 69_000, error: 'cut' },
    ]);
  });

  it('has not failed all day when it failed yesterday and fails now', () => {
    const failing = fails(fails(undefined, 0), 86_400_000);
    expect(failing).to.include({ since: 86_400_000, attempts: 1 });
    expect(failingStatus([failing], 86_401_000)[0]).to.include({ forMs: 1_000, attempts: 1 });
    expect(failingStatus([failing], 86_500_000)).to.deep.equal([]);
  });

  it('goes on failing where it is tried every two minutes, as an audit is', () => {
    const failing = fails(fails(undefined, 0), 120_000);
    expect(failing).to.include({ since: 0, attempts: 2 });
  });
});
