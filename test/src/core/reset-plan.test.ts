// A finished reset leaves only the stream's own rows, at the position that was asked for. If a reset is cut off, no row of the former
// stream is believed.
import { expect } from 'chai';
import fc from 'fast-check';
import { leaseRow } from '../../support/memory-lease-store.js';
import { seeded } from '../../support/seeded.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import { planReset, type ResetInput, type ResetPosition, type ResetStep } from '../../../src/core/reset-plan.js';
import type { ListedShard } from '../../../src/core/shard-graph.js';
import { judgeStream } from '../../../src/core/stream-verdict.js';

const identity = 'arn:aws:kinesis:eu-west-1:123456789012:stream/orders#1700000100';
const former = 'arn:aws:kinesis:eu-west-1:123456789012:stream/orders#1700000000';
const rowContext = {
  keyPrefix: undefined,
  entityType: undefined,
  writer: 'w/0',
  serviceTimeMs: 1_700_000_500_999.5,
  stream: identity,
};
const horizon: ResetPosition = { type: 'trimHorizon' };

const open = (shardId: string, from: string, ...parents: string[]): ListedShard => ({
  shardId,
  startingSequenceNumber: from,
  ...(parents[0] === undefined ? {} : { parentShardId: parents[0] }),
  ...(parents[1] === undefined ? {} : { adjacentParentShardId: parents[1] }),
});
const closed = (shardId: string, from: string, to: string, ...parents: string[]): ListedShard => ({
  ...open(shardId, from, ...parents),
  endingSequenceNumber: to,
});
/** s0 was split into s1 and s2, and those merged into s3. */
const lineage = [
  open('s3', '300', 's1', 's2'),
  closed('s1', '101', '299', 's0'),
  closed('s2', '102', '299', 's0'),
  closed('s0', '1', '100'),
];
const row = (leaseKey: string, members: Partial<LeaseRow> = {}): LeaseRow => leaseRow({ leaseKey, ...members });

function stepsOf(input: Partial<ResetInput>): readonly ResetStep[] {
  const plan = planReset({
    position: horizon,
    only: undefined,
    shards: lineage,
    rows: [],
    malformed: [],
    rowContext,
    ...input,
  });
  if (plan.type === 'refused') throw new Error(plan.reason);
  return plan.steps;
}
function refusal(input: Partial<ResetInput>): string {
  const plan = planReset({
    position: horizon,
    only: undefined,
    shards: lineage,
    rows: [],
    malformed: [],
    rowContext,
    ...input,
  });
  return plan.type === 'refused' ? plan.reason : 'not refused';
}
const inShort = (steps: readonly ResetStep[]): readonly string[] =>
  steps.map((step) =>
    step.type === 'remove'
      ? `remove ${step.seen.leaseKey}`
      : `${step.type} ${step.row.leaseKey} ${step.row.checkpoint}`,
  );

