// Renewals carry checkpoints for free; an extra write is due only when the options ask for it and the row is behind the frontier.
import { expect } from 'chai';
import {
  extraCheckpointAt,
  renewalCarriesCheckpoint,
  type CheckpointCadence,
} from '../../../src/core/checkpoint-cadence.js';

const cadence = (intervalMs: number, records = 0): CheckpointCadence => ({ intervalMs, records, renewalMs: 3_000 });
const since = (checkpointAt: number, uncheckpointedRecords = 1) => ({ checkpointAt, uncheckpointedRecords });

describe('the cadence of checkpoints', () => {
  it('asks for no extra write by default, and every renewal carries a checkpoint', () => {
    expect(extraCheckpointAt(cadence(0), since(1_000, 10_000))).to.equal(Infinity);
    expect(renewalCarriesCheckpoint(cadence(0), since(1_000), 1_001)).to.equal(true);
  });

  it('asks for an extra write after each interval below `renewalMs`, and renewals still carry checkpoints', () => {
    expect(extraCheckpointAt(cadence(200), since(1_000))).to.equal(1_200);
    expect(extraCheckpointAt(cadence(2_999), since(1_000))).to.equal(3_999);
    expect(renewalCarriesCheckpoint(cadence(2_999), since(1_000), 1_001)).to.equal(true);
  });

  it('sends renewals without a checkpoint until an interval of at least `renewalMs` is over', () => {
    expect(extraCheckpointAt(cadence(3_000), since(1_000))).to.equal(Infinity);
    expect(renewalCarriesCheckpoint(cadence(3_000), since(1_000), 3_999)).to.equal(false);
    expect(renewalCarriesCheckpoint(cadence(3_000), since(1_000), 4_000)).to.equal(true);
  });

  it('asks for an extra write at once when `records` settled records have no checkpoint, whatever the interval', () => {
    for (const intervalMs of [0, 200, 60_000]) {
      expect(extraCheckpointAt(cadence(intervalMs, 50), since(1_000, 50))).to.equal(-Infinity);
      expect(renewalCarriesCheckpoint(cadence(intervalMs, 50), since(1_000, 50), 1_001)).to.equal(true);
    }
    expect(extraCheckpointAt(cadence(0, 50), since(1_000, 49))).to.equal(Infinity);
    expect(renewalCarriesCheckpoint(cadence(60_000, 50), since(1_000, 49), 1_001)).to.equal(false);
  });

  it('asks for no extra write while the row is at the frontier', () => {
    expect(extraCheckpointAt(cadence(200, 1), since(1_000, 0))).to.equal(Infinity);
  });
});
