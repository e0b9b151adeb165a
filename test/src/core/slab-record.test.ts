// Records that lie packed in slabs, and the queue in which they wait: each is made when somebody looks.
import { expect } from 'chai';
import { createRecordQueue } from '../../../src/core/record-queue.js';
import { bytesOf, recordBytes } from '../../../src/core/record-bytes.js';
import { buffered } from '../../../src/core/buffer-view.js';
import { SlabRecord, SlabRecords, unpacked, type Slab } from '../../../src/core/slab-record.js';

/** A slab of records `number`, `key` and `data`, whose places count from 1,000. */
function slab(...records: readonly (readonly [number: string, key: string, data: string, at?: number])[]): Slab {
  const base = 1_000;
  const places = new Int32Array(records.length * 8);
  const times = new Float64Array(places.buffer);
  let text = '';
  for (const [index, [number, key, data, at]] of records.entries()) {
    for (const [member, part] of [number, key, data].entries()) {
      places[index * 8 + member * 2] = base + text.length;
      text += part;
      places[index * 8 + member * 2 + 1] = base + text.length;
    }
    times[index * 4 + 3] = at ?? Number.NaN;
  }
  return { bytes: Buffer.from(text), places, times, base };
}

describe('a record in a slab', () => {
  const list = new SlabRecords([slab(['1', 'k', 'one', 5], ['2', '', 'two']), slab(['3', 'key', ''])]);

  it('shows its members, and leaves out those that it lacks', () => {
    const [one, two, three] = [...list];
    expect(unpacked(one!)).to.deep.equal({
      sequenceNumber: '1',
      partitionKey: 'k',
      data: Buffer.from('one'),
      arrivedAt: 5,
    });
    expect(unpacked(two!)).to.deep.equal({ sequenceNumber: '2', data: Buffer.from('two') });
    expect([three!.data.length, three!.byteAt(0), one!.byteAt(1), one!.byteAt(3)]).to.deep.equal([
      0,
      undefined,
      'n'.charCodeAt(0),
      undefined,
    ]);
  });

  it('gives the same Buffer at every look', () => {
    const one = list.at(0)!;
    expect(one.data).to.equal(one.data);
    expect(buffered(one)).to.equal(one);
  });

  it('leaves other records as they are', () => {
    const plain = { sequenceNumber: '1', data: Buffer.from('x') };
    expect(unpacked(plain)).to.equal(plain);
  });

  it('counts the bytes of key and data, alone and together', () => {
    expect([...list].map(recordBytes)).to.deep.equal([4, 3, 3]);
    expect(bytesOf(list)).to.equal(10);
  });

  it('is found from either end, forwards and backwards, and nowhere else', () => {
    const numbers = (...indexes: readonly number[]): unknown => indexes.map((index) => list.at(index)?.sequenceNumber);
    expect(numbers(0, 2, 1, -1, -3, 0)).to.deep.equal(['1', '3', '2', '3', '1', '1']);
    expect(numbers(3, -4, Number.NaN)).to.deep.equal([undefined, undefined, undefined]);
    expect(new SlabRecords([]).at(-1)).to.equal(undefined);
  });
});

describe('a queue of records', () => {
  it('gives them out in order over its answers, as Buffers', () => {
    const queue = createRecordQueue<{ readonly sequenceNumber: string; readonly data: Uint8Array }>();
    expect([queue.peek(), queue.shift(), queue.length]).to.deep.equal([undefined, undefined, 0]);
    queue.push(new SlabRecords([slab(['1', 'k', 'a'], ['2', 'k', 'b'])]));
    queue.push([]);
    queue.push([{ sequenceNumber: '3', data: Uint8Array.from([1]) }]);
    expect([queue.length, queue.peek()?.sequenceNumber]).to.deep.equal([3, '1']);
    const taken = [queue.shift(), queue.shift(), queue.shift()];
    expect(taken.map((record) => record?.sequenceNumber)).to.deep.equal(['1', '2', '3']);
    expect(taken[0]).to.be.instanceOf(SlabRecord);
    expect(Buffer.isBuffer(taken[2]?.data)).to.equal(true);
    expect([queue.length, queue.shift()]).to.deep.equal([0, undefined]);
  });

  it('keeps its records when a source uses the array again', () => {
    const queue = createRecordQueue<{ readonly data: Uint8Array }>();
    const array = [{ data: Uint8Array.of(1) }, { data: Uint8Array.of(2) }];
    queue.push(array);
    array.length = 0;
    expect([queue.shift(), queue.shift()].map((record) => record?.data[0])).to.deep.equal([1, 2]);
  });
});
