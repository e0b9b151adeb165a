// The pure rules that actors share: when a tenure is over, which dispositions are worth an answer, and what a failed item leads to.
import { expect } from 'chai';
import { emptyDispositions, hasDispositions } from '../../actors/protocol/disposition.js';
import { endIfLate, stopTenure } from '../../actors/protocol/tenure.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { judgeFailure } from '../../actors/protocol/failure-policy.js';
import { KinactError } from '../../src/api/errors.js';
import type { FailedItem } from '../../src/api/reducer.js';
import type { Tenure } from '../../actors/protocol/tenure.js';

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
  it('may deliver until its deadline, and never again once it was found passed', () => {
    const one = tenure(100);
    const clock = new ManualClock({ now: 99 });
    expect(endIfLate(one, clock)).to.equal(false);
    expect(endIfLate(one, new ManualClock({ now: 100 }))).to.equal(true);
    one.deadline = 1_000;
    expect(endIfLate(one, clock)).to.equal(true);
  });

  it('may not deliver after the wall clock has passed its deadline, though the monotonic one stood still', () => {
    const clock = new ManualClock({ now: 0, wallNow: 1_000 });
    expect(endIfLate({ ...tenure(100), wallDeadline: 1_001 }, clock)).to.equal(false);
    expect(endIfLate({ ...tenure(100), wallDeadline: 1_000 }, clock)).to.equal(true);
  });

  it('stopped by policy is dead, for the first reason given', () => {
    const one = tenure(100);
    const [first, second] = [new Error('first'), new Error('second')];
    stopTenure(one, first);
    stopTenure(one, second);
    expect(one.stopError).to.equal(first);
    expect(endIfLate(one, new ManualClock())).to.equal(true);
  });
});

describe('dispositions', () => {
  it('are worth an answer when there is a number of items, a settled item or the news of an end in them', () => {
    expect(hasDispositions(emptyDispositions())).to.equal(false);
    expect(hasDispositions({ ...emptyDispositions(), itemCounts: [0, 0] })).to.equal(true);
    expect(hasDispositions({ ...emptyDispositions(), ordinals: [0], items: [0] })).to.equal(true);
    expect(hasDispositions({ ...emptyDispositions(), dead: true })).to.equal(true);
  });
});

describe('a verdict', () => {
  it('names what failed where, and keeps the cause', () => {
    const cause = new Error('no');
    const { policy, error } = judgeFailure('skip', cause, { ...item, subSequenceNumber: 2, key: 'k' });
    expect(policy).to.equal('skip');
    expect(error).to.include({ code: 'PROCESSING_FAILED', cause, message: 'reduce failed for record 7 of shard: no' });
    expect(error.data).to.deep.equal({
      stream: 's',
      shardId: 'shard',
      sequenceNumber: '7',
      subSequenceNumber: 2,
      key: 'k',
    });
  });

  it('copes with anything that can be thrown', () => {
    for (const thrown of [undefined, null, 'text', 7, {}])
      expect(judgeFailure('crash', thrown, item).error.message).to.include('7');
  });

  it('keeps the code of an aggregate that cannot be decoded', () => {
    const cause = new KinactError('UNDECODABLE_RECORD', 'no');
    expect(judgeFailure('crash', cause, { ...item, at: 'decode' }).error.code).to.equal('UNDECODABLE_RECORD');
  });

  it('counts the items of a flush', () => {
    expect(judgeFailure('crash', 'x', { ...item, at: 'flush', items: 5 }).error.message).to.match(
      /^flush failed for 5 items from/,
    );
  });

  it('is crash when the policy function throws, and both errors are kept', () => {
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

  it('is crash for an answer that is no policy', () => {
    for (const answer of [undefined, 'retry', 0, null])
      expect(judgeFailure(() => answer as never, 'x', item).policy).to.equal('crash');
  });
});