describe('a reset to TRIM_HORIZON', () => {
  it('creates or rewrites a row per listed shard, parents first, and removes rows of unlisted shards', () => {
    const rows = [
      row('s3', { checkpoint: '310' }),
      row('s9', { checkpoint: 'SHARD_END' }),
      row('s0', { checkpoint: 'SHARD_END' }),
    ];
    expect(inShort(stepsOf({ rows }))).to.deep.equal([
      'rewrite s0 TRIM_HORIZON',
      'create s1 TRIM_HORIZON',
      'create s2 TRIM_HORIZON',
      'rewrite s3 TRIM_HORIZON',
      'remove s9',
    ]);
  });

  it('writes counter + 1, signature, identity, lineage and hash keys, removes the owner, and keeps entityType', () => {
    const seen = row('s3', {
      leaseOwner: 'dead',
      leaseCounter: 41,
      checkpoint: '5',
      checkpointSubSequenceNumber: 3,
      ownerSwitchesSinceCheckpoint: 2,
      childShardIds: ['s8'],
      kinactLatestAt: 5,
      kinactStream: former,
      entityType: 'LEASE',
    });
    const hashKeyRange = { startingHashKey: '0', endingHashKey: '9' };
    const shards = lineage.map((shard) => (shard.shardId === 's3' ? { ...shard, hashKeyRange } : shard));
    const step = stepsOf({ rows: [seen], shards }).find((each) => each.type === 'rewrite');
    expect(step).to.deep.equal({
      type: 'rewrite',
      seen,
      row: {
        leaseKey: 's3',
        leaseCounter: 42,
        checkpoint: 'TRIM_HORIZON',
        checkpointSubSequenceNumber: 0,
        ownerSwitchesSinceCheckpoint: 0,
        parentShardIds: ['s1', 's2'],
        childShardIds: [],
        startingHashKey: '0',
        endingHashKey: '9',
        entityType: 'LEASE',
        kinactWriter: 'w/0',
        kinactStream: identity,
      },
    });
  });

  it('touches only the named shards, and is refused for an unknown one', () => {
    const rows = [row('s1'), row('s9'), row('s8')];
    expect(inShort(stepsOf({ rows, only: new Set(['s1', 's9']) }))).to.deep.equal([
      'rewrite s1 TRIM_HORIZON',
      'remove s9',
    ]);
    expect(refusal({ rows, only: new Set(['s7']) })).to.equal('neither the stream nor the table has a shard s7');
  });

  it('rewrites the unended row of an unlisted parent before its children, and removes ended unlisted rows', () => {
    const shards = lineage.filter(({ shardId }) => shardId !== 's1' && shardId !== 's0');
    const rows = [row('s1', { checkpoint: '150', parentShardIds: ['s0'] }), row('s0', { checkpoint: 'SHARD_END' })];
    expect(inShort(stepsOf({ rows, shards }))).to.deep.equal([
      'rewrite s1 TRIM_HORIZON',
      'create s2 TRIM_HORIZON',
      'create s3 TRIM_HORIZON',
      'remove s0',
    ]);
    expect(stepsOf({ rows, shards })[0]).to.have.deep.nested.property('row.parentShardIds', ['s0']);
    expect(inShort(stepsOf({ rows, shards, position: { type: 'latest' } }))).to.include('rewrite s1 SHARD_END');
    expect(inShort(stepsOf({ rows, shards, only: new Set(['s3']) }))).to.deep.equal(['create s3 TRIM_HORIZON']);
  });

  it('is refused if a row of the shards to reset cannot be read', () => {
    expect(refusal({ malformed: ['s1'] })).to.match(/^row s1 cannot be read/);
    expect(refusal({ malformed: ['s1', '1:orders:2:s2'], only: new Set(['s2']) })).to.equal('not refused');
  });

  it('keeps the parents and the hash keys that the row of an unlisted shard has', () => {
    const shards = [open('s5', '400', 's3'), open('s6', '400', 's4')];
    const range = { startingHashKey: '0', endingHashKey: '9' };
    const merged = row('s3', { checkpoint: '350', parentShardIds: ['s1', 's2'], ...range });
    const { endingHashKey: _, ...half } = row('s4', { checkpoint: '350' });
    const steps = stepsOf({ rows: [merged, half], shards });
    expect(inShort(steps).slice(0, 2)).to.deep.equal(['rewrite s3 TRIM_HORIZON', 'rewrite s4 TRIM_HORIZON']);
    expect(steps[0])
      .to.have.property('row')
      .that.deep.includes({ parentShardIds: ['s1', 's2'], ...range });
    expect(steps[1]).to.have.deep.nested.property('row.parentShardIds', []);
    expect(steps[1]).not.to.have.nested.property('row.startingHashKey');
  });

  it('writes parents first even if their numbers say otherwise', () => {
    const shards = [open('child', '1', 'old', 'older'), closed('old', '7', '8'), closed('older', '5', '6')];
    expect(inShort(stepsOf({ shards })).at(-1)).to.equal('create child TRIM_HORIZON');
  });

  it('leaves rows of a multi-stream table alone in a single-stream table', () => {
    const rows = [row('s0'), row('123456789012:orders:1700000100:s0')];
    expect(inShort(stepsOf({ rows, shards: [open('s0', '1')] }))).to.deep.equal(['rewrite s0 TRIM_HORIZON']);
  });
});

