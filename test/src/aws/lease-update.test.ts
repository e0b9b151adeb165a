import { expect } from 'chai';
import { leaseUpdate, metaUpdate } from '../../../src/aws/lease-update.js';
import type { UpdateParts } from '../../../src/aws/lease-update.js';

/** The expression with its placeholders filled in, so that a law reads as kcl.md 1.3 writes it. */
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

  it('writes meta-information where the row exists, and never the counter or the writer', () => {
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

  it('refuses to write what no reader accepts', () => {
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
