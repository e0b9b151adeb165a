// The pure rules that actors share: when a tenure is over, which dispositions need an answer, and what a failed item leads to.
import { expect } from 'chai';
import { emptyDispositions, hasDispositions } from '../../actors/protocol/disposition.js';
import { endIfLate, stopTenure, type Tenure } from '../../actors/protocol/tenure.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { judgeFailure, type Verdict } from '../../actors/protocol/failure-policy.js';
import { KinactError } from '../../src/api/errors.js';
import type { FailedItem } from '../../src/api/failed-item.js';
import { NonRetryableError, type OnFailure } from '../../src/api/failure-policy.js';
import { retry } from '../../src/options/retry-policy.js';

const item: FailedItem = { source: 's', shardId: 'shard', sequenceNumber: '7', at: 'reduce', items: 1 };

function tenure(deadline: number): Tenure {
  const start = { type: 'trimHorizon' } as const;
  const { signal } = new AbortController();
  return {
    shardWorkerNumber: 1,
    leaseKey: 'shard',
    shardId: 'shard',
    source: 's',
    idempotencyPrefix: 's@1/shard',
    fence: 3,
    start,
    deadline,
    wallDeadline: Infinity,
    ended: false,
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

  it('has ended after the policy has stopped it, and keeps the first error', () => {
    const one = tenure(100);
    const [first, second] = [new Error('first'), new Error('second')];
    stopTenure(one, first);
    stopTenure(one, second);
    expect(one.stopError).to.equal(first);
    expect(endIfLate(one, new ManualClock())).to.equal(true);
  });
});

describe('dispositions', () => {
  it('need an answer if they have an item count, a settled item or an ended tenure', () => {
    expect(hasDispositions(emptyDispositions())).to.equal(false);
    expect(hasDispositions({ ...emptyDispositions(), itemCounts: [0, 0] })).to.equal(true);
    expect(hasDispositions({ ...emptyDispositions(), ordinals: [0], items: [0] })).to.equal(true);
    expect(hasDispositions({ ...emptyDispositions(), ended: true })).to.equal(true);
  });
});

function judged(onFailure: OnFailure, cause: unknown, failed: FailedItem, attempt = 1): Verdict {
  return judgeFailure(onFailure, { cause, failed, attempt }) as Verdict;
}

describe('the verdict on a failed item', () => {
  it('names the failed call, the record and the key, and keeps the cause', () => {
    const cause = new Error('no');
    const { policy, error } = judged('skip', cause, { ...item, subSequenceNumber: 2, key: 'k' });
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
      expect(judged('crash', thrown, item).error.message).to.include('7');
  });

  it('keeps the code UNDECODABLE_RECORD of an aggregate that cannot be decoded', () => {
    const cause = new KinactError('UNDECODABLE_RECORD', 'no');
    expect(judged('crash', cause, { ...item, at: 'decode' }).error.code).to.equal('UNDECODABLE_RECORD');
  });

  it('says how many items a failed flush had', () => {
    expect(judged('crash', 'x', { ...item, at: 'flush', items: 5 }).error.message).to.match(
      /^flush failed for 5 items from/,
    );
  });

  it('is `crash` when the policy function throws, and keeps both errors', () => {
    const cause = new Error('no');
    const thrown = new Error('policy');
    const { policy, error } = judged(
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
    for (const answer of [undefined, 'retry', 0, null, { type: 'retry' }])
      expect(judged(() => answer as never, 'x', item).policy).to.equal('crash');
  });

  it('is the retry before its last attempt, and `then` after it', () => {
    const policy = retry({ attempts: 3, then: 'skip' });
    expect([1, 2, 3, 4].map((attempt) => judged(policy, 'x', item, attempt).policy)).to.deep.equal([
      policy,
      policy,
      'skip',
      'skip',
    ]);
  });

  it('is `then` at once where no repetition can help', () => {
    const policy = retry({ then: 'stopShard' });
    for (const at of ['decode', 'key', 'extract'] as const)
      expect(judged(policy, 'x', { ...item, at }).policy).to.equal('stopShard');
    expect(judged(policy, new NonRetryableError('no'), item).policy).to.equal('stopShard');
  });

  it('waits for the promise of a policy function, and is `crash` if that rejects or gives no policy', async () => {
    const verdicts = [
      async () => 'skip' as const,
      async () => 'no' as never,
      () => Promise.reject(new Error('policy')),
    ];
    const policies = verdicts.map(async (onFailure) => (await judged(onFailure, 'x', item)).policy);
    expect(await Promise.all(policies)).to.deep.equal(['skip', 'crash', 'crash']);
  });

  it('follows the policy, though what was thrown cannot be read', () => {
    const { proxy: cause, revoke } = Proxy.revocable({}, {});
    revoke();
    for (const onFailure of ['skip', retry()] as const) {
      const verdict = judgeFailure(onFailure, { cause, failed: item, attempt: 1 }) as Verdict;
      expect([verdict.policy, verdict.error.message]).to.deep.equal([
        onFailure,
        'reduce failed for record 7 of shard: (cannot be read)',
      ]);
    }
  });

  it('passes the number of the attempt to the policy function', () => {
    const attempts: number[] = [];
    judged((_, __, attempt) => (attempts.push(attempt), 'skip'), 'x', item, 4);
    expect(attempts).to.deep.equal([4]);
  });
});