describe('a reset to a time', () => {
  it('sets open shards to LATEST at the service’s time, and ends closed shards, for `latest`', () => {
    const rows = [
      row('s0', { checkpoint: '50', kinactLatestAt: 7 }),
      row('s3', { checkpoint: '300', kinactLatestAt: 7 }),
    ];
    const [ended, latest] = stepsOf({ position: { type: 'latest' }, rows });
    expect(ended).to.have.nested.property('row.checkpoint', 'SHARD_END');
    expect(ended).to.have.deep.nested.property('row.childShardIds', ['s1', 's2']);
    expect(ended).not.to.have.nested.property('row.kinactLatestAt');
    expect(latest).to.have.property('row').that.includes({ checkpoint: 'LATEST', kinactLatestAt: 1_700_000_498_999 });
    expect(inShort(stepsOf({ position: { type: 'latest' } }))).to.deep.equal(['create s3 LATEST']);
    const disabled = lineage.map((shard) => ({ endingSequenceNumber: '999', ...shard }));
    const without = { shards: disabled, position: { type: 'latest' } as const };
    expect(inShort(stepsOf({ ...without, listingProof: 'lineage' }))).to.deep.equal(['create s3 LATEST']);
    expect(inShort(stepsOf(without)), 'a Kinesis stream').to.deep.equal([]);
  });

  it('starts, for a past time, in the shards that were open then and in their descendants', () => {
    const position = { type: 'at', timestampMs: 1_700_000_300_000, openShardIds: ['s1', 's2'] } as const;
    const steps = stepsOf({ position, rows: [row('s0', { checkpoint: '50' })] });
    expect(inShort(steps)).to.deep.equal([
      'rewrite s0 SHARD_END',
      'create s1 LATEST',
      'create s2 LATEST',
      'create s3 LATEST',
    ]);
    for (const step of steps.slice(1)) expect(step).to.have.nested.property('row.kinactLatestAt', 1_700_000_300_000);
  });

  it('ends no shard unless the service shows that the shard was closed by then', () => {
    for (const openShardIds of [[], ['s0', 's1', 's2', 's3'], ['s0'], ['gone']]) {
      const steps = stepsOf({ position: { type: 'at', timestampMs: 1, openShardIds } });
      expect(inShort(steps)).to.deep.equal(['s0', 's1', 's2', 's3'].map((shardId) => `create ${shardId} LATEST`));
    }
  });

  it('is refused if a Java worker owns an unended row, even of another shard', () => {
    const position: ResetPosition = { type: 'latest' };
    const java = row('s3', { leaseOwner: 'java-1' });
    expect(refusal({ position, rows: [java], only: new Set(['s1']) })).to.match(
      /^row s3 belongs to the Java worker java-1/,
    );
    expect(refusal({ position, rows: [{ ...java, checkpoint: 'SHARD_END' }] })).to.equal('not refused');
    expect(refusal({ rows: [java] }), 'TRIM_HORIZON').to.equal('not refused');
  });
});

describe('a reset to a sequence number', () => {
  const position = (sequenceNumber: string): ResetPosition => ({ type: 'after', sequenceNumber });

  it('rewrites only the row of the named shard, and keeps its time of LATEST', () => {
    const rows = [row('s1', { checkpoint: 'SHARD_END', kinactLatestAt: 7 })];
    const [step, ...more] = stepsOf({ position: position('150'), only: new Set(['s1']), rows });
    expect(step)
      .to.have.property('row')
      .that.includes({ checkpoint: '150', checkpointSubSequenceNumber: 0, kinactLatestAt: 7 });
    expect(more).to.deep.equal([]);
  });

  it('is refused outside the range of the shard, or unless it names one listed shard', () => {
    const only = new Set(['s1']);
    for (const number of ['100', '300'])
      expect(refusal({ position: position(number), only })).to.match(/goes from 101 to 299/);
    for (const number of ['101', '299']) expect(refusal({ position: position(number), only })).to.equal('not refused');
    expect(refusal({ position: position('299'), only: new Set(['s3']) })).to.match(/goes from 300 to now/);
    expect(refusal({ position: position('999'), only: new Set(['s3']) })).to.equal('not refused');
    expect(refusal({ position: position('150'), only: undefined })).to.match(/name it/);
    expect(refusal({ position: position('150'), only: new Set(['s9']), rows: [row('s9')] })).to.match(
      /has no shard s9/,
    );
  });
});

