// A change that a consumer of a table has parked runs again as what the reducer got: the change, decoded of the stored bytes. The
// entries are those of a consumer, in the form in which sinks keep them.
import { expect } from 'chai';
import { itemsOf } from '../../../src/cli/replayed-item.js';
import { moduleOf } from '../../../src/cli/parked-module-target.js';
import { park, type ChangeRecord, type ParkedItem } from '../../../src/index.js';
import { parkedLine, readParkedLine } from '../../../src/parking/parked-line.js';
import type { StoredItem } from '../../../src/parking/stored-item.js';
import { tableWorld } from '../../support/table-world.js';
import { virtualClock } from '../../support/virtual.js';

/** What a consumer of `orders` parks of one change. */
async function parkedBy(options: object, cents = '5'): Promise<StoredItem> {
  using clock = virtualClock();
  const world = tableWorld(clock);
  const kept: ParkedItem[] = [];
  const sink = (item: ParkedItem): Promise<void> => Promise.resolve(void kept.push(item));
  const worker = world.worker('a', { options: { onFailure: park(sink), ...options } });
  world.tables.put('orders', { id: { S: 'a' }, cents: { N: cents } });
  await world.start(worker);
  await clock.advance(5_000);
  await world.stop(worker);
  expect(kept).to.have.lengthOf(1);
  return readParkedLine(parkedLine(kept[0]!).subarray(0, -1)) as StoredItem;
}

const refuse = (): never => {
  throw new Error('no');
};
const atReduce = (): Promise<StoredItem> => parkedBy({ reducer: { init: () => 0, reduce: refuse } });
const atExtract = (): Promise<StoredItem> => parkedBy({ extract: refuse });

const made = (makers: Parameters<typeof itemsOf>[1], item: StoredItem): { key: string; value: unknown }[] =>
  [...itemsOf(item, makers)].map(({ key, value }) => ({ key, value: value.value }));

describe('a parked change that a module replays', () => {
  it('is the change again, under the key of the item, with the numbers that the module asks for', async () => {
    const stored = await atReduce();
    expect(stored).to.deep.include({ at: 'reduce', itemIndex: 0 });
    const [item] = made({}, stored);
    expect(item?.key).to.equal('{"id":{"S":"a"}}');
    expect(item?.value).to.deep.include({ eventName: 'INSERT', newImage: { id: 'a', cents: 5 } });
    expect(made({ numbers: 'bigint' }, stored)[0]?.value).to.deep.include({ newImage: { id: 'a', cents: 5n } });
  });

  it('is a change under its key if the consumer could make no item of it', async () => {
    const stored = await parkedBy({}, '9007199254740993');
    expect(stored.at).to.equal('extract');
    expect(stored.itemIndex).to.equal(undefined);
    const [item] = made({ numbers: 'bigint' }, stored);
    expect(item?.key).to.equal('{"id":{"S":"a"}}');
    expect(item?.value).to.deep.include({ newImage: { id: 'a', cents: 9_007_199_254_740_993n } });
  });

  it('is a record with a change for extract, parked at extract and at reduce alike', async () => {
    const extract = (record: object): { key: string; value: unknown }[] => [
      { key: 'k', value: (record as ChangeRecord).change.newImage },
    ];
    const value = { id: 'a', cents: 5 };
    expect(made({ extract }, await atExtract())).to.deep.equal([{ key: 'k', value }]);
    expect(made({ extract }, await atReduce())).to.deep.equal([{ key: '{"id":{"S":"a"}}', value }]);
  });

  it('of a stream of Kinesis is bytes', async () => {
    const stored = await atReduce();
    const other = { ...stored, stream: 'arn:aws:kinesis:us-east-1:123456789012:stream/orders#1700000000' };
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
