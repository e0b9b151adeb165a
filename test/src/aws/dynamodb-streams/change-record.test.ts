// A record of a table's stream becomes plain values without a loss, and a key that is the same for all changes of one item.
import { expect } from 'chai';
import { changeRecord } from '../../../../src/aws/dynamodb-streams/change-record.js';
import { itemKey, rawRecordOf } from '../../../../src/aws/dynamodb-streams/change-json.js';
import { parseAnswer, recordsOf } from '../../../../src/aws/dynamodb-streams/changes-answer.js';
import type { NumberForm } from '../../../../src/aws/dynamodb-streams/number-text.js';
import { isTtlRemoval, type Change, type ChangeRecord } from '../../../../src/index.js';

const number = '000000000000000002373';
const record = (dynamodb: object, more: object = {}): object => ({
  eventID: 'e1',
  eventName: 'MODIFY',
  eventVersion: '1.1',
  eventSource: 'aws:dynamodb',
  awsRegion: 'eu-central-1',
  dynamodb: { SequenceNumber: number, ApproximateCreationDateTime: new Date(1_769_860_800_000), ...dynamodb },
  ...more,
});
const read = (given: object, numbers: NumberForm = 'number'): ChangeRecord => changeRecord(rawRecordOf(given), numbers);
const image = (NewImage: object, numbers?: NumberForm): unknown =>
  read(record({ Keys: { id: { S: 'a' } }, NewImage }), numbers).change.newImage;

describe('a change', () => {
  it('has plain values of every type', () => {
    const all = {
      text: { S: '' },
      number: { N: '19.99' },
      yes: { BOOL: true },
      none: { NULL: true },
      bytes: { B: new Uint8Array([0, 255]) },
      texts: { SS: ['a', 'b'] },
      numbers: { NS: ['1', '-2.5'] },
      blobs: { BS: [new Uint8Array([1])] },
      list: { L: [{ S: 'x' }, { N: '1.10' }, { L: [] }] },
      map: { M: { inner: { M: {} }, zero: { S: '\u0000' } } },
    };
    expect(image(all)).to.deep.equal({
      text: '',
      number: 19.99,
      yes: true,
      none: null,
      bytes: Buffer.from([0, 255]),
      texts: new Set(['a', 'b']),
      numbers: new Set([1, -2.5]),
      blobs: new Set([Buffer.from([1])]),
      list: ['x', 1.1, []],
      map: { inner: {}, zero: '\u0000' },
    });
  });

  it('has the images of each view type, and no others', () => {
    const Keys = { id: { S: 'a' } };
    const NewImage = { ...Keys, n: { N: '2' } };
    const OldImage = { ...Keys, n: { N: '1' } };
    const members = (dynamodb: object): string[] => Object.keys(read(record(dynamodb)).change);
    const always = ['eventName', 'keys'];
    const rest = ['at', 'sizeBytes'];
    expect(members({ Keys })).to.deep.equal([...always, ...rest]);
    expect(members({ Keys, NewImage })).to.deep.equal([...always, 'newImage', ...rest]);
    expect(members({ Keys, OldImage })).to.deep.equal([...always, 'oldImage', ...rest]);
    expect(members({ Keys, NewImage, OldImage })).to.deep.equal([...always, 'newImage', 'oldImage', ...rest]);
    expect(read(record({ Keys, SizeBytes: 26 })).change).to.deep.equal({
      eventName: 'MODIFY',
      keys: { id: 'a' },
      at: 1_769_860_800_000,
      sizeBytes: 26,
    });
  });

  it('keeps an attribute named __proto__, in the bytes of the service and in the decoded image', () => {
    const wire = `{"Records":[{"eventName":"INSERT","dynamodb":{"ApproximateCreationDateTime":1769860800,"SequenceNumber":"1",
      "Keys":{"id":{"S":"a"}},"NewImage":{"id":{"S":"a"},"__proto__":{"M":{"admin":{"BOOL":true},"__proto__":{"S":"deep"}}}}}}]}`;
    const [raw] = recordsOf(parseAnswer(Buffer.from(wire)));
    const { newImage } = changeRecord(raw!, 'number').change;
    expect(Object.getPrototypeOf(newImage)).to.equal(Object.prototype);
    expect(Object.keys(newImage as object)).to.deep.equal(['__proto__', 'id']);
    const inner = Object.getOwnPropertyDescriptor(newImage, '__proto__')?.value as object;
    expect(Object.entries(inner)).to.deep.equal([
      ['__proto__', 'deep'],
      ['admin', true],
    ]);
    expect((newImage as { admin?: unknown }).admin).to.equal(undefined);
  });

  it('fails, and is still read, if the SDK has left out the value of an attribute', () => {
    const lost = read(record({ Keys: { id: { S: 'a' } }, NewImage: { id: { S: 'a' }, lost: undefined } }));
    expect(() => lost.change).to.throw(TypeError, 'without the option client');
  });

  it('is the same when it is made again of the stored bytes alone, as a replay does', () => {
    const given = record({ Keys: { id: { B: new Uint8Array([1, 2]) } }, NewImage: { n: { N: '5' } } });
    const { data, change } = read(given);
    const again = changeRecord({ sequenceNumber: number, data: Buffer.from(data) }, 'number');
    expect(again.change).to.deep.equal(change);
  });

  it('fails with a clear error if the bytes are those of another source', () => {
    const of = (text: string) => (): unknown =>
      changeRecord({ sequenceNumber: '1', data: Buffer.from(text) }, 'number').change;
    expect(of('{}')).to.throw(TypeError, 'not the JSON of a change');
    expect(of('null')).to.throw(TypeError, 'not the JSON of a change');
    expect(of('hello')).to.throw(SyntaxError);
  });

  it('made by TTL is told apart from a delete', () => {
    const userIdentity = { PrincipalId: 'dynamodb.amazonaws.com', Type: 'Service' };
    const of = (more: object): Change => read(record({ Keys: { id: { S: 'a' } } }, more)).change;
    expect(of({ eventName: 'REMOVE', userIdentity }).userIdentity).to.deep.equal({
      principalId: 'dynamodb.amazonaws.com',
      type: 'Service',
    });
    expect(isTtlRemoval(of({ eventName: 'REMOVE', userIdentity }))).to.equal(true);
    expect(isTtlRemoval(of({ eventName: 'REMOVE' }))).to.equal(false);
    expect(isTtlRemoval(of({ eventName: 'REMOVE', userIdentity: { ...userIdentity, PrincipalId: 'x' } }))).to.equal(
      false,
    );
    expect(isTtlRemoval(of({ eventName: 'MODIFY', userIdentity }))).to.equal(false);
  });
});

