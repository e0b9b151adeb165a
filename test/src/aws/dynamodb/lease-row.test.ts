// A row that Java or kinact has written is read and written back unchanged. A row that makes no sense is reported as malformed, with a
// reason; no value is guessed.
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { expect } from 'chai';
import fc from 'fast-check';
import { readLeaseRow, writeLeaseRow, type Item } from '../../../../src/aws/dynamodb/lease-row.js';
import type { LeaseRow } from '../../../../src/core/lease.js';
import { seeded } from '../../../support/seeded.js';

const fresh: Item = {
  leaseKey: { S: 'shardId-000000000001' },
  leaseCounter: { N: '0' },
  ownerSwitchesSinceCheckpoint: { N: '0' },
  checkpoint: { S: 'TRIM_HORIZON' },
  checkpointSubSequenceNumber: { N: '0' },
  parentShardId: { SS: ['shardId-000000000000'] },
  startingHashKey: { S: '0' },
  endingHashKey: { S: '170141183460469231731687303715884105727' },
  entityType: { S: 'LEASE' },
};
const { entityType: _dropped, ...fresh2x } = fresh;
const number = '49590338271490256608559692538361571095921575989136588898';

const freshRow: LeaseRow = {
  leaseKey: 'shardId-000000000001',
  leaseCounter: 0,
  ownerSwitchesSinceCheckpoint: 0,
  checkpoint: 'TRIM_HORIZON',
  checkpointSubSequenceNumber: 0,
  parentShardIds: ['shardId-000000000000'],
  childShardIds: [],
  startingHashKey: '0',
  endingHashKey: '170141183460469231731687303715884105727',
  entityType: 'LEASE',
};
const { entityType: _absent, ...freshRow2x } = freshRow;
const children = ['shardId-000000000002', 'shardId-000000000003'];
const multi = '123456789012:orders:1700000000';

/** KCL clause 1.8: the item, its row, and whether kinact writes exactly this item for this row. */
const golden: readonly (readonly [string, Item, LeaseRow, boolean])[] = [
  ['a fresh lease of KCL 3.5', fresh, freshRow, true],
  ['a fresh lease of KCL 2.x', fresh2x, freshRow2x, true],
  [
    'a running lease',
    { ...fresh, leaseOwner: { S: 'worker-a' }, leaseCounter: { N: '4711' }, checkpoint: { S: number } },
    { ...freshRow, leaseOwner: 'worker-a', leaseCounter: 4711, checkpoint: number },
    true,
  ],
  ['a lease with a throughput', { ...fresh, throughputKBps: { N: '12.500000' } }, freshRow, false],
  [
    'a handoff',
    { ...fresh, leaseOwner: { S: 'b' }, checkpointOwner: { S: 'a' } },
    { ...freshRow, leaseOwner: 'b', checkpointOwner: 'a' },
    true,
  ],
  [
    'an ended shard',
    { ...fresh2x, checkpoint: { S: 'SHARD_END' }, childShardIds: { SS: children } },
    { ...freshRow2x, checkpoint: 'SHARD_END', childShardIds: children },
    true,
  ],
  [
    'a multi-stream lease',
    {
      ...fresh,
      leaseKey: { S: `${multi}:shardId-000000000001` },
      streamName: { S: multi },
      shardId: { S: 'shardId-000000000001' },
    },
    { ...freshRow, leaseKey: `${multi}:shardId-000000000001`, streamName: multi, shardId: 'shardId-000000000001' },
    true,
  ],
];

/** As the Java adapter for DynamoDB Streams writes rows: bare shard ids and dummy hash keys, or none (1.x). */
const changes = 'shardId-00000001764529431000-1f2e3d4c';
const parent = 'shardId-00000001764515031000-0a1b2c3d';
const changesFresh: Item = {
  ...fresh2x,
  leaseKey: { S: changes },
  parentShardId: { SS: [parent] },
  startingHashKey: { S: '0' },
  endingHashKey: { S: '1' },
};
const changesRow: LeaseRow = { ...freshRow2x, leaseKey: changes, parentShardIds: [parent], endingHashKey: '1' };
const { startingHashKey: _s, endingHashKey: _e, parentShardId: _p, ...changesFresh1x } = changesFresh;
const { startingHashKey: _s2, endingHashKey: _e2, ...changesRow1x } = changesRow;
const ofTable = '123456789012:us-east-1$123456789012$orders$2026-01-01T00_00_00.000:1';
const padded = '000000000000000002373';

