// The rules for streams without hash ranges (`listingProof: 'lineage'`): what a listing proves, which rows a sync creates and which
// the clean-up removes. shard-lineage.model.test.ts lets whole streams live by these rules.
import { expect } from 'chai';
import { streamIdentifier } from '../../../src/core/lease-key.js';
import { firstLeases, leavesOf, removable, type ListedShard } from '../../../src/core/shard-graph.js';
import { incompleteness } from '../../../src/core/shard-listing.js';
import { findInListing } from '../../../src/core/shard-proof.js';
import { planSync, type RowContext, type SyncInput } from '../../../src/core/shard-sync-plan.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import { leaseRow } from '../../support/memory-lease-store.js';

const rowContext: RowContext = {
  keyPrefix: undefined,
  entityType: undefined,
  writer: 'w/0',
  serviceTimeMs: 1_700_000_000_999,
  stream: 'arn:aws:dynamodb:x:1:table/orders/stream/2026-01-01T00:00:00.000',
};

/** `b<a` is an open child of `a`, `b<a.` a closed one. */
function shard(text: string): ListedShard {
  const [shardId, parent] = text.replace('.', '').split('<') as [string, string?];
  return {
    shardId,
    startingSequenceNumber: String(shardId.charCodeAt(0)),
    ...(parent === undefined ? {} : { parentShardId: parent }),
    ...(text.endsWith('.') ? { endingSequenceNumber: '999' } : {}),
  };
}
const listing = (text: string): ListedShard[] => text.split(' ').map(shard);

/** `b<a=7`: the row of `b` names the parent `a` and stands at 7. */
function table(text: string): Map<string, LeaseRow> {
  const rows = (text === '' ? [] : text.split(' ')).map((each) => {
    const [names, checkpoint = 'TRIM_HORIZON'] = each.split('=') as [string, string?];
    const [leaseKey, parent] = names.split('<') as [string, string?];
    return leaseRow({ leaseKey, checkpoint, parentShardIds: parent === undefined ? [] : [parent] });
  });
  return new Map(rows.map((row) => [row.leaseKey, row]));
}

const end = 'SHARD_END';

function created(shards: string, rows: string, more: Partial<SyncInput> = {}): string[] {
  const plan = planSync({
    shards: listing(shards),
    rows: table(rows),
    malformed: new Set(),
    initial: 'TRIM_HORIZON',
    listingProof: 'lineage',
    rowContext,
    ...more,
  });
  if (plan.type === 'inconsistent') throw new Error(plan.reason);
  return plan.rows.map(({ leaseKey, checkpoint }) => `${leaseKey} at ${checkpoint}`);
}

describe('a listing of a stream without hash ranges', () => {
  it('is complete even if no shard is open, as in a disabled stream, but not if it is empty', () => {
    expect(incompleteness(listing('a. b<a.'), 'lineage')).to.equal(undefined);
    expect(incompleteness([], 'lineage')).to.equal('no shard is listed');
    expect(incompleteness(listing('a. b<a.')), 'a Kinesis stream').to.equal('no open shard is listed');
  });

  it('proves a shard absent, unless it is empty or shows an ancestor of the shard open', () => {
    expect(findInListing(listing('c.'), 'x', ['w'], 'lineage').type).to.equal('absent');
    expect(findInListing(listing('c.')!, 'x', ['w']).type, 'a Kinesis stream').to.equal('unclear');
    expect(findInListing([], 'x', ['w'], 'lineage').type).to.equal('unclear');
    expect(findInListing(listing('c. w'), 'x', ['w'], 'lineage').type).to.equal('unclear');
    expect(findInListing(listing('w c<w'), 'x', [], 'lineage').type, 'a parent open beside its child').to.equal(
      'unclear',
    );
  });
});

describe('the first rows of a stream without hash ranges', () => {
  it('are one for each leaf at LATEST, closed or open', () => {
    const found = firstLeases(listing('a. b<a. c<a. d<b'), 'LATEST', 'lineage');
    expect(found.type === 'missing' && found.leases.map((lease) => lease.shard.shardId)).to.deep.equal(['c', 'd']);
    expect(leavesOf(listing('a. b<a.')).map(({ shardId }) => shardId)).to.deep.equal(['b']);
  });

  it('are one for the oldest shard of each lineage at TRIM_HORIZON, however many have ended', () => {
    const ids = Array.from({ length: 600 }, (_, index) => String(index).padStart(4, '0'));
    const shards = ids.map((shardId, index): ListedShard => ({
      shardId,
      startingSequenceNumber: String(index + 1),
      ...(index < 3 ? {} : { parentShardId: ids[index - 3]! }),
      ...(index < 597 ? { endingSequenceNumber: String(index + 5) } : {}),
    }));
    const found = firstLeases(shards.toReversed(), 'TRIM_HORIZON', 'lineage');
    expect(found.type === 'missing' && found.leases.map((lease) => lease.shard.shardId)).to.deep.equal(ids.slice(0, 3));
  });
});