describe('a number of a change', () => {
  const one = (text: string, numbers: NumberForm): unknown => (image({ n: { N: text } }, numbers) as { n: unknown }).n;

  it('is a number if JavaScript holds it unchanged, and fails its record if not', () => {
    const held: [string, number][] = [
      ['0', 0],
      ['-0', 0],
      ['1.10', 1.1],
      ['1E+3', 1_000],
      ['-9007199254740991', -9_007_199_254_740_991],
      ['0.1', 0.1],
      ['1E-130', 1e-130],
      ['12300000000000000000000', 1.23e22],
    ];
    for (const [text, value] of held) expect(Object.is(one(text, 'number'), value), text).to.equal(true);
    for (const text of [
      '9007199254740993',
      '99999999999999999999999999999999999999',
      '1E+125'.replace('1E', '1.00000000000000001E'),
    ])
      expect(() => one(text, 'number'), text).to.throw(RangeError, "numbers: 'string' or 'bigint' in");
    expect(() => one('0.1234567890123456789', 'number')).to.throw(RangeError, "Set numbers: 'string' in");
  });

  it('that does not fit is named by its attribute, however deep, and by the key of the item', () => {
    const big = { N: '9007199254740993' };
    const lines = { L: [{ N: '1' }, { M: { price: { N: '1' }, 'tax rate': { L: [big] } } }] };
    expect(() => image({ a: { N: '1' }, lines }, 'number')).to.throw(
      RangeError,
      /^newImage\.lines\[1\]\.tax rate\[0\] of the item \{"id":\{"S":"a"\}\}: The number 9007199254740993/,
    );
    expect(() => image({ set: { NS: ['1', '9007199254740993'] } }, 'number')).to.throw(RangeError, 'newImage.set of');
  });

  it('is a bigint if it is an integer, however it is written, and fails its record if not', () => {
    expect(one('99999999999999999999999999999999999999', 'bigint')).to.equal(10n ** 38n - 1n);
    expect(one('-1E+3', 'bigint')).to.equal(-1_000n);
    expect(one('5.0', 'bigint')).to.equal(5n);
    expect(one('-0', 'bigint')).to.equal(0n);
    expect(one('9.9E+125', 'bigint')).to.equal(99n * 10n ** 124n);
    for (const text of ['0.5', '1E-3']) expect(() => one(text, 'bigint')).to.throw(RangeError, 'no integer');
  });

  it('is the text as it came, for any number', () => {
    for (const text of ['19.990', '1E+3', '9007199254740993']) expect(one(text, 'string')).to.equal(text);
  });

  it('that is no number fails its record', () => {
    for (const text of ['', '-', '.', '1.2.3', 'NaN', 'Infinity', '0x10', '1E', '1E99999', ' 1', '1e5e5'])
      for (const form of ['number', 'bigint', 'string'] as const)
        expect(() => one(text, form), `${form} ${text}`).to.throw(TypeError, 'no number of DynamoDB');
  });
});