const goldenOfAdapter: typeof golden = [
  ['a fresh lease', changesFresh, changesRow, true],
  [
    'a fresh lease of KCL 3.5',
    { ...changesFresh, entityType: { S: 'LEASE' } },
    { ...changesRow, entityType: 'LEASE' },
    true,
  ],
  ['a fresh lease of 1.x without a parent', changesFresh1x, { ...changesRow1x, parentShardIds: [] }, true],
  [
    'a lease at LATEST that is taken and renewed',
    {
      ...changesFresh,
      checkpoint: { S: 'LATEST' },
      leaseOwner: { S: 'worker-a' },
      leaseCounter: { N: '17' },
      ownerSwitchesSinceCheckpoint: { N: '1' },
      throughputKBps: { N: '0.250000' },
    },
    { ...changesRow, checkpoint: 'LATEST', leaseOwner: 'worker-a', leaseCounter: 17, ownerSwitchesSinceCheckpoint: 1 },
    false,
  ],
  [
    'a checkpoint with leading zeros',
    { ...changesFresh, checkpoint: { S: padded } },
    { ...changesRow, checkpoint: padded },
    true,
  ],
  [
    'an ended shard that names itself among its children',
    {
      ...changesFresh,
      checkpoint: { S: 'SHARD_END' },
      leaseOwner: { S: 'a' },
      childShardIds: { SS: [changes, parent] },
    },
    { ...changesRow, checkpoint: 'SHARD_END', leaseOwner: 'a', childShardIds: [changes, parent] },
    true,
  ],
  [
    'an ended shard without children',
    { ...changesFresh, checkpoint: { S: 'SHARD_END' } },
    { ...changesRow, checkpoint: 'SHARD_END' },
    true,
  ],
  [
    'a multi-stream lease',
    {
      ...changesFresh,
      leaseKey: { S: `${ofTable}:${changes}` },
      streamName: { S: ofTable },
      shardId: { S: changes },
    },
    { ...changesRow, leaseKey: `${ofTable}:${changes}`, streamName: ofTable, shardId: changes },
    true,
  ],
];

function reasonOf(item: unknown): string | undefined {
  const read = readLeaseRow(item as Item);
  return read.type === 'malformed' ? read.malformed.reason : undefined;
}

