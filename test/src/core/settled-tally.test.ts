// Every settled record is counted once, even if its worker has ended. A worker that settles nothing leaves no entry.
import { expect } from 'chai';
import { addSettled, createSettledTally, openEntry, takeSettled } from '../../../src/core/settled-tally.js';

describe('the tally of settled records', () => {
  it('reports each record once, for an ended shard worker and for its successor', () => {
    const tally = createSettledTally();
    const first = openEntry(tally, 'orders', 's0');
    addSettled(first, 3);
    addSettled(first, 4);
    const second = openEntry(tally, 'orders', 's0');
    addSettled(second, 5);
    expect(takeSettled(tally)).to.deep.equal([
      { source: 'orders', shardId: 's0', records: 7 },
      { source: 'orders', shardId: 's0', records: 5 },
    ]);
    expect(takeSettled(tally)).to.deep.equal([]);
    addSettled(first, 1);
    expect(takeSettled(tally)).to.deep.equal([{ source: 'orders', shardId: 's0', records: 1 }]);
  });

  it('keeps no entry for a worker that settles nothing more', () => {
    const tally = createSettledTally();
    for (let worker = 0; worker < 10; worker += 1) {
      addSettled(openEntry(tally, 'orders', 's0'), 1);
      addSettled(openEntry(tally, 'orders', 's0'), 0);
      takeSettled(tally);
    }
    expect(tally.unreported).to.deep.equal([]);
  });
});
