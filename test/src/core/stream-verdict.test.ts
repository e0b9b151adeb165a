// Rows belong to the current stream unless their stamp, checkpoint or parents contradict it. Only uncontradicted rows are stamped.
import { expect } from 'chai';
import fc from 'fast-check';
import { leaseRow } from '../../support/memory-lease-store.js';
import { seeded } from '../../support/seeded.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import { newLeaseRow } from '../../../src/core/shard-sync-plan.js';
import { incompleteness } from '../../../src/core/shard-listing.js';
import type { ListedShard } from '../../../src/core/shard-graph.js';
import { judgeStream, type StreamVerdict, type VerdictInput } from '../../../src/core/stream-verdict.js';

const arn = 'arn:aws:kinesis:eu-west-1:123456789012:stream/orders';
const former = `${arn}#1700000000`;
const identity = `${arn}#1700000100`;

const open = (shardId: string, startingSequenceNumber: string, parentShardId?: string): ListedShard => ({
  shardId,
  startingSequenceNumber,
  ...(parentShardId === undefined ? {} : { parentShardId }),
});
const closed = (shardId: string, from: string, to: string): ListedShard => ({
  ...open(shardId, from),
  endingSequenceNumber: to,
});
const row = (leaseKey: string, members: Partial<LeaseRow> = {}): LeaseRow => leaseRow({ leaseKey, ...members });

function judge(
  rows: readonly LeaseRow[],
  shards: readonly ListedShard[],
  more: Partial<VerdictInput> = {},
): StreamVerdict {
  return judgeStream({
    identity,
    shards,
    isComplete: true,
    rows: rows.map((each) => ({ shardId: each.leaseKey, row: each })),
    otherEpochs: [],
    ...more,
  });
}
const toStamp = (verdict: StreamVerdict): readonly string[] =>
  verdict.type === 'same' ? verdict.unstamped.map(({ leaseKey }) => leaseKey) : ['changed'];

describe('whether rows belong to the stream', () => {
  it('is decided first by a row that names another stream, whatever other rows show', () => {
    const rows = [row('s0', { checkpoint: '5' }), row('s1', { kinactStream: former, checkpoint: 'TRIM_HORIZON' })];
    const verdict = judge(rows, [open('s0', '9'), open('s1', '9')]);
    expect(verdict).to.deep.equal({
      type: 'changed',
      rowStream: former,
      evidence: 'row s1 names the former stream; 2 rows differ',
      leaseKeys: ['s0', 's1'],
    });
    const other = 'arn:aws:kinesis:eu-west-1:123456789012:stream/bills#1700000100';
    expect(judge([row('s0', { kinactStream: other })], [open('s0', '1')])).to.include({ rowStream: other });
  });

  it('is decided by the ARN if one side has no creation time', () => {
    expect(judge([row('s0', { kinactStream: arn })], [open('s0', '1')])).to.deep.equal({ type: 'same', unstamped: [] });
    const timeless = judge([row('s0', { kinactStream: former })], [open('s0', '1')], { identity: arn });
    expect(timeless).to.deep.equal({ type: 'same', unstamped: [] });
  });

  it('is denied by a checkpoint before the start of its shard, even if the stamp matches', () => {
    for (const kinactStream of [undefined, identity]) {
      const stamp = kinactStream === undefined ? {} : { kinactStream };
      const verdict = judge([row('s0', { checkpoint: '0999', ...stamp })], [open('s0', '1000')]);
      expect(verdict).to.deep.equal({
        type: 'changed',
        rowStream: undefined,
        evidence: 'row s0 stands at 0999, before its shard began (1000)',
        leaseKeys: ['s0'],
      });
      expect(judge([row('s0', { checkpoint: '1000', ...stamp })], [open('s0', '1000')])).to.include({ type: 'same' });
    }
    expect(judge([row('s0', { checkpoint: '7' })], [open('s0', 'unknown')])).to.include({ type: 'same' });
  });

  it('is denied by parents that the shard does not have, if the row has no stamp', () => {
    const child = open('s2', '10', 's0');
    expect(judge([row('s2', { parentShardIds: ['s1'] })], [child])).to.include({
      type: 'changed',
      evidence: 'row s2 has the parents s1, its shard s0',
    });
    expect(judge([row('s2', { parentShardIds: ['s1', 's0'] })], [child])).to.include({ type: 'same' });
    expect(judge([row('s2')], [child]), 'made by hand').to.include({ type: 'same' });
    const stamped = row('s2', { parentShardIds: ['s1'], kinactStream: identity });
    expect(judge([stamped], [child])).to.include({ type: 'same' });
  });

  it('is not denied by a trimmed shard, SHARD_END, LATEST or other hash keys', () => {
    const rows = [
      row('s0', { checkpoint: '5' }),
      row('s1', { checkpoint: 'SHARD_END' }),
      row('s2', { checkpoint: 'LATEST', kinactLatestAt: 1 }),
      row('s3', { checkpoint: 'AT_TIMESTAMP', startingHashKey: '0', endingHashKey: '1' }),
    ];
    const shards = [closed('s1', '1', '9'), open('s2', '10'), open('s3', '10')];
    expect(toStamp(judge(rows, shards))).to.deep.equal(['s0', 's1', 's2', 's3']);
  });
});

