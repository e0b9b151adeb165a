// The streams of the scripted tables behave on the wire as DynamoDB Streams was seen to behave: shards, iterators, pages, ends,
// trimming. Each test is one fact.
import { expect } from 'chai';
import type { ScriptedTables } from '../../../src/testing/scripted-server/scripted-tables.js';
import type { ScriptedTablesOptions } from '../../../src/testing/index.js';
import { codeOf, describeOf, idsOf, iteratorOn, pageAt, shardsOf, stillTables } from '../../support/table-streams.js';

const dayMs = 86_400_000;

/** A table `orders` of one shard, with these items. */
function ordersWith(ids: readonly string[], options: ScriptedTablesOptions = {}): ScriptedTables {
  const tables = stillTables(options);
  tables.createTable('orders');
  putAll(tables, ids);
  return tables;
}

function putAll(tables: ScriptedTables, ids: readonly string[]): void {
  for (const id of ids) tables.put('orders', { id: { S: id }, at: { N: String(tables.now()) } });
}

const onlyShard = (tables: ScriptedTables): string => shardsOf(tables, 'orders')[0]!.ShardId;
const after = (SequenceNumber: string): object => ({ ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', SequenceNumber });
const latest = { ShardIteratorType: 'LATEST' };

describe('the streams of scripted tables', () => {
  it('have shard ids of twenty digits of milliseconds and eight hexadecimal digits', () => {
    const tables = ordersWith([]);
    expect(onlyShard(tables)).to.match(/^shardId-\d{20}-[0-9a-f]{8}$/);
    expect(Number(onlyShard(tables).slice(8, 28))).to.equal(tables.now());
  });

  it('pad sequence numbers to 21 digits, and skip some', () => {
    const tables = ordersWith(['a', 'b']);
    const [first, second] = tables.sequenceNumbers('orders', onlyShard(tables));
    expect(first).to.match(/^0\d{20}$/);
    expect(Number(second) - Number(first)).to.be.greaterThan(1);
  });

  it('number all tables together, or each stream by itself with the same shard ids', () => {
    for (const [numbering, same] of [
      ['server', false],
      ['stream', true],
    ] as const) {
      const tables = stillTables({ numbering });
      for (const name of ['orders', 'others']) {
        tables.createTable(name);
        tables.put(name, { id: { S: 'a' } });
        tables.rollShard(name);
      }
      const [one, other] = ['orders', 'others'].map((name) => shardsOf(tables, name));
      if (same) expect(one).to.deep.equal(other);
      else expect(one!.map(({ ShardId }) => ShardId)).not.to.include.any.members(other!.map(({ ShardId }) => ShardId));
    }
  });

  it('roll a shard over: the parent closes, its child begins behind it and takes what is written then', () => {
    const tables = ordersWith(['a']);
    const parent = onlyShard(tables);
    const [child] = tables.rollShard('orders', parent);
    putAll(tables, ['b']);
    const [old, young] = shardsOf(tables, 'orders').toSorted((a) => (a.ShardId === parent ? -1 : 1));
    expect(young).to.deep.include({ ShardId: child, ParentShardId: parent });
    expect(young!.SequenceNumberRange).not.to.have.property('EndingSequenceNumber');
    const { EndingSequenceNumber: end } = old!.SequenceNumberRange;
    expect(Number(young!.SequenceNumberRange.StartingSequenceNumber)).to.be.greaterThan(Number(end) + 1);
    expect(idsOf(pageAt(tables, iteratorOn(tables, 'orders', { ShardId: parent })))).to.deep.equal(['a']);
    expect(idsOf(pageAt(tables, iteratorOn(tables, 'orders', { ShardId: child })))).to.deep.equal(['b']);
    expect(
      codeOf(() => tables.rollShard('orders', parent)),
      'a closed shard',
    ).to.equal('ValidationException');
  });

  it('split a shard into two, which share its keys', () => {
    const tables = ordersWith([]);
    const children = tables.rollShard('orders', onlyShard(tables), 2);
    const ids = Array.from({ length: 40 }, (_, index) => `order ${index}`);
    for (let round = 1; round <= 2; round += 1) {
      tables.advance(1_000);
      putAll(tables, ids);
    }
    const read = children.map((ShardId) => idsOf(pageAt(tables, iteratorOn(tables, 'orders', { ShardId }))));
    expect(read.map(({ length }) => length > 0)).to.deep.equal([true, true]);
    expect(read.flat().toSorted()).to.deep.equal([...ids, ...ids].toSorted());
    expect(
      read[0]!.filter((id) => read[1]!.includes(id)),
      'a key is in one of them',
    ).to.deep.equal([]);

    const [grandchild] = tables.rollShard('orders', children[0]);
    tables.advance(1_000);
    putAll(tables, ids);
    const later = idsOf(pageAt(tables, iteratorOn(tables, 'orders', { ShardId: grandchild })));
    expect(later.toSorted(), 'the same keys').to.deep.equal([...new Set(read[0])].toSorted());
  });

  it('list shards in pages by Limit and ExclusiveStartShardId', () => {
    const tables = ordersWith([]);
    for (let hour = 1; hour <= 4; hour += 1) {
      tables.advance(3_600_000);
      tables.rollShard('orders');
    }
    const all = shardsOf(tables, 'orders').map(({ ShardId }) => ShardId);
    const seen: string[] = [];
    let last: string | undefined;
    do {
      const page = describeOf(tables, 'orders', { Limit: 2, ExclusiveStartShardId: last });
      expect(page.Shards.length).to.be.at.most(2);
      seen.push(...page.Shards.map(({ ShardId }) => ShardId));
      last = page.LastEvaluatedShardId;
    } while (last !== undefined && seen.length < 20);
    expect(seen).to.deep.equal(all).and.to.have.length(5);
    for (const Limit of [0, 101])
      expect(codeOf(() => describeOf(tables, 'orders', { Limit }))).to.equal('ValidationException');
  });

  it('list the children of a shard by ShardFilter, or ignore every filter like DynamoDB Local', () => {
    for (const childFilter of [true, false]) {
      const tables = ordersWith([], { childFilter });
      const parent = onlyShard(tables);
      const [child] = tables.rollShard('orders', parent);
      tables.rollShard('orders', child);
      const listed = shardsOf(tables, 'orders', { ShardFilter: { Type: 'CHILD_SHARDS', ShardId: parent } });
      if (childFilter) expect(listed.map(({ ShardId }) => ShardId)).to.deep.equal([child]);
      else expect(listed).to.have.length(3);
      expect(codeOf(() => describeOf(tables, 'orders', { ShardFilter: { Type: 'NONSENSE' } }))).to.equal(
        childFilter ? 'ValidationException' : 'no error',
      );
    }
  });

  it('list a child late, though it takes records', () => {
    const tables = ordersWith([]);
    const [child] = tables.rollShard('orders');
    const list = tables.listLate('orders', child!);
    putAll(tables, ['a']);
    expect(shardsOf(tables, 'orders')).to.have.length(1);
    expect(idsOf(pageAt(tables, iteratorOn(tables, 'orders', { ShardId: child })))).to.deep.equal(['a']);
    list();
    expect(shardsOf(tables, 'orders')).to.have.length(2);
  });

  it('list a parent without an ending number although it has a child', () => {
    const tables = ordersWith([]);
    const parent = onlyShard(tables);
    tables.rollShard('orders');
    const close = tables.listOpen('orders', parent);
    const end = (): unknown =>
      shardsOf(tables, 'orders').find(({ ShardId }) => ShardId === parent)!.SequenceNumberRange.EndingSequenceNumber;
    expect(end()).to.equal(undefined);
    close();
    expect(end()).to.be.a('string');
  });

  it('take a number of the shard or a later one, but none outside a closed shard', () => {
    const tables = ordersWith(['a']);
    const parent = onlyShard(tables);
    const [number] = tables.sequenceNumbers('orders', parent);
    const future = '9'.repeat(21);
    expect(pageAt(tables, iteratorOn(tables, 'orders', after(future))).Records, 'a number to come').to.deep.equal([]);
    const [child] = tables.rollShard('orders', parent);
    for (const [ShardId, SequenceNumber] of [
      [parent, future],
      [child, number!],
      [parent, '0'.repeat(21)],
    ])
      expect(() => iteratorOn(tables, 'orders', { ...after(SequenceNumber!), ShardId })).to.throw(
        'Invalid SequenceNumber for the shard',
      );
  });

  it('take numbers of 21 to 40 digits only: without its leading zeros a number is refused', () => {
    const tables = ordersWith(['a', 'b']);
    const [number] = tables.sequenceNumbers('orders', onlyShard(tables));
    expect(idsOf(pageAt(tables, iteratorOn(tables, 'orders', after(number!))))).to.deep.equal(['b']);
    expect(idsOf(pageAt(tables, iteratorOn(tables, 'orders', after(number!.padStart(40, '0')))))).to.deep.equal(['b']);
    for (const wrong of [number!.replace(/^0+/, ''), number!.padStart(41, '0'), 'x'.repeat(21)])
      expect(
        codeOf(() => iteratorOn(tables, 'orders', after(wrong))),
        wrong,
      ).to.equal('ValidationException');
  });

  it('refuse AT_TIMESTAMP, a number with TRIM_HORIZON or LATEST, and none with AT and AFTER', () => {
    const tables = ordersWith(['a']);
    const [SequenceNumber] = tables.sequenceNumbers('orders', onlyShard(tables));
    for (const input of [
      { ShardIteratorType: 'AT_TIMESTAMP', Timestamp: 0 },
      { ShardIteratorType: 'TRIM_HORIZON', SequenceNumber },
      { ShardIteratorType: 'LATEST', SequenceNumber },
      { ShardIteratorType: 'AT_SEQUENCE_NUMBER' },
      { ShardIteratorType: 'AFTER_SEQUENCE_NUMBER' },
    ])
      expect(
        codeOf(() => iteratorOn(tables, 'orders', input)),
        input.ShardIteratorType,
      ).to.equal('ValidationException');
    const at = iteratorOn(tables, 'orders', { ShardIteratorType: 'AT_SEQUENCE_NUMBER', SequenceNumber });
    expect(idsOf(pageAt(tables, at))).to.deep.equal(['a']);
  });

  it('take an iterator again, at 14 minutes too, and say at 16 minutes that it has expired', () => {
    const tables = ordersWith(['a']);
    const iterator = iteratorOn(tables, 'orders');
    tables.advance(14 * 60_000);
    for (let read = 1; read <= 2; read += 1) expect(idsOf(pageAt(tables, iterator))).to.deep.equal(['a']);
    tables.advance(2 * 60_000);
    expect(codeOf(() => pageAt(tables, iterator))).to.equal('ExpiredIteratorException');
  });

  it('call a garbage or empty iterator invalid', () => {
    const tables = ordersWith([]);
    for (const garbage of ['', 'garbage', Buffer.from('{}').toString('base64'), undefined])
      expect(
        codeOf(() => pageAt(tables, garbage)),
        garbage,
      ).to.equal('ValidationException');
  });

  it('do not find an unknown shard or stream', () => {
    const tables = ordersWith([]);
    const { arn } = tables.stream('orders');
    expect(codeOf(() => iteratorOn(tables, 'orders', { ShardId: 'shardId-1' }))).to.equal('ResourceNotFoundException');
    expect(codeOf(() => tables.handle('DescribeStream', { StreamArn: `${arn}9` }))).to.equal(
      'ResourceNotFoundException',
    );
    const iterator = iteratorOn(tables, 'orders');
    tables.dropShard('orders', onlyShard(tables));
    expect(codeOf(() => pageAt(tables, iterator))).to.equal('ResourceNotFoundException');
  });

  it('read 1,000 records at most, and so many bytes', () => {
    const tables = ordersWith(Array.from({ length: 1_001 }, (_, index) => String(index)));
    const iterator = iteratorOn(tables, 'orders');
    const first = pageAt(tables, iterator);
    expect(first.Records).to.have.length(1_000);
    expect(pageAt(tables, first.NextShardIterator).Records).to.have.length(1);
    for (const Limit of [0, 1_001])
      expect(codeOf(() => pageAt(tables, iterator, { Limit }))).to.equal('ValidationException');
    const narrow = ordersWith(['a', 'b', 'c'], { maxAnswerBytes: 1 });
    expect(idsOf(pageAt(narrow, iteratorOn(narrow, 'orders')))).to.deep.equal(['a']);
  });

  it('answer with records and the next iterator only: nobody says how far behind the reader is', () => {
    const tables = ordersWith(['a']);
    expect(pageAt(tables, iteratorOn(tables, 'orders'))).to.have.all.keys('Records', 'NextShardIterator');
  });

  it('decide LATEST when the iterator is issued', () => {
    const tables = ordersWith(['a']);
    const iterator = iteratorOn(tables, 'orders', latest);
    putAll(tables, ['b']);
    expect(idsOf(pageAt(tables, iterator))).to.deep.equal(['b']);
  });

  it('give LATEST on a closed shard one empty page, which is the end', () => {
    const tables = ordersWith(['a']);
    const ShardId = onlyShard(tables);
    tables.rollShard('orders');
    expect(pageAt(tables, iteratorOn(tables, 'orders', { ...latest, ShardId }))).to.deep.equal({ Records: [] });
  });

  it('end a shard with its last records, or with an empty page later', () => {
    for (const endOfShard of ['withRecords', 'emptyAnswer'] as const) {
      const tables = ordersWith(['a', 'b'], { endOfShard });
      const ShardId = onlyShard(tables);
      tables.rollShard('orders');
      const first = pageAt(tables, iteratorOn(tables, 'orders', { ShardId }), { Limit: 1 });
      const second = pageAt(tables, first.NextShardIterator, { Limit: 1 });
      expect([idsOf(first), idsOf(second)]).to.deep.equal([['a'], ['b']]);
      if (endOfShard === 'withRecords') expect(second).not.to.have.property('NextShardIterator');
      else expect(pageAt(tables, second.NextShardIterator)).to.deep.equal({ Records: [] });
    }
  });

  it('go on behind an empty page while the shard is open', () => {
    const tables = ordersWith([]);
    const empty = pageAt(tables, iteratorOn(tables, 'orders'));
    expect(empty.Records).to.deep.equal([]);
    putAll(tables, ['a']);
    expect(idsOf(pageAt(tables, empty.NextShardIterator))).to.deep.equal(['a']);
  });

  it('trim records after 24 hours: GetRecords says so, never GetShardIterator, and the start of the shard stays', () => {
    const tables = ordersWith(['a']);
    const start = shardsOf(tables, 'orders')[0]!.SequenceNumberRange.StartingSequenceNumber;
    const [trimmed] = tables.sequenceNumbers('orders', onlyShard(tables));
    tables.advance(dayMs - 60_000);
    putAll(tables, ['b']);
    const old = iteratorOn(tables, 'orders');
    expect(idsOf(pageAt(tables, old))).to.deep.equal(['a', 'b']);
    tables.advance(60_000);

    expect(
      codeOf(() => pageAt(tables, old)),
      'an older TRIM_HORIZON',
    ).to.equal('TrimmedDataAccessException');
    expect(idsOf(pageAt(tables, iteratorOn(tables, 'orders')))).to.deep.equal(['b']);
    const at = iteratorOn(tables, 'orders', { ShardIteratorType: 'AT_SEQUENCE_NUMBER', SequenceNumber: trimmed });
    expect(codeOf(() => pageAt(tables, at))).to.equal('TrimmedDataAccessException');
    expect(
      idsOf(pageAt(tables, iteratorOn(tables, 'orders', after(trimmed!)))),
      'behind the last trimmed',
    ).to.deep.equal(['b']);
    expect(shardsOf(tables, 'orders')[0]!.SequenceNumberRange.StartingSequenceNumber).to.equal(start);
  });

  it('say of a shard whose records are all trimmed that every place is trimmed, until the next write', () => {
    const tables = ordersWith(['a']);
    const [number] = tables.sequenceNumbers('orders', onlyShard(tables));
    tables.advance(dayMs);
    const iterators = [iteratorOn(tables, 'orders'), iteratorOn(tables, 'orders', latest)];
    iterators.push(iteratorOn(tables, 'orders', after(number!)));
    for (const iterator of iterators)
      expect(codeOf(() => pageAt(tables, iterator))).to.equal('TrimmedDataAccessException');
    putAll(tables, ['b']);
    for (const iterator of iterators) expect(idsOf(pageAt(tables, iterator))).to.deep.equal(['b']);
  });

  it('say of a closed shard whose records are all trimmed that every place is trimmed, for ever', () => {
    const tables = ordersWith(['a']);
    const ShardId = onlyShard(tables);
    tables.trim('orders', ShardId);
    tables.rollShard('orders');
    putAll(tables, ['b']);
    for (const more of [{}, latest])
      expect(codeOf(() => pageAt(tables, iteratorOn(tables, 'orders', { ...more, ShardId })))).to.equal(
        'TrimmedDataAccessException',
      );
  });

  it('expire every iterator on demand', () => {
    const tables = ordersWith(['a']);
    const iterator = iteratorOn(tables, 'orders');
    tables.expireIterators();
    expect(codeOf(() => pageAt(tables, iterator))).to.equal('ExpiredIteratorException');
    expect(idsOf(pageAt(tables, iteratorOn(tables, 'orders')))).to.deep.equal(['a']);
  });
});
