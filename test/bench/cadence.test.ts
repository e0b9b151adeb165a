// The measurement behind the table in docs/checkpoints.md, in small: what comes again after a kill is what was settled since the
// last checkpoint, and that is what the options say.
import { expect } from 'chai';
import { measureCadence } from '../../bench/cadence.js';
import type { CadenceSetup } from '../../bench/cadence.js';

const recordsPerSecond = 400;
/** A write takes some milliseconds, and the next begins when it has been answered; what is put then is handed out at once. */
const writesMs = 60;

const measure = (options: CadenceSetup['options']) =>
  measureCadence({ seed: 3, kills: 4, shards: 1, recordsPerSecond, options });

describe('what comes again after a worker is killed', () => {
  it('is at most what was settled in checkpointIntervalMs, and the writes are as many as that says', async () => {
    const { lost, repeated, writesPerSecond } = await measure({ checkpointIntervalMs: 200 });
    expect(lost).to.equal(0);
    expect(Math.max(...repeated)).to.be.at.most(((200 + writesMs) / 1_000) * recordsPerSecond);
    expect(writesPerSecond).to.be.within(4, 5.5);
  });

  it('is at most checkpointRecords of a shard, and what is settled while they are written', async () => {
    const { lost, repeated, writesPerSecond } = await measure({ checkpointRecords: 50 });
    expect(lost).to.equal(0);
    expect(Math.max(...repeated)).to.be.at.most(50 + (writesMs / 1_000) * recordsPerSecond);
    expect(writesPerSecond).to.be.within(6, 8.5);
  });

  it('is more by default, for three writes in failoverMs', async () => {
    const { lost, repeated, writesPerSecond } = await measure({});
    expect(lost).to.equal(0);
    expect(Math.max(...repeated)).to.be.above(recordsPerSecond);
    expect(writesPerSecond).to.be.below(0.6);
  });
});
