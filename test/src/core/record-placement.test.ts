// No record is dropped for its hash key while the stream may hold records that were not placed by key.
import { expect } from 'chai';
import { createPlacement, placementSlackMs, type Placement } from '../../../src/core/record-placement.js';

const hourMs = 3_600_000;
const keyed = { distribution: 'USER_PARTITION_KEY', retentionHours: 24 } as const;

describe('the policy for records with a hash key out of range', () => {
  let placement: Placement;
  const policyAt = (nowMs: number): string => placement.state(nowMs).outOfRange;
  beforeEach(() => {
    placement = createPlacement('dropRecord');
  });

  it('is `emit` until a description shows placement by key, then the configured policy', () => {
    expect(policyAt(0)).to.equal('emit');
    placement.described({ ...keyed, atMs: 1_000 });
    expect(policyAt(1_000)).to.equal('dropRecord');
    expect(placement.keyedAt()).to.equal(1_000);
  });

  it('is `emit` while the stream is switchable, and until its retention has passed after that', () => {
    placement.described({ ...keyed, atMs: 1_000 });
    placement.described({ ...keyed, switchable: true, atMs: 2_000 });
    expect(placement.state(2_000)).to.deep.equal({
      configured: 'dropRecord',
      distribution: 'USER_PARTITION_KEY',
      outOfRange: 'emit',
    });
    expect(placement.keyedAt()).to.equal(undefined);
    placement.described({ ...keyed, atMs: 3_000 });
    const until = 2_000 + 24 * hourMs + placementSlackMs;
    expect(policyAt(until)).to.equal('emit');
    expect(policyAt(until + 1)).to.equal('dropRecord');
  });

  it('is `emit` after any worker has seen AUTO, until the retention has passed', () => {
    placement.described({ ...keyed, atMs: 5_000 });
    placement.seenAuto(4_000);
    const { autoSeenAt, keepsAllUntil = 0, outOfRange } = placement.state(5_000);
    expect([autoSeenAt, outOfRange]).to.deep.equal([4_000, 'emit']);
    expect(policyAt(keepsAllUntil)).to.equal('emit');
    expect(policyAt(keepsAllUntil + 1)).to.equal('dropRecord');
  });
});