describe('a reset in a multi-stream table', () => {
  const keyPrefix = '123456789012:orders:1700000100';

  it('touches only rows of its stream, and removes those of every other epoch', () => {
    const rows = [
      row(`${keyPrefix}:s0`),
      row('123456789012:orders:1700000000:s0', { kinactStream: former }),
      row('123456789012:orders:1700000000:s9'),
      row('123456789012:orders2:1700000000:s0'),
      row('999999999999:orders:1700000000:s0'),
      row('s0'),
    ];
    const steps = stepsOf({ rows, shards: [open('s0', '1')], rowContext: { ...rowContext, keyPrefix } });
    expect(inShort(steps)).to.deep.equal([
      `rewrite ${keyPrefix}:s0 TRIM_HORIZON`,
      'remove 123456789012:orders:1700000000:s0',
      'remove 123456789012:orders:1700000000:s9',
    ]);
    const [created] = stepsOf({ shards: [open('s0', '1')], rowContext: { ...rowContext, keyPrefix } });
    expect(created).to.have.property('row').that.includes({ streamName: keyPrefix, shardId: 's0' });
  });

  it('is refused if a row of its stream cannot be read, of any epoch, and not for a row of another stream', () => {
    const refusedFor = (malformed: string): string =>
      refusal({ malformed: [malformed], rowContext: { ...rowContext, keyPrefix } });
    for (const epoch of ['1700000100', '1700000000'])
      expect(refusedFor(`123456789012:orders:${epoch}:s0`)).to.match(/^row .* cannot be read/);
    expect(refusedFor('123456789012:orders2:1700000000:s0')).to.equal('not refused');
  });
});

describe('a reset of any table', () => {
  it('leaves only rows of the stream, and if cut off, no believed row of the former stream', () => {
    const shardIds = ['s0', 's1', 's2', 's3', 's8', 's9'];
    const rowsOf = fc.uniqueArray(
      fc.record({
        leaseKey: fc.constantFrom(...shardIds),
        checkpoint: fc.constantFrom('SHARD_END', 'TRIM_HORIZON', 'LATEST', '5'),
        leaseCounter: fc.nat(99),
        kinactStream: fc.constant(former),
      }),
      { selector: ({ leaseKey }) => leaseKey },
    );
    fc.assert(
      fc.property(rowsOf, fc.nat(12), (given, cut) => {
        const before = new Map(given.map((each) => [each.leaseKey, leaseRow(each)]));
        const steps = stepsOf({ rows: [...before.values()] });
        const apply = (count: number): Map<string, LeaseRow> => {
          const rows = new Map(before);
          for (const step of steps.slice(0, count)) {
            if (step.type === 'remove') rows.delete(step.seen.leaseKey);
            else rows.set(step.row.leaseKey, step.row);
          }
          return rows;
        };
        const judge = (rows: Map<string, LeaseRow>) =>
          judgeStream({
            identity,
            shards: lineage,
            isComplete: true,
            rows: [...rows].map(([shardId, each]) => ({ shardId, row: each })),
            otherEpochs: [],
          });
        const done = apply(steps.length);
        expect(judge(done)).to.deep.equal({ type: 'same', unstamped: [] });
        expect([...done.keys()].sort()).to.deep.equal(lineage.map(({ shardId }) => shardId).sort());
        const partly = apply(cut);
        const isMixed = [...partly.values()].some(({ kinactStream }) => kinactStream === former);
        expect(judge(partly).type).to.equal(isMixed ? 'changed' : 'same');
        for (const [index, step] of steps.entries()) {
          if (step.type === 'remove') continue;
          const earlier = steps.slice(0, index).map((each) => (each.type === 'remove' ? '' : each.row.leaseKey));
          for (const parent of step.row.parentShardIds) expect(earlier).to.include(parent);
        }
      }),
      seeded(200),
    );
  });
});