describe('the rows that a stream without hash ranges lacks', () => {
  it('are those of uncovered leaves, also closed ones: nothing else would read the rest of a disabled stream', () => {
    expect(created('a. b<a. c.', `a=${end}`)).to.deep.equal(['b at TRIM_HORIZON', 'c at TRIM_HORIZON']);
    const plan = { listingProof: undefined };
    expect(created('a. b<a. c.', `a=${end}`, plan), 'a Kinesis stream').to.deep.equal([]);
  });

  it('are none while an ancestor is read', () => {
    expect(created('a. b<a. c<b', 'a=7')).to.deep.equal([]);
    expect(created('a. b<a. c<b', `a=${end} b<a`)).to.deep.equal([]);
  });

  it('never include a shard with a leased descendant, by the listing or by the row', () => {
    expect(created('a. b<a. c<b', 'c<b=7')).to.deep.equal([]);
    expect(created('a. b<a.', 'c<b=7'), 'c is not listed').to.deep.equal([]);
    expect(created('a. b<a. c<b', 'd<c=7', { malformed: new Set(['d']) }), 'c is listed open').to.deep.equal([]);
  });

  it('never include an ancestor of a leased shard several generations up', () => {
    for (const rows of ['c<b=7', 'c=7', 'd<c=7'])
      expect(created('a. b<a. c<b x<a', rows)).to.deep.equal(['x at TRIM_HORIZON']);
  });

  it('start at TRIM_HORIZON if a sibling is leased and the row of the parent was cleaned up', () => {
    for (const initial of ['TRIM_HORIZON', 'LATEST'] as const)
      expect(created('a. b<a. c<b d<b. e<d', 'c<b=7', { initial })).to.deep.equal(['d at TRIM_HORIZON']);
  });

  it('include a child that was listed late, after its parent had ended without children', () => {
    for (const initial of ['TRIM_HORIZON', 'LATEST'] as const)
      expect(created('a. b<a', `a=${end}`, { initial })).to.deep.equal(['b at TRIM_HORIZON']);
  });

  it('come back as they were if somebody deleted them, although the row names its own shard as its child', () => {
    const deleted = { ...leaseRow({ leaseKey: 'a', checkpoint: '0017' }), childShardIds: ['a'] };
    const deletedRows = new Map([['a', deleted]]);
    expect(created('a b', 'b=7', { deletedRows })).to.deep.equal(['a at 0017']);
  });
});

describe('the rows of ended shards without hash ranges', () => {
  const removed = (shards: string, rows: Map<string, LeaseRow>): string[] =>
    removable(rows, listing(shards), 'lineage');

  it('go once every child has begun and no row of a parent is left, oldest first', () => {
    expect(removed('a. b<a. c<b', table(`a=${end} b<a=${end} c<b=7`))).to.deep.equal(['a']);
    expect(removed('a. b<a. c<b', table(`b<a=${end} c<b=7`))).to.deep.equal(['b']);
    expect(removed('a. b<a. c<b', table(`b<a=${end} c<b`))).to.deep.equal([]);
    expect(removed('a. b<a. c<b d<b', table(`b<a=${end} c<b=7`)), 'd has no row').to.deep.equal([]);
  });

  it('stay while no child is listed, even if the row names its own shard as its child', () => {
    expect(removed('a.', table(`a=${end}`))).to.deep.equal([]);
    const row = { ...leaseRow({ leaseKey: 'a', checkpoint: end }), childShardIds: ['a'] };
    expect(removed('a.', new Map([['a', row]]))).to.deep.equal([]);
    expect(removed('a. b<a', new Map([['a', row], ...table('b<a=7')]))).to.deep.equal(['a']);
  });

  it('go if neither the shard nor a parent is in the stream', () => {
    expect(removed('c', table(`a=${end} c=7`))).to.deep.equal(['a']);
    expect(removed('c', table(`b<a=${end} c=7`))).to.deep.equal(['b']);
    expect(removed('a. c', table(`b<a=${end} c=7`)), 'the listing may be older than b').to.deep.equal([]);
  });
});

it('the name of a stream without a creation time ends with 1, as the Java adapter writes it', () => {
  const streamName = 'us-east-1$123456789012$orders$2026-01-01T00_00_00.000';
  const name = streamIdentifier({ accountId: '123456789012', streamName, creationEpochSeconds: 0 });
  expect(name).to.equal(`123456789012:${streamName}:1`);
});
