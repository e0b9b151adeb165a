// Each kind of write is one condition and one change, spelled out as KCL clause 1.3 has them. No write stores a value that readers refuse.
import { expect } from 'chai';
import {
  leaseUpdate,
  metaUpdate,
  resetUpdate,
  wishUpdate,
  type UpdateParts,
} from '../../../../src/aws/dynamodb/lease-update.js';
import { leaseRow } from '../../../support/memory-lease-store.js';

const heir = { workerId: 'you', writer: 'q/9', failoverMs: 7_000 };

/** The expression with its placeholders filled in, so that a law reads as KCL clause 1.3 writes it. */
function spelled(parts: UpdateParts): { when: string; change: string } {
  const fill = (expression: string): string =>
    expression
      .replace(/#([A-Za-z]+)/g, '$1')
      .replace(/:v\d+/g, (placeholder) =>
        JSON.stringify(Object.values(parts.ExpressionAttributeValues[placeholder] ?? {})[0]),
      );
  return { when: fill(parts.ConditionExpression), change: fill(parts.UpdateExpression) };
}

describe('an update of a lease row', () => {
  const cases: readonly (readonly [string, UpdateParts, string, string])[] = [
    [
      'a renewal raises the counter and signs',
      leaseUpdate({ counter: 7 }, {}, 'p/1'),
      'leaseCounter = "7"',
      'SET leaseCounter = "8", kinactWriter = "p/1"',
    ],
    [
      'a checkpoint zeroes the switches and removes what was prepared',
      leaseUpdate({ counter: 7 }, { checkpoint: { checkpoint: '42', subSequenceNumber: 3 } }, 'p/1'),
      'leaseCounter = "7"',
      'SET leaseCounter = "8", kinactWriter = "p/1", checkpoint = "42", checkpointSubSequenceNumber = "3", ownerSwitchesSinceCheckpoint = "0" ' +
        'REMOVE pendingCheckpoint, pendingCheckpointSubSequenceNumber, pendingCheckpointState',
    ],
    [
      'a write to a row that a kinact worker has signed needs that author',
      leaseUpdate({ counter: 7, writer: 'p/1' }, {}, 'p/2'),
      'leaseCounter = "7" AND kinactWriter = "p/1"',
      'SET leaseCounter = "8", kinactWriter = "p/2"',
    ],
    [
      'a write to a row without author and owner needs it to have neither',
      leaseUpdate({ counter: 7, owner: null, writer: null }, {}, 'p/2'),
      'leaseCounter = "7" AND attribute_not_exists(leaseOwner) AND attribute_not_exists(kinactWriter)',
      'SET leaseCounter = "8", kinactWriter = "p/2"',
    ],
    [
      'a release removes the owner, and what it said of itself, on condition that it still is the owner',
      leaseUpdate({ counter: 7, owner: 'me' }, { leaseOwner: null }, 'p/1'),
      'leaseCounter = "7" AND leaseOwner = "me"',
      'SET leaseCounter = "8", kinactWriter = "p/1" REMOVE leaseOwner, kinactFailover, kinactWish, kinactAnswer',
    ],
    [
      'a take from another owner counts the switch and ends a handoff',
      leaseUpdate({ counter: 7 }, { leaseOwner: 'me', countOwnerSwitch: true, kinactLatestAt: 9 }, 'p/1'),
      'leaseCounter = "7"',
      'SET leaseCounter = "8", kinactWriter = "p/1", leaseOwner = "me", kinactLatestAt = if_not_exists(kinactLatestAt, "9") ' +
        'REMOVE checkpointOwner, kinactWish, kinactAnswer ADD ownerSwitchesSinceCheckpoint "1"',
    ],
    [
      'a take says how long its owner may go without a renewal, and whose word that is',
      leaseUpdate({ counter: 7 }, { leaseOwner: 'me', failoverMs: 10_000 }, 'p/1'),
      'leaseCounter = "7"',
      'SET leaseCounter = "8", kinactWriter = "p/1", leaseOwner = "me", kinactFailover = "10000 p/1" REMOVE checkpointOwner, kinactWish, kinactAnswer',
    ],
    [
      'a hand-over checkpoints, names the heir as if it had taken the lease, and needs its wish',
      leaseUpdate(
        { counter: 7, owner: 'me' },
        { checkpoint: { checkpoint: '42', subSequenceNumber: 0 }, handOver: heir, countOwnerSwitch: true },
        'p/1',
      ),
      'leaseCounter = "7" AND leaseOwner = "me" AND begins_with(kinactWish, "q/9 ")',
      'SET leaseCounter = "8", kinactWriter = "q/9", checkpoint = "42", checkpointSubSequenceNumber = "0", ownerSwitchesSinceCheckpoint = "1", ' +
        'leaseOwner = "you", kinactFailover = "7000 q/9" ' +
        'REMOVE pendingCheckpoint, pendingCheckpointSubSequenceNumber, pendingCheckpointState, checkpointOwner, kinactWish, kinactAnswer',
    ],
    [
      'an answer is a renewal',
      leaseUpdate({ counter: 7 }, { answer: 'yielding q/9 5' }, 'p/1'),
      'leaseCounter = "7"',
      'SET leaseCounter = "8", kinactWriter = "p/1", kinactAnswer = "yielding q/9 5"',
    ],
    [
      'a wish touches nothing else, and replaces its own or one that nobody raises',
      wishUpdate({ owner: 'me', writer: 'p/1', stale: 'z/1 old' }, { author: 'q/9', text: 'q/9 new' }),
      'leaseOwner = "me" AND kinactWriter = "p/1" AND (attribute_not_exists(kinactWish) OR begins_with(kinactWish, "q/9 ") OR kinactWish = "z/1 old") AND checkpoint <> "SHARD_END"',
      'SET kinactWish = "q/9 new"',
    ],
    [
      'a wish that is in the row is raised, and does not come back once it is gone',
      wishUpdate({ owner: 'me', writer: 'p/1', mustHaveOwnWish: true }, { author: 'q/9', text: 'q/9 new' }),
      'leaseOwner = "me" AND kinactWriter = "p/1" AND begins_with(kinactWish, "q/9 ") AND checkpoint <> "SHARD_END"',
      'SET kinactWish = "q/9 new"',
    ],
    [
      'a wish is withdrawn by its author alone, with the answer to it',
      wishUpdate({ owner: 'me', writer: 'p/1' }, { author: 'q/9', text: null }),
      'begins_with(kinactWish, "q/9 ")',
      'REMOVE kinactWish, kinactAnswer',
    ],
    [
      'no children are an absent attribute',
      leaseUpdate({ counter: 0 }, { childShardIds: [] }, 'p/1'),
      'leaseCounter = "0"',
      'SET leaseCounter = "1", kinactWriter = "p/1"',
    ],
    [
      'children are a set without duplicates',
      leaseUpdate({ counter: 0 }, { childShardIds: ['a', 'b', 'a'] }, 'p/1'),
      'leaseCounter = "0"',
      'SET leaseCounter = "1", kinactWriter = "p/1", childShardIds = ["a","b"]',
    ],
  ];
  for (const [law, parts, when, change] of cases) {
    it(law, () => {
      expect(spelled(parts)).to.deep.equal({ when, change });
    });
  }

  it('removes the wish and its answer at a reset and at the end of a shard', () => {
    const row = leaseRow({ leaseKey: 's', leaseCounter: 9 });
    const ended = leaseUpdate({ counter: 7 }, { checkpoint: { checkpoint: 'SHARD_END', subSequenceNumber: 0 } }, 'p/1');
    for (const parts of [resetUpdate({ ...row, leaseCounter: 8 }, row), ended])
      expect(spelled(parts).change).to.match(/ REMOVE .*kinactWish, kinactAnswer/);
  });

  it('writes meta-information only if the row exists, and never the counter or the writer', () => {
    const parts = metaUpdate({
      childShardIds: ['a'],
      hashKeyRange: { startingHashKey: '0', endingHashKey: '9' },
      kinactLatestAt: 5,
    });
    expect(parts && spelled(parts)).to.deep.equal({
      when: 'attribute_exists(leaseKey)',
      change:
        'SET childShardIds = ["a"], startingHashKey = "0", endingHashKey = "9", kinactLatestAt = if_not_exists(kinactLatestAt, "5")',
    });
    expect(metaUpdate({ childShardIds: [] })).to.equal(undefined);
    const raised = metaUpdate({ kinactAutoAt: 5 });
    expect(raised && spelled(raised)).to.deep.equal({
      when: 'attribute_exists(leaseKey) AND (attribute_not_exists(kinactAutoAt) OR kinactAutoAt < "5")',
      change: 'SET kinactAutoAt = "5"',
    });
  });

  it('refuses values that no reader accepts with BROKEN_INVARIANT', () => {
    const bad = [
      (): unknown => leaseUpdate({ counter: 7 }, { leaseOwner: '' }, 'p/1'),
      (): unknown => leaseUpdate({ counter: 7 }, {}, ''),
      (): unknown => leaseUpdate({ counter: Number.MAX_SAFE_INTEGER }, {}, 'p/1'),
      (): unknown => leaseUpdate({ counter: 7 }, { checkpoint: { checkpoint: 'x', subSequenceNumber: 0 } }, 'p/1'),
      (): unknown => leaseUpdate({ counter: 7 }, { checkpoint: { checkpoint: '1', subSequenceNumber: -1 } }, 'p/1'),
    ];
    for (const write of bad) expect(write).to.throw().with.property('code', 'BROKEN_INVARIANT');
  });
});