describe('rows to stamp', () => {
  it('are those without a stamp that nothing contradicts', () => {
    const rows = [
      row('s0', { kinactStream: identity }),
      row('s1'),
      row('ended', { checkpoint: 'SHARD_END' }),
      row('past', { checkpoint: '99' }),
      row('early', { parentShardIds: ['s1'] }),
    ];
    const shards = [open('s0', '1'), open('s1', '1'), open('ended', '1'), closed('past', '1', '50')];
    expect(toStamp(judge(rows, shards))).to.deep.equal(['s1']);
  });

  it('include rows of unlisted shards only if the listing is complete', () => {
    const rows = [row('gone', { checkpoint: '5' }), row('s1')];
    expect(toStamp(judge(rows, [open('s1', '1')], { isComplete: false }))).to.deep.equal(['s1']);
    expect(toStamp(judge(rows, [open('s1', '1')]))).to.deep.equal(['gone', 's1']);
  });
});

describe('rows of another epoch in a multi-stream table', () => {
  const left = (shardId: string, members: Partial<LeaseRow> = {}) => ({
    shardId,
    row: row(`1:orders:1700000000:${shardId}`, members),
  });
  const shards = [open('s0', '100'), open('s1', '100')];

  it('belong to another stream if a complete listing lacks their shard', () => {
    const otherEpochs = [left('s2')];
    expect(judge([], shards, { otherEpochs })).to.include({
      type: 'changed',
      evidence: 'row 1:orders:1700000000:s2 is for a shard that this stream does not have',
    });
    expect(judge([], shards, { otherEpochs, isComplete: false })).to.include({ type: 'same' });
  });

  it('belong to another stream if they name it or precede the start of their shard', () => {
    expect(judge([], shards, { otherEpochs: [left('s0', { kinactStream: former })] })).to.include({
      rowStream: former,
    });
    expect(judge([], shards, { otherEpochs: [left('s0', { checkpoint: '99' })] })).to.include({ type: 'changed' });
  });

  it('may come from a worker with its own epoch, and are never stamped', () => {
    const otherEpochs = [left('s0', { checkpoint: '101' }), left('s1', { kinactStream: identity })];
    expect(judge([], shards, { otherEpochs })).to.deep.equal({ type: 'same', unstamped: [] });
  });

  it('no longer count once the current stream is being read', () => {
    const otherEpochs = [left('s2', { kinactStream: former })];
    for (const underWay of [{ leaseOwner: 'w' }, { checkpoint: '101' }]) {
      expect(judge([row('s0', underWay)], shards, { otherEpochs })).to.include({ type: 'same' });
    }
    // The table after a reset that was interrupted before it removed the old rows.
    expect(judge([row('s0'), row('s1', { checkpoint: 'SHARD_END' })], shards, { otherEpochs })).to.include({
      type: 'changed',
    });
  });
});

describe('a stream’s own rows', () => {
  const lineage = fc.array(
    fc.record({
      start: fc.integer({ min: 0, max: 1_000 }),
      length: fc.integer({ min: 1, max: 50 }),
      open: fc.boolean(),
    }),
    { minLength: 1, maxLength: 8 },
  );

  it('are believed whatever their checkpoints, and once stamped are not believed for a namesake', () => {
    fc.assert(
      fc.property(
        lineage,
        fc.array(fc.nat(60), { minLength: 8, maxLength: 8 }),
        fc.boolean(),
        (made, reached, stamped) => {
          const shards = made.map(({ start, length, open: isOpen }, index) =>
            isOpen ? open(`s${index}`, String(start)) : closed(`s${index}`, String(start), String(start + length)),
          );
          const maker = {
            keyPrefix: undefined,
            entityType: undefined,
            writer: 'w',
            serviceTimeMs: 1,
            stream: identity,
          };
          const rows = shards.map(({ shardId }, index): LeaseRow => {
            const { start, length, open: isOpen } = made[index]!;
            const at = reached[index]!;
            const fresh = newLeaseRow(maker, {
              shardId,
              parentShardIds: [],
              hashKeyRange: undefined,
              checkpoint: 'TRIM_HORIZON',
              latestAt: undefined,
            });
            const { kinactStream: _, ...bare } = fresh;
            const base = stamped ? fresh : bare;
            if (at === 0) return base;
            if (at > 50 && !isOpen) return { ...base, checkpoint: 'SHARD_END' };
            return { ...base, checkpoint: String(start + Math.min(at, length)) };
          });
          const verdict = judge(rows, shards);
          expect(verdict.type).to.equal('same');
          expect(toStamp(verdict)).to.have.length(stamped ? 0 : rows.length);
          if (stamped) expect(judge(rows, shards, { identity: former }).type).to.equal('changed');
        },
      ),
      seeded(200),
    );
  });
});

describe('a listing', () => {
  const top = String((1n << 128n) - 1n);
  const whole = { hashKeyRange: { startingHashKey: '0', endingHashKey: top } };
  const half = { hashKeyRange: { startingHashKey: '0', endingHashKey: '9' } };

  it('is complete if it has open shards that cover all hash keys or name none', () => {
    expect(incompleteness([{ ...open('s0', '1'), ...whole }])).to.equal(undefined);
    expect(incompleteness([open('s0', '1')])).to.equal(undefined);
    expect(incompleteness([{ ...open('s0', '1'), ...half }])).to.match(/covers the hash keys 10 to /);
    expect(incompleteness([{ ...closed('s0', '1', '2'), ...whole }])).to.equal('no open shard is listed');
    expect(incompleteness([])).to.equal('no open shard is listed');
  });

  it('is not complete if an open shard is listed together with its child', () => {
    expect(incompleteness([open('s0', '1'), open('s1', '5', 's0')])).to.match(/s0 is listed as open together with/);
  });
});
