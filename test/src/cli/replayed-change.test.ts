// A parked change of a DynamoDB table runs again as what the reducer got: the change, decoded of the stored bytes.
import { expect } from 'chai';
import { rawRecordOf } from '../../../src/aws/dynamodb-streams/change-json.js';
import { itemsOf } from '../../../src/cli/replayed-item.js';
import { moduleOf } from '../../../src/cli/parked-module-target.js';
import type { StoredItem } from '../../../src/parking/stored-item.js';
import type { ChangeRecord } from '../../../src/index.js';

const raw = rawRecordOf({
  eventName: 'INSERT',
  dynamodb: { SequenceNumber: '000000000000000002373', Keys: { id: { S: 'a' } }, NewImage: { cents: { N: '5' } } },
});
const stored = {
  ...raw,
  idempotencyKey: 'k/0',
  itemIndex: 0,
  source: 'orders',
  stream: '123456789012:us-east-1$123456789012$orders$2026-01-31T12_00_00.000:1',
  shardId: 'shardId-1',
} as unknown as StoredItem;
const made = (makers: Parameters<typeof itemsOf>[1], item = stored): { key: string; value: unknown }[] =>
  [...itemsOf(item, makers)].map(({ key, value }) => ({ key, value: value.value }));

describe('a parked change that a module replays', () => {
  it('is the change again, under the key of the item, with the numbers that the module asks for', () => {
    const [item] = made({});
    expect(item?.key).to.equal('{"id":{"S":"a"}}');
    expect(item?.value).to.deep.include({ eventName: 'INSERT', newImage: { cents: 5 } });
    expect(made({ numbers: 'bigint' })[0]?.value).to.deep.include({ newImage: { cents: 5n } });
  });

  it('is a record with a change for extract', () => {
    const extract = (record: object): { key: string; value: unknown }[] => [
      { key: 'k', value: (record as ChangeRecord).change.newImage },
    ];
    expect(made({ extract })).to.deep.equal([{ key: 'k', value: { cents: 5 } }]);
  });

  it('of a stream of Kinesis is bytes', () => {
    const other = { ...stored, stream: '123456789012:orders:1700000000' };
    expect(made({}, other)[0]?.value).to.equal(stored.data);
    const { stream: _, ...unknown } = stored;
    expect(made({}, unknown)[0]?.value).to.equal(stored.data);
  });

  it('needs a form of numbers that exists', () => {
    const reducer = { init: () => 0, reduce: () => 0 };
    expect(moduleOf({ reducer, numbers: 'string' }).numbers).to.equal('string');
    expect(() => moduleOf({ reducer, numbers: 'decimal' })).to.throw("module.numbers: expected 'number'");
  });
});
