// The pause of the application: idempotent, and told to every watcher.
import { expect } from 'chai';
import { createIntake, pauseIntake, resumeIntake, watchIntake } from '../../../src/core/intake.js';

describe('an intake', () => {
  it('changes once for each pause and resume, and tells only those who still watch', () => {
    const intake = createIntake();
    let told = 0;
    const unwatch = watchIntake(intake, () => (told += 1));
    expect(resumeIntake(intake, 1)).to.equal(undefined);
    expect(pauseIntake(intake, 5)).to.equal(true);
    expect(pauseIntake(intake, 6)).to.equal(false);
    expect(intake.pausedAt).to.equal(5);
    expect(resumeIntake(intake, 9)).to.equal(4);
    expect(resumeIntake(intake, 10)).to.equal(undefined);
    expect(intake).to.include({ pausedAt: undefined, resumedAt: 9 });
    expect(told).to.equal(2);
    unwatch();
    pauseIntake(intake, 11);
    expect(told).to.equal(2);
  });
});
