// The scripted tables behave as DynamoDB was seen to behave: what makes a record and what does not, and what a record says.
import { expect } from 'chai';
import { KinactError } from '../../../src/api/errors.js';
import { ScriptedTables } from '../../../src/testing/scripted-server/scripted-tables.js';
import {
  codeOf,
  describeOf,
  idsOf,
  iteratorOn,
  pageAt,
  shardsOf,
  startMs,
  stillTables,
  type StreamRecord,
} from '../../support/table-streams.js';

const recordsOf = (tables: ScriptedTables, table = 'orders'): readonly StreamRecord[] =>
  pageAt(tables, iteratorOn(tables, table)).Records;

const newest = (tables: ScriptedTables): any => recordsOf(tables).at(-1);

/** A table with one item, whose attribute `value` is the given one. */
function withItem(value: object): { tables: ScriptedTables; put: (next: object) => number } {
  const tables = stillTables();
  tables.createTable('orders');
  const put = (next: object): number => {
    tables.put('orders', { id: { S: 'a' }, value: { ...next } });
    return recordsOf(tables).length;
  };
  put(value);
  return { tables, put };
}

describe('the scripted tables', () => {
  it('write INSERT, MODIFY and REMOVE with both images, and leave out an image that there is not', () => {
    const tables = stillTables();
    tables.createTable('orders');
    tables.put('orders', { id: { S: 'a' }, n: { N: '1' } });
    tables.put('orders', { id: { S: 'a' }, n: { N: '2' } });
    tables.delete('orders', { id: { S: 'a' } });
    const [one, two] = [
      { id: { S: 'a' }, n: { N: '1' } },
      { id: { S: 'a' }, n: { N: '2' } },
    ];
    const shown = recordsOf(tables).map(({ eventName, dynamodb: { Keys, NewImage, OldImage } }) => [
      ...[eventName, Keys, NewImage, OldImage],
    ]);
    expect(shown).to.deep.equal([
      ['INSERT', { id: { S: 'a' } }, one, undefined],
      ['MODIFY', { id: { S: 'a' } }, two, one],
      ['REMOVE', { id: { S: 'a' } }, undefined, two],
    ]);
    expect(recordsOf(tables)[0]!.dynamodb).not.to.have.property('OldImage');
  });

  for (const [view, images] of [
    ['KEYS_ONLY', []],
    ['NEW_IMAGE', ['NewImage']],
    ['OLD_IMAGE', ['OldImage']],
    ['NEW_AND_OLD_IMAGES', ['NewImage', 'OldImage']],
  ] as const)
    it(`shows ${images.join(' and ') || 'keys alone'} under ${view}`, () => {
      const tables = stillTables();
      tables.createTable('orders', { view });
      for (const n of ['1', '2']) tables.put('orders', { id: { S: 'a' }, n: { N: n } });
      const { dynamodb } = newest(tables);
      expect(Object.keys(dynamodb).filter((name) => name.endsWith('Image'))).to.have.members([...images]);
      expect(dynamodb.StreamViewType).to.equal(view);
    });

  it('make no record of a put that changes nothing, of 1 to 1.0, and of a set in another order', () => {
    for (const [before, same] of [
      [{ S: 'x' }, { S: 'x' }],
      [{ N: '1' }, { N: '1.0' }],
      [{ SS: ['a', 'b'] }, { SS: ['b', 'a'] }],
      [{ NS: ['10', '9'] }, { NS: ['9', '1E+1'] }],
      [{ M: { a: { S: '1' }, b: { S: '2' } } }, { M: { b: { S: '2' }, a: { S: '1' } } }],
    ] as const) {
      const { put } = withItem(before);
      expect(put(same), JSON.stringify(same)).to.equal(1);
      expect(put({ S: 'another' })).to.equal(2);
    }
  });

  it('make no record of an update that changes nothing, a failed condition, and the delete of an absent key', () => {
    const tables = stillTables();
    tables.createTable('orders');
    const call = (operation: string, more: object): void =>
      void tables.handle(operation, { TableName: 'orders', Key: { id: { S: 'a' } }, ...more });
    const setTo = (n: string) => ({ UpdateExpression: 'SET n = :n', ExpressionAttributeValues: { ':n': { N: n } } });
    call('UpdateItem', setTo('1'));
    call('UpdateItem', setTo('1.0'));
    call('UpdateItem', { UpdateExpression: 'REMOVE nothing' });
    tables.delete('orders', { id: { S: 'b' } });
    expect(codeOf(() => call('DeleteItem', { ConditionExpression: 'attribute_not_exists(id)' }))).to.equal(
      'ConditionalCheckFailedException',
    );
    expect(recordsOf(tables).map(({ eventName }) => eventName)).to.deep.equal(['INSERT']);
  });

  it('store numbers without needless digits, but leave those inside a list as they came', () => {
    for (const [given, stored] of [
      ['-0', '0'],
      ['1E+3', '1000'],
      ['1.10', '1.1'],
      ['+007.50', '7.5'],
      ['19.99', '19.99'],
      ['1.5e-3', '0.0015'],
      ['-12e1', '-120'],
      ['9'.repeat(38), '9'.repeat(38)],
    ])
      expect(newest(withItem({ N: given }).tables).dynamodb.NewImage.value, given).to.deep.equal({ N: stored });
    const listed = { L: [{ N: '1.10' }] };
    expect(newest(withItem(listed).tables).dynamodb.NewImage.value).to.deep.equal(listed);
    for (const given of ['9'.repeat(39), 'one', '', '1e127', '.'])
      expect(
        codeOf(() => withItem({ N: given })),
        given,
      ).to.equal('ValidationException');
  });

  it('sort sets, and keep an empty text, empty bytes, null, empty list and map, U+0000 and emoji', () => {
    expect(newest(withItem({ SS: ['b', 'a'] }).tables).dynamodb.NewImage.value).to.deep.equal({ SS: ['a', 'b'] });
    for (const value of [{ S: '' }, { B: '' }, { NULL: true }, { L: [] }, { M: {} }, { S: '\0 🧦' }])
      expect(newest(withItem(value).tables).dynamodb.NewImage.value).to.deep.equal(value);
  });

  it('keep an attribute that is named __proto__', () => {
    const tables = stillTables();
    tables.createTable('orders');
    tables.put('orders', JSON.parse('{ "id": { "S": "a" }, "__proto__": { "S": "x" } }'));
    expect(Object.keys(newest(tables).dynamodb.NewImage)).to.include('__proto__');
  });

  it('say the time of a record in whole seconds, or whole minutes like DynamoDB Local', () => {
    for (const [eventTimes, expected] of [
      ['second', 119],
      ['minute', 60],
    ] as const) {
      const tables = stillTables({ eventTimes });
      tables.createTable('orders');
      tables.advance(119_900);
      tables.put('orders', { id: { S: 'a' } });
      expect(newest(tables).dynamodb.ApproximateCreationDateTime - startMs / 1_000).to.equal(expected);
    }
  });

  it('name the service as who removed an item whose time to live is over', () => {
    const tables = stillTables();
    tables.createTable('orders');
    tables.put('orders', { id: { S: 'a' } });
    tables.expire('orders', { id: { S: 'a' } });
    tables.expire('orders', { id: { S: 'a' } });
    expect(recordsOf(tables)).to.have.length(2);
    expect(newest(tables)).to.deep.include({
      eventName: 'REMOVE',
      userIdentity: { PrincipalId: 'dynamodb.amazonaws.com', Type: 'Service' },
    });
    tables.put('orders', { id: { S: 'b' } });
    expect(newest(tables)).not.to.have.property('userIdentity');
  });

  it('make one record for each item of a batch, in the order of the request', () => {
    const tables = stillTables();
    tables.createTable('orders');
    tables.put('orders', { id: { S: 'x' } });
    const puts = ['c', 'a', 'b'].map((id) => ({ PutRequest: { Item: { id: { S: id } } } }));
    const remove = { DeleteRequest: { Key: { id: { S: 'x' } } } };
    const answer = tables.handle('BatchWriteItem', { RequestItems: { orders: [...puts, remove] } });
    expect(answer).to.deep.equal({ UnprocessedItems: {} });
    expect(idsOf({ Records: recordsOf(tables) })).to.deep.equal(['x', 'c', 'a', 'b', 'x']);
    expect(codeOf(() => tables.handle('BatchWriteItem', { RequestItems: { orders: [remove, remove] } }))).to.equal(
      'ValidationException',
    );
  });

  it('answer UpdateItem by ReturnValues, and refuse what they do not know', () => {
    const tables = stillTables();
    tables.createTable('orders');
    tables.put('orders', { id: { S: 'a' }, n: { N: '1' }, gone: { S: 'x' } });
    const update = (more: object): any =>
      tables.handle('UpdateItem', {
        ...{ TableName: 'orders', Key: { id: { S: 'a' } } },
        UpdateExpression: 'SET #n = :n, m = :n REMOVE gone',
        ExpressionAttributeNames: { '#n': 'n' },
        ExpressionAttributeValues: { ':n': { N: '2' } },
        ...more,
      });
    expect(update({ ReturnValues: 'UPDATED_OLD' }).Attributes).to.deep.equal({ n: { N: '1' }, gone: { S: 'x' } });
    expect(update({ ReturnValues: 'UPDATED_NEW' }).Attributes).to.deep.equal({ n: { N: '2' }, m: { N: '2' } });
    expect(update({ ReturnValues: 'ALL_NEW' }).Attributes).to.deep.equal({
      ...{ id: { S: 'a' }, n: { N: '2' }, m: { N: '2' } },
    });
    expect(update({})).to.deep.equal({});
    expect(tables.handle('GetItem', { TableName: 'orders', Key: { id: { S: 'a' } } })).to.have.property('Item');
    for (const more of [
      { UpdateExpression: 'SET n = n + :n' },
      { UpdateExpression: 'ADD n :n' },
      { UpdateExpression: 'SET id = :n' },
      { AttributeUpdates: {} },
      { Key: { id: { N: '1' } } },
      { Key: { id: { S: 'a' }, more: { S: 'b' } } },
      { Key: { id: { S: '' } } },
    ])
      expect(
        codeOf(() => update(more)),
        JSON.stringify(more),
      ).to.equal('ValidationException');
  });

  it('describe a table with its newest stream; a disabled one leaves its ARN but no StreamSpecification', () => {
    const tables = stillTables();
    const described = (): any => (tables.handle('DescribeTable', { TableName: 'orders' }) as any).Table;
    const update = (StreamSpecification: object): void =>
      void tables.handle('UpdateTable', { TableName: 'orders', StreamSpecification });
    tables.createTable('orders', { view: 'none' });
    expect(described()).not.to.have.any.keys('LatestStreamArn', 'LatestStreamLabel', 'StreamSpecification');

    update({ StreamEnabled: true, StreamViewType: 'NEW_IMAGE' });
    const { LatestStreamArn: arn, LatestStreamLabel: label, StreamSpecification } = described();
    expect(label).to.equal('2026-01-01T00:00:00.000');
    expect(arn).to.equal(`arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/${label}`);
    expect(StreamSpecification).to.deep.equal({ StreamEnabled: true, StreamViewType: 'NEW_IMAGE' });
    expect(codeOf(() => update({ StreamEnabled: true, StreamViewType: 'NEW_IMAGE' }))).to.equal('ValidationException');

    update({ StreamEnabled: false });
    expect(described()).to.include({ LatestStreamArn: arn }).and.not.to.have.property('StreamSpecification');
    expect(codeOf(() => update({ StreamEnabled: false }))).to.equal('ValidationException');
    update({ StreamEnabled: true, StreamViewType: 'KEYS_ONLY' });
    expect(described().LatestStreamArn, 'a stream enabled again is another one').not.to.equal(arn);
  });

  it('keep the shard of a disabled stream readable to its end, without children, until a day has passed', () => {
    const tables = stillTables();
    tables.createTable('orders');
    const { arn } = tables.stream('orders');
    tables.put('orders', { id: { S: 'a' } });
    tables.disableStream('orders');
    tables.put('orders', { id: { S: 'unseen' } });
    tables.enableStream('orders');
    tables.put('orders', { id: { S: 'b' } });

    expect(describeOf(tables, arn).StreamStatus).to.equal('DISABLED');
    const [shard, ...more] = shardsOf(tables, arn);
    expect(more).to.deep.equal([]);
    expect(shard!.SequenceNumberRange).to.have.property('EndingSequenceNumber');
    tables.advance(23 * 3_600_000);
    expect(idsOf(pageAt(tables, iteratorOn(tables, arn)))).to.deep.equal(['a']);
    expect(pageAt(tables, iteratorOn(tables, arn))).not.to.have.property('NextShardIterator');
    expect(idsOf(pageAt(tables, iteratorOn(tables, 'orders')))).to.deep.equal(['b']);
    expect(shardsOf(tables, 'orders').map(({ ShardId }) => ShardId)).not.to.include(shard!.ShardId);

    tables.advance(3_600_000);
    for (const read of [() => describeOf(tables, arn), () => iteratorOn(tables, arn)])
      expect(codeOf(read)).to.equal('ResourceNotFoundException');
  });

  it('give an iterator of a stream that no longer exists empty pages for ever', () => {
    const tables = stillTables();
    tables.createTable('orders');
    tables.put('orders', { id: { S: 'a' } });
    const { arn } = tables.stream('orders');
    tables.disableStream('orders');
    tables.advance(24 * 3_600_000 - 60_000);
    let next: string | undefined = iteratorOn(tables, arn);
    tables.advance(60_000);
    for (let page = 1; page <= 3; page += 1) {
      const answer = pageAt(tables, next);
      expect(answer.Records).to.deep.equal([]);
      next = answer.NextShardIterator;
    }
    expect(next).to.be.a('string');
  });

  it('keep the streams of a deleted table, as DISABLED, and list them', () => {
    const tables = stillTables();
    tables.createTable('orders');
    const old = tables.stream('orders').arn;
    tables.handle('DeleteTable', { TableName: 'orders' });
    expect(codeOf(() => tables.table('orders'))).to.equal('ResourceNotFoundException');
    tables.createTable('orders');
    tables.createTable('others');
    expect(describeOf(tables, old).StreamStatus).to.equal('DISABLED');
    const listed = (more: Record<string, unknown>): any => tables.handle('ListStreams', more);
    expect(listed({ TableName: 'orders' }).Streams).to.have.length(2);
    const first = listed({ Limit: 2 });
    const rest = listed({ Limit: 2, ExclusiveStartStreamArn: first.LastEvaluatedStreamArn });
    expect([first.Streams.length, rest.Streams.length]).to.deep.equal([2, 1]);
    expect(rest).not.to.have.property('LastEvaluatedStreamArn');
  });

  it('refuse a table that exists, a bad name, a bad view and a key without a type', () => {
    const tables = stillTables();
    const create = (more: object = {}): object =>
      tables.handle('CreateTable', {
        TableName: 'orders',
        KeySchema: [
          { AttributeName: 'line', KeyType: 'RANGE' },
          { AttributeName: 'id', KeyType: 'HASH' },
        ],
        AttributeDefinitions: [
          { AttributeName: 'id', AttributeType: 'S' },
          { AttributeName: 'line', AttributeType: 'N' },
        ],
        BillingMode: 'PAY_PER_REQUEST',
        StreamSpecification: { StreamEnabled: true, StreamViewType: 'KEYS_ONLY' },
        ...more,
      });
    create();
    expect(tables.table('orders').keys.map(({ name }) => name)).to.deep.equal(['id', 'line']);
    expect(codeOf(() => create())).to.equal('ResourceInUseException');
    expect(codeOf(() => create({ TableName: 'a b c' }))).to.equal('ValidationException');
    for (const more of [
      { StreamSpecification: { StreamEnabled: true } },
      { StreamSpecification: { StreamEnabled: false, StreamViewType: 'KEYS_ONLY' } },
      { AttributeDefinitions: [] },
      { KeySchema: [] },
    ])
      expect(
        codeOf(() => create({ TableName: 'more', ...more })),
        JSON.stringify(more),
      ).to.equal('ValidationException');
  });

  it('refuse options that they do not know', () => {
    expect(() => new ScriptedTables({ eventTimes: 'hour' as never })).to.throw(KinactError, 'tables.eventTimes');
  });
});
