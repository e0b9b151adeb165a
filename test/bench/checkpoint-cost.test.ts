// A small run of the measurement behind the table in docs/checkpoints.md. After a kill, the records that were settled since the
// last checkpoint come again, and the options bound their number.
import { expect } from 'chai';
import { measureCheckpointCost, type CheckpointCostSetup } from '../../bench/checkpoint-cost.js';

const recordsPerSecond = 400;
/** A write takes some milliseconds, and the next one begins after its answer. Records that come meanwhile are delivered at once. */
const writesMs = 60;

const measure = (options: CheckpointCostSetup['options']) =>
  measureCheckpointCost({ seed: 3, kills: 4, shards: 1, recordsPerSecond, options });

describe('the replay after a worker is killed', () => {
  it('is at most what was settled in one checkpointIntervalMs, with one write per interval', async () => {
    const { lost, repeated, writesPerSecond } = await measure({ checkpointIntervalMs: 200 });
    expect(lost).to.equal(0);
    expect(Math.max(...repeated)).to.be.at.most(((200 + writesMs) / 1_000) * recordsPerSecond);
    expect(writesPerSecond).to.be.within(4, 5.5);
  });

  it('is at most checkpointRecords of a shard, plus what is settled during the write', async () => {
    const { lost, repeated, writesPerSecond } = await measure({ checkpointRecords: 50 });
    expect(lost).to.equal(0);
    expect(Math.max(...repeated)).to.be.at.most(50 + (writesMs / 1_000) * recordsPerSecond);
    expect(writesPerSecond).to.be.within(6, 8.5);
  });

  it('is more than one second of records by default, when only renewals write checkpoints', async () => {
    const { lost, repeated, writesPerSecond } = await measure({});
    expect(lost).to.equal(0);
    expect(Math.max(...repeated)).to.be.above(recordsPerSecond);
    expect(writesPerSecond).to.be.below(0.6);
  });
});
