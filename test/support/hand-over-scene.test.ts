// The law of repeats must excuse the repeats that a take by force or a lapse explains, and no others.
import { expect } from 'chai';
import { repeatsIn } from './hand-over-scene.js';
import type { OwnerChange } from './lease-write-laws.js';
import type { Delivery } from './worker-process.js';

const delivery = (sequenceNumber: number, fence: number): Delivery => ({
  ...{ id: `k0/${sequenceNumber}`, key: 'k0', shardId: 's', sequenceNumber: String(sequenceNumber), fence },
  ...{ worker: `of ${fence}`, began: fence, at: fence },
});

const change = (kind: OwnerChange['kind'], from: string | undefined, counter: number, remade = false): OwnerChange => ({
  ...{ kind, leaseKey: 's', from, to: 'b', doneAt: counter, silentMs: 0, remade },
  row: { leaseCounter: { N: String(counter) }, checkpoint: { S: '5' } },
});

const first = change('take', undefined, 1);
const judged = (again: Delivery, ...changes: readonly OwnerChange[]): number =>
  repeatsIn([delivery(5, 2), delivery(6, 2), again], [first, ...changes]).filter(({ reason }) => reason === undefined)
    .length;

describe('the law of repeats', () => {
  it('excuses a record after the checkpoint that a take by force found', () => {
    expect(judged(delivery(6, 11), change('take', 'a', 10))).to.equal(0);
    expect(judged(delivery(7, 11), change('handOver', 'a', 10))).to.equal(0);
  });

  it('excuses only records after the checkpoint of a row that was created again', () => {
    expect(judged(delivery(6, 11), change('take', undefined, 10, true))).to.equal(0);
    expect(judged(delivery(5, 11), change('take', undefined, 10, true))).to.equal(1);
  });

  it('excuses only records after the checkpoint of an owner that was silent for too long', () => {
    expect(judged(delivery(6, 11), change('lapse', 'a', 10))).to.equal(0);
    expect(judged(delivery(5, 11), change('lapse', 'a', 10))).to.equal(1);
  });

  it('reports repeats up to the checkpoint, after a hand-over or release, and under the same owner', () => {
    expect(judged(delivery(5, 11), change('take', 'a', 10))).to.equal(1);
    expect(judged(delivery(6, 11), change('handOver', 'a', 10))).to.equal(1);
    expect(judged(delivery(6, 11), change('take', undefined, 10))).to.equal(1);
    expect(judged(delivery(6, 3))).to.equal(1);
    expect(judged(delivery(6, 2))).to.equal(1);
    expect(judged(delivery(6, 3), change('take', 'a', 10))).to.equal(1);
    const thrice = [delivery(6, 2), delivery(6, 11), delivery(6, 12)];
    expect(repeatsIn(thrice, [first, change('take', 'a', 10)]).map(({ reason }) => reason)).to.deep.equal([
      'take',
      undefined,
    ]);
  });
});
