// The pure rules that actors share: when a tenure is over, which dispositions need an answer, and what a failed item leads to.
import { expect } from 'chai';
import { emptyDispositions, hasDispositions } from '../../actors/protocol/disposition.js';
import { endIfLate, stopTenure, type Tenure } from '../../actors/protocol/tenure.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { judgeFailure } from '../../actors/protocol/failure-policy.js';
import { KinactError } from '../../src/api/errors.js';
import type { FailedItem } from '../../src/api/reducer.js';

const item: FailedItem = { source: 's', shardId: 'shard', sequenceNumber: '7', at: 'reduce', items: 1 };

function tenure(deadline: number): Tenure {
  const start = { type: 'trimHorizon' } as const;
  const { signal } = new AbortController();
  return {
    worker: 1,
    leaseKey: 'shard',
    shardId: 'shard',
    source: 's',
    idempotencyPrefix: 's@1/shard',
    fence: 3,
    start,
    deadline,
    wallDeadline: Infinity,
    dead: false,
    signal,
  };
}

describe('a tenure', () => {
  it('may deliver until its deadline, and never again once the deadline was found passed', () => {
    const one = tenure(100);
    const clock = new ManualClock({ now: 99 });
    expect(endIfLate(one, clock)).to.equal(false);
    expect(endIfLate(one, new ManualClock({ now: 100 }))).to.equal(true);
    one.deadline = 1_000;
    expect(endIfLate(one, clock)).to.equal(true);
  });

  it('ends when the wall clock has passed its deadline, although the monotonic clock stood still', () => {
    const clock = new ManualClock({ now: 0, wallNow: 1_000 });
    expect(endIfLate({ ...tenure(100), wallDeadline: 1_001 }, clock)).to.equal(false);
    expect(endIfLate({ ...tenure(100), wallDeadline: 1_000 }, clock)).to.equal(true);
  });

  it('is dead after the policy has stopped it, and keeps the first error', () => {
    const one = tenure(100);
    const [first, second] = [new Error('first'), new Error('second')];
    stopTenure(one, first);
    stopTenure(one, second);
    expect(one.stopError).to.equal(first);
    expect(endIfLate(one, new ManualClock())).to.equal(true);
  });
});

describe('dispositions', () => {
  it('need an answer if they have an item count, a settled item or a dead tenure', () => {
    expect(hasDispositions(emptyDispositions())).to.equal(false);
    expect(hasDispositions({ ...emptyDispositions(), itemCounts: [0, 0] })).to.equal(true);
    expect(hasDispositions({ ...emptyDispositions(), ordinals: [0], items: [0] })).to.equal(true);
    expect(hasDispositions({ ...emptyDispositions(), dead: true })).to.equal(true);
  });
});

describe('the verdict on a failed item', () => {
  it('names the failed call, the record and the key, and keeps the cause', () => {
    const cause = new Error('no');
    const { policy, error } = judgeFailure('skip', cause, { ...item, subSequenceNumber: 2, key: 'k' });
    expect(policy).to.equal('skip');
    expect(error).to.include({ code: 'PROCESSING_FAILED', cause, message: 'reduce failed for record 7 of shard: no' });
    expect(error.data).to.deep.equal({
      source: 's',
      shardId: 'shard',
      sequenceNumber: '7',
      subSequenceNumber: 2,
      key: 'k',
    });
  });

  it('names the record whatever value was thrown', () => {
    for (const thrown of [undefined, null, 'text', 7, {}])
      expect(judgeFailure('crash', thrown, item).error.message).to.include('7');
  });

  it('keeps the code UNDECODABLE_RECORD of an aggregate that cannot be decoded', () => {
    const cause = new KinactError('UNDECODABLE_RECORD', 'no');
    expect(judgeFailure('crash', cause, { ...item, at: 'decode' }).error.code).to.equal('UNDECODABLE_RECORD');
  });

  it('says how many items a failed flush had', () => {
    expect(judgeFailure('crash', 'x', { ...item, at: 'flush', items: 5 }).error.message).to.match(
      /^flush failed for 5 items from/,
    );
  });

  it('is `crash` when the policy function throws, and keeps both errors', () => {
    const cause = new Error('no');
    const thrown = new Error('policy');
    const { policy, error } = judgeFailure(
      () => {
        throw thrown;
      },
      cause,
      item,
    );
    expect(policy).to.equal('crash');
    expect((error.cause as AggregateError).errors).to.deep.equal([cause, thrown]);
  });

  it('is `crash` when the policy function returns an unknown value', () => {
    for (const answer of [undefined, 'retry', 0, null])
      expect(judgeFailure(() => answer as never, 'x', item).policy).to.equal('crash');
  });
});
