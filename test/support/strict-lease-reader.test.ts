// The strict reader finds no fault in good rows, and exactly one fault in each bad row. Tests of other files rely on the reader, so it
// must be able to fail.
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { expect } from 'chai';
import { violationsOf, type StrictReading } from './strict-lease-reader.js';

type Row = Record<string, AttributeValue>;

const good: Row = {
  leaseKey: { S: 'shardId-1' },
  leaseCounter: { N: '12' },
  ownerSwitchesSinceCheckpoint: { N: '0' },
  checkpoint: { S: '42' },
  checkpointSubSequenceNumber: { N: '3' },
  parentShardId: { SS: ['shardId-0'] },
  startingHashKey: { S: '0' },
  endingHashKey: { S: '340282366920938463463374607431768211455' },
};

function judge(change: Record<string, AttributeValue | undefined>, reading: StrictReading = {}): readonly string[] {
  const row = Object.fromEntries(
    Object.entries({ ...good, ...change }).filter(([, value]) => value !== undefined),
  ) as Row;
  return violationsOf(new Map([['shardId-1', row]]), reading);
}

describe('the strict reader', () => {
  it('finds no fault with the rows of KCL clause 1.8', () => {
    expect(judge({})).to.deep.equal([]);
    expect(
      judge({ entityType: { S: 'LEASE' }, leaseOwner: { S: 'worker-a' }, throughputKBps: { N: '12.500000' } }),
    ).to.deep.equal([]);
    expect(
      judge({
        checkpoint: { S: 'SHARD_END' },
        checkpointSubSequenceNumber: { N: '0' },
        childShardIds: { SS: ['a', 'b'] },
      }),
    ).to.deep.equal([]);
    const stream = '123456789012:orders:1700000000';
    expect(judge({ leaseKey: { S: `${stream}:s1` }, streamName: { S: stream }, shardId: { S: 's1' } })).to.deep.equal(
      [],
    );
  });

  const bad: readonly (readonly [string, Record<string, AttributeValue | undefined>, RegExp, StrictReading?])[] = [
    ['a missing counter', { leaseCounter: undefined }, /leaseCounter is missing/],
    ['missing owner switches', { ownerSwitchesSinceCheckpoint: undefined }, /ownerSwitchesSinceCheckpoint is missing/],
    ['a missing checkpoint', { checkpoint: undefined }, /checkpoint is missing/],
    [
      'a missing sub-sequence number',
      { checkpointSubSequenceNumber: undefined },
      /checkpointSubSequenceNumber is missing/,
    ],
    ['a counter as text', { leaseCounter: { S: '12' } }, /leaseCounter has type S, not N/],
    ['a fractional counter', { leaseCounter: { N: '1.5' } }, /leaseCounter is not a whole number/],
    ['parents as text', { parentShardId: { S: 'shardId-0' } }, /parentShardId has type S, not SS/],
    ['parents as a list', { parentShardId: { L: [] } }, /parentShardId has type L, not SS/],
    ['an owner of NULL', { leaseOwner: { NULL: true } }, /leaseOwner is NULL where it should be absent/],
    ['an empty owner', { leaseOwner: { S: '' } }, /leaseOwner is empty/],
    ['an empty set', { childShardIds: { SS: [] } }, /childShardIds is an empty set/],
    ['three parents', { parentShardId: { SS: ['a', 'b', 'c'] } }, /3 parents/],
    ['a parent of itself', { parentShardId: { SS: ['shardId-1'] } }, /its own parent/],
    ['three children', { childShardIds: { SS: ['a', 'b', 'c'] } }, /3 children/],
    ['a checkpoint of nonsense', { checkpoint: { S: 'EARLIEST' } }, /neither a number nor a sentinel/],
    ['a sub-sequence number behind a sentinel', { checkpoint: { S: 'LATEST' } }, /sub-sequence number other than 0/],
    ['half a pending checkpoint', { pendingCheckpoint: { S: '43' } }, /half a pending checkpoint/],
    ['pending state without a checkpoint', { pendingCheckpointState: { B: new Uint8Array([1]) } }, /without one/],
    ['half a hash range', { endingHashKey: undefined }, /not both there/],
    ['no hash range', { startingHashKey: undefined, endingHashKey: undefined }, /not both there/],
    ['a hash range upside down', { startingHashKey: { S: '9' }, endingHashKey: { S: '9' } }, /is not below/],
    ['a hash key of 2^128', { endingHashKey: { S: '340282366920938463463374607431768211456' } }, /not decimal below/],
    ['a hash key in hex', { startingHashKey: { S: '0x1' } }, /not decimal below/],
    ['half a multi-stream key', { streamName: { S: '1:s:2' } }, /only one of/],
    ['a multi-stream key that does not match', { streamName: { S: '1:s:2' }, shardId: { S: 'x' } }, /leaseKey is not/],
    ['a wish as a number', { kinactWish: { N: '1' } }, /kinactWish has type N, not S/],
    [
      'a wish after a clean stop',
      { kinactWish: { S: 'p/1 3000 1 q/1 w' } },
      /kinactWish is left after a clean stop/,
      { afterCleanStop: true },
    ],
    [
      'an answer after a clean stop',
      { kinactAnswer: { S: 'refused p/1' } },
      /kinactAnswer is left after a clean stop/,
      { afterCleanStop: true },
    ],
    [
      'an owner after a clean stop',
      { leaseOwner: { S: 'w' } },
      /is owned by w after a clean stop/,
      { afterCleanStop: true },
    ],
    [
      'another owner than a killed one after a clean stop',
      { leaseOwner: { S: 'w' } },
      /is owned by w after a clean stop/,
      { afterCleanStop: true, killed: ['v'] },
    ],
    ['a handoff after a clean stop', { checkpointOwner: { S: 'w' } }, /handoff pending/, { afterCleanStop: true }],
    ['no writer of ours', {}, /kinactWriter is missing/, { expectKinact: true }],
  ];
  for (const [what, change, message, reading] of bad) {
    it(`catches ${what}, and nothing else`, () => {
      const found = judge(change, reading);
      expect(
        found.some((violation) => message.test(violation)),
        found.join('; '),
      ).to.equal(true);
      expect(found.filter((violation) => !message.test(violation) && !/checkpoint/.test(violation))).to.deep.equal([]);
    });
  }

  it('catches a child that does not name the ended shard as its parent', () => {
    const ended: Row = {
      ...good,
      checkpoint: { S: 'SHARD_END' },
      checkpointSubSequenceNumber: { N: '0' },
      childShardIds: { SS: ['c'] },
    };
    const child: Row = { ...good, leaseKey: { S: 'c' }, parentShardId: { SS: ['other'] } };
    expect(
      violationsOf(
        new Map([
          ['shardId-1', ended],
          ['c', child],
        ]),
      ),
    ).to.deep.equal(['shardId-1: its child c does not name it as a parent']);
  });

  it('accepts rows of other entities', () => {
    expect(
      violationsOf(new Map([['Leader', { leaseKey: { S: 'Leader' }, entityType: { S: 'LEADER' } }]])),
    ).to.deep.equal([]);
  });

  it('accepts a row without hash range if the test allows it', () => {
    expect(
      judge({ startingHashKey: undefined, endingHashKey: undefined }, { allowMissingHashRange: true }),
    ).to.deep.equal([]);
  });

  it('catches a foreign attribute or row that was changed or lost', () => {
    const leader: Row = { leaseKey: { S: 'Leader' }, entityType: { S: 'LEADER' } };
    const before = new Map<string, Row>([
      ['shardId-1', { ...good, team: { S: 'blue' }, throughputKBps: { N: '3' } }],
      ['Leader', leader],
    ]);
    const kept = new Map<string, Row>([
      ['shardId-1', { ...good, leaseCounter: { N: '99' }, team: { S: 'blue' }, throughputKBps: { N: '3' } }],
      ['Leader', leader],
    ]);
    expect(violationsOf(kept, { before })).to.deep.equal([]);
    expect(violationsOf(new Map([['shardId-1', good]]), { before })).to.deep.equal([
      'shardId-1: the foreign attribute team was changed',
      'shardId-1: the foreign attribute throughputKBps was changed',
      'Leader: the row of another entity is gone',
    ]);
  });
});
