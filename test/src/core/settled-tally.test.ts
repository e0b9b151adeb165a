// Every settled record, its bytes and every read are counted once, even if the worker has ended. A worker that does nothing leaves no
// entry.
import { expect } from 'chai';
import { addRead, addSettled, createSettledTally, openEntry, takeSettled } from '../../../src/core/settled-tally.js';

const shard = { source: 'orders', shardId: 's0' };
const noReads = { calls: 0, ms: 0 };

describe('the tally of settled records', () => {
  it('reports each record once, for an ended shard worker and for its successor', () => {
    const tally = createSettledTally();
    const first = openEntry(tally, shard);
    addSettled(first, 3, 30);
    addSettled(first, 4, 400);
    const second = openEntry(tally, shard);
    addSettled(second, 5, 5);
    expect(takeSettled(tally)).to.deep.equal([
      { ...shard, records: 7, bytes: 430, reads: noReads },
      { ...shard, records: 5, bytes: 5, reads: noReads },
    ]);
    expect(takeSettled(tally)).to.deep.equal([]);
    addSettled(first, 1, 1);
    expect(takeSettled(tally)).to.deep.equal([{ ...shard, records: 1, bytes: 1, reads: noReads }]);
  });

  it('keeps no entry for a worker that settles nothing more', () => {
    const tally = createSettledTally();
    for (let shardWorker = 0; shardWorker < 10; shardWorker += 1) {
      addSettled(openEntry(tally, shard), 1, 1);
      addSettled(openEntry(tally, shard), 0, 0);
      takeSettled(tally);
    }
    expect(tally.unreported).to.deep.equal([]);
  });

  it('reports the reads of a shard that settles nothing, and each of them as it happens', () => {
    const tally = createSettledTally();
    const each: number[] = [];
    const entry = openEntry(tally, shard, (ms) => each.push(ms));
    addRead(entry, 12);
    addRead(entry, 30);
    // A clock that was set back.
    addRead(entry, -5);
    expect(each).to.deep.equal([12, 30, 0]);
    expect(takeSettled(tally)).to.deep.equal([{ ...shard, records: 0, bytes: 0, reads: { calls: 3, ms: 42 } }]);
    expect(takeSettled(tally)).to.deep.equal([]);
  });
});