describe('the key of a change', () => {
  it('is the primary key with its types, sorted by name, whatever the order and the form of numbers', () => {
    expect(itemKey({ sk: { N: '1.10' }, pk: { S: 'a' } })).to.equal('{"pk":{"S":"a"},"sk":{"N":"11E-1"}}');
    expect(itemKey({ pk: { S: 'a' }, sk: { N: '1.1' } })).to.equal(itemKey({ sk: { N: '1.10' }, pk: { S: 'a' } }));
    expect(itemKey({ pk: { B: new Uint8Array([255]) } })).to.equal(itemKey({ pk: { B: '/w==' } }));
    expect(itemKey({ pk: { S: '1' } })).to.not.equal(itemKey({ pk: { N: '1' } }));
  });

  it('is the partition key of the record, and the data has the same bytes for every client', () => {
    const Keys = { id: { B: new Uint8Array([1, 2, 3]) } };
    const bySdk = rawRecordOf(record({ Keys, SizeBytes: 3 }));
    const wire = record({ Keys: { id: { B: 'AQID' } }, SizeBytes: 3, ApproximateCreationDateTime: 1_769_860_800 });
    const [byBytes] = recordsOf(parseAnswer(Buffer.from(JSON.stringify({ Records: [wire] }))));
    expect(byBytes).to.deep.equal(bySdk);
    expect(bySdk.partitionKey).to.equal('{"id":{"B":"AQID"}}');
    expect(bySdk.arrivedAt).to.equal(1_769_860_800_000);
    expect(bySdk.data.toString()).to.equal(
      '{"awsRegion":"eu-central-1","dynamodb":{"ApproximateCreationDateTime":1769860800000,"Keys":{"id":{"B":"AQID"}},' +
        '"SequenceNumber":"000000000000000002373","SizeBytes":3},"eventID":"e1","eventName":"MODIFY","eventSource":"aws:dynamodb","eventVersion":"1.1"}',
    );
  });
});

describe('the raw record of a change', () => {
  it('is the record as the SDK gives it', () => {
    const userIdentity = { PrincipalId: 'p', Type: 't' };
    const given = record(
      {
        Keys: { id: { B: Buffer.from([1]) } },
        NewImage: {
          s: { BS: [Buffer.from([2])] },
          l: { L: [{ B: Buffer.from([3]) }] },
          m: { M: { n: { N: '1.0' } } },
        },
        SizeBytes: 5,
        StreamViewType: 'NEW_IMAGE',
      },
      { userIdentity },
    );
    const { raw } = read(given);
    expect(raw).to.deep.equal(given);
    expect(raw.dynamodb?.ApproximateCreationDateTime).to.be.an.instanceOf(Date);
  });

  it('needs a sequence number: an answer without one counts as a broken connection', () => {
    for (const broken of [undefined, null, {}, { dynamodb: null }, { dynamodb: { SequenceNumber: 'x' } }])
      expect(() => rawRecordOf(broken)).to.throw(SyntaxError);
    expect(() => parseAnswer(Buffer.from('null'))).to.throw(SyntaxError);
    expect(() => recordsOf({})).to.throw(SyntaxError);
  });
});