describe('a lease row', () => {
  for (const [what, item, row, exact] of golden) {
    it(`is read from ${what}${exact ? ' and written back to the letter' : ''}`, () => {
      expect(readLeaseRow(item)).to.deep.equal({ type: 'lease', row });
      if (exact) expect(writeLeaseRow(row)).to.deep.equal(item);
    });
  }

  for (const [what, item, row, exact] of goldenOfAdapter) {
    it(`of DynamoDB Streams is read from ${what}${exact ? ' and written back to the letter' : ''}`, () => {
      expect(readLeaseRow(item)).to.deep.equal({ type: 'lease', row });
      if (exact) expect(writeLeaseRow(row)).to.deep.equal(item);
    });
  }

  it('is valid without the attributes that older libraries do not write', () => {
    const item: Item = { leaseKey: { S: 'shardId-1' }, leaseCounter: { N: '3' }, checkpoint: { S: 'LATEST' } };
    expect(readLeaseRow(item)).to.deep.equal({
      type: 'lease',
      row: {
        leaseKey: 'shardId-1',
        leaseCounter: 3,
        ownerSwitchesSinceCheckpoint: 0,
        checkpoint: 'LATEST',
        checkpointSubSequenceNumber: 0,
        parentShardIds: [],
        childShardIds: [],
      },
    });
  });

  it('carries the attributes kinactWriter and kinactLatestAt', () => {
    const row: LeaseRow = { ...freshRow2x, kinactWriter: 'p1/7', kinactLatestAt: 1_700_000_000_000 };
    const item = writeLeaseRow(row);
    expect(item['kinactWriter']).to.deep.equal({ S: 'p1/7' });
    expect(item['kinactLatestAt']).to.deep.equal({ N: '1700000000000' });
    expect(readLeaseRow(item)).to.deep.equal({ type: 'lease', row });
  });

  it('is read without unknown attributes, whatever their type', () => {
    const item: Item = { ...fresh, team: { M: { a: { NULL: true } } }, pendingCheckpointState: { N: '3' } };
    expect(readLeaseRow(item)).to.deep.equal({ type: 'lease', row: freshRow });
  });

  it('is read as foreign if it holds another entity', () => {
    const item: Item = { leaseKey: { S: 'Leader' }, entityType: { S: 'LEADER' }, ownerName: { S: 'w' } };
    expect(readLeaseRow(item)).to.deep.equal({ type: 'foreign', entityType: 'LEADER', key: 'Leader' });
  });

  const rangeless: readonly (readonly [string, Item])[] = [
    ['only a start', { startingHashKey: { S: '0' } }],
    ['start = end', { startingHashKey: { S: '5' }, endingHashKey: { S: '5' } }],
    ['start > end', { startingHashKey: { S: '10' }, endingHashKey: { S: '9' } }],
    ['no decimal', { startingHashKey: { S: '0x0' }, endingHashKey: { S: '9' } }],
    ['forty digits', { startingHashKey: { S: '0' }, endingHashKey: { S: '9'.repeat(40) } }],
  ];
  for (const [what, range] of rangeless) {
    it(`is read without its hash range if the range is impossible (${what})`, () => {
      const { startingHashKey: _s, endingHashKey: _e, ...rest } = fresh;
      const read = readLeaseRow({ ...rest, ...range } as Item);
      expect(read.type).to.equal('lease');
      expect(read).to.not.have.nested.property('row.startingHashKey');
      expect(read).to.not.have.nested.property('row.endingHashKey');
    });
  }

  const bad: readonly (readonly [string, Record<string, AttributeValue | undefined>, RegExp])[] = [
    ['no counter', { leaseCounter: undefined }, /leaseCounter is missing/],
    ['no checkpoint', { checkpoint: undefined }, /checkpoint is missing/],
    [
      'a checkpoint that is no position',
      { checkpoint: { S: 'EARLIEST' } },
      /neither a sequence number nor a sentinel: "EARLIEST"/,
    ],
    ['a negative checkpoint', { checkpoint: { S: '-1' } }, /neither/],
    ['a checkpoint of the wrong type', { checkpoint: { N: '12' } }, /checkpoint is not of type S but N/],
    ['a counter of the wrong type', { leaseCounter: { S: '12' } }, /leaseCounter is not of type N but S/],
    ['a counter that no double holds', { leaseCounter: { N: '9007199254740993' } }, /leaseCounter is not an integer/],
    ['a counter that cannot rise', { leaseCounter: { N: '9007199254740991' } }, /leaseCounter .* cannot rise/],
    ['a fractional counter', { leaseCounter: { N: '1.5' } }, /leaseCounter is not an integer/],
    ['a negative counter', { leaseCounter: { N: '-1' } }, /leaseCounter is not an integer/],
    ['an empty owner', { leaseOwner: { S: '' } }, /leaseOwner is an empty string/],
    ['a NULL owner', { leaseOwner: { NULL: true } }, /leaseOwner is not of type S but NULL/],
    ['parents as text', { parentShardId: { S: 'shardId-0' } }, /parentShardId is not of type SS but S/],
    ['parents as a list', { parentShardId: { L: [{ S: 'shardId-0' }] } }, /parentShardId is not of type SS but L/],
    ['a hash key as number', { startingHashKey: { N: '0' } }, /startingHashKey is not of type S/],
    ['an entity type of the wrong type', { entityType: { N: '1' } }, /entityType is not of type S/],
  ];
  for (const [what, change, reason] of bad) {
    it(`is malformed, with a reason, if it has ${what}`, () => {
      const item = { ...fresh, ...change } as Item;
      expect(reasonOf(item)).to.match(reason);
      expect(readLeaseRow(item)).to.have.nested.property('malformed.leaseKey', 'shardId-000000000001');
    });
  }

  it('is refused with BROKEN_INVARIANT if it could not be read back after a write', () => {
    for (const change of [
      { leaseOwner: '' },
      { leaseCounter: 1.5 },
      { checkpoint: 'x' },
      { leaseKey: '' },
      { checkpointSubSequenceNumber: -1 },
    ]) {
      expect(() => writeLeaseRow({ ...freshRow, ...change }))
        .to.throw()
        .with.property('code', 'BROKEN_INVARIANT');
    }
  });

  it('is read back unchanged after a write, whatever valid values it holds', () => {
    const id = fc.string({ minLength: 1, maxLength: 12 });
    const ids = fc.uniqueArray(id, { maxLength: 3 });
    const count = fc.maxSafeNat();
    const row: fc.Arbitrary<LeaseRow> = fc
      .record(
        {
          leaseKey: id,
          leaseCounter: fc.nat({ max: 2 ** 31 - 1 }).map((n) => n * 2 ** 21),
          ownerSwitchesSinceCheckpoint: count,
          checkpoint: fc.oneof(
            fc.constantFrom('TRIM_HORIZON', 'LATEST', 'AT_TIMESTAMP', 'SHARD_END'),
            fc.bigInt({ min: 0n }).map(String),
          ),
          checkpointSubSequenceNumber: count,
          parentShardIds: ids,
          childShardIds: ids,
          leaseOwner: id,
          checkpointOwner: id,
          streamName: id,
          shardId: id,
          kinactWriter: id,
          kinactLatestAt: fc.nat({ max: 253_402_300_799_999 }),
        },
        {
          requiredKeys: [
            'leaseKey',
            'leaseCounter',
            'ownerSwitchesSinceCheckpoint',
            'checkpoint',
            'checkpointSubSequenceNumber',
            'parentShardIds',
            'childShardIds',
          ],
        },
      )
      .map((whole) => whole as LeaseRow);
    fc.assert(
      fc.property(row, (whole) => {
        expect(readLeaseRow(writeLeaseRow(whole))).to.deep.equal({ type: 'lease', row: whole });
      }),
      seeded(4_000),
    );
  });

  it('never has invalid values, and reading never throws, whatever the item holds', () => {
    const name = fc.constantFrom(
      ...Object.keys(fresh),
      'leaseOwner',
      'childShardIds',
      'checkpointOwner',
      'kinactLatestAt',
      '__proto__',
    );
    const value = fc.oneof(
      fc.record({ S: fc.oneof(fc.string(), fc.anything()) }),
      fc.record({ N: fc.oneof(fc.string(), fc.double().map(String), fc.anything()) }),
      fc.record({ SS: fc.oneof(fc.array(fc.string()), fc.anything()) }),
      fc.anything(),
    );
    const garbled = fc.dictionary(name, value).map((changes) => ({ ...fresh, ...changes }));
    fc.assert(
      fc.property(fc.oneof(garbled, garbled, fc.anything()), (item) => {
        const read = readLeaseRow(item as Item);
        if (read.type !== 'lease') return;
        const { row } = read;
        expect(Number.isSafeInteger(row.leaseCounter) && row.leaseCounter >= 0).to.equal(true);
        expect(row.checkpoint).to.match(/^([0-9]+|TRIM_HORIZON|LATEST|AT_TIMESTAMP|SHARD_END)$/);
        expect(row.leaseOwner).to.not.equal('');
        expect(row.parentShardIds.every((parent) => typeof parent === 'string')).to.equal(true);
        // What was accepted can be written again.
        writeLeaseRow(row);
      }),
      seeded(15_000),
    );
  });
});
