// Symptom: `JSON.parse(item.value.toString())` failed from the day a producer turned aggregation on. Cause: plain records were
// Buffers. Those from aggregates, from a client of the user and from a stream in memory were bare Uint8Arrays, whose toString gives
// numbers.
import { expect } from 'chai';
import { recordsOf } from '../../src/aws/kinesis/get-records-answer.js';
import { unpackRecord } from '../../src/aws/aggregation/aggregate.js';
import { buffered, bufferOf } from '../../src/core/buffer-view.js';
import { decodeAggregate, defineReducer, encodeAggregate } from '../../src/index.js';
import { drive, fakeStream, ManualClock } from '../../src/testing/index.js';
import { envelope, message } from '../support/aggregate-bytes.js';
import { virtualConsumer } from '../support/virtual-consumer.js';
import { inVirtualTime } from '../support/virtual.js';

const bare = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));
const two = message(
  ['a', 'b'],
  [
    { pk: 0, data: 'one' },
    { pk: 1, data: '' },
  ],
);

describe('the bytes of a record', () => {
  for (const format of ['kpl', 'erlmld', 'erlmld-deflate'] as const) {
    it(`are Buffers out of an aggregate (${format}), views of the same memory`, () => {
      const data = envelope(two, format);
      const { records } = unpackRecord({ sequenceNumber: '1', data }, undefined, 'emit');
      const decoded = decodeAggregate(Uint8Array.from(data)).records!;
      for (const users of [records, decoded]) {
        expect(users.map((user) => Buffer.isBuffer(user.data))).to.deep.equal([true, true]);
        expect(users.map((user) => user.data.toString())).to.deep.equal(['one', '']);
      }
      if (format !== 'erlmld-deflate') expect(records[0]!.data.buffer).to.equal(data.buffer);
    });
  }

  it('are a Buffer from a client of the application, over its memory', () => {
    const given = bare('xone').subarray(1);
    const [record] = recordsOf({ Records: [{ SequenceNumber: '1', PartitionKey: 'k', Data: given }] });
    expect(Buffer.isBuffer(record!.data)).to.equal(true);
    expect(record!.data.toString()).to.equal('one');
    expect(record!.data.buffer).to.equal(given.buffer);
  });

  it('are made a Buffer once, without a copy, and a record that has one stays the same', () => {
    const whole = { data: Buffer.from('x'), sequenceNumber: '1' };
    expect(buffered(whole)).to.equal(whole);
    expect(bufferOf(whole.data)).to.equal(whole.data);
    const view = bufferOf(bare('abc').subarray(1, 2));
    expect(view.toString()).to.equal('b');
    expect(view.buffer.byteLength).to.equal(3);
  });

  it('are Buffers in a consumer: of plain records, of aggregates, and of a source that gives bare bytes', async () => {
    const clock = new ManualClock();
    clock.install();
    const stream = fakeStream({ clock });
    const { source } = stream;
    // A source of the application's own may give any Uint8Array.
    const own = {
      ...source,
      open: (environment: Parameters<typeof source.open>[0]) => {
        const opened = source.open(environment);
        const open: typeof opened.open = (...args) => {
          const reader = opened.open(...args);
          const read: typeof reader.read = async (signal) => {
            const result = await reader.read(signal);
            if (result.type !== 'records') return result;
            return {
              ...result,
              records: [...result.records].map((each) => ({ ...each, data: Uint8Array.from(each.data) })),
            };
          };
          return { ...reader, read };
        };
        return { ...opened, open };
      },
    };
    const on = virtualConsumer(clock, { stream: { ...stream, source: own } });
    await inVirtualTime(clock, on.consumer.start());
    const aggregate = encodeAggregate([
      { partitionKey: 'a', data: bare('two') },
      { partitionKey: 'b', data: bare('three') },
    ]);
    stream.put({ partitionKey: 'k', data: bare('one') }, { partitionKey: 'k', data: aggregate });
    expect(stream.recordsOf('shardId-000000000000').map(({ data }) => Buffer.isBuffer(data))).to.deep.equal([
      true,
      true,
    ]);
    await clock.advance(5_000);
    expect(on.seen.map(({ value }) => Buffer.isBuffer(value))).to.deep.equal(on.seen.map(() => true));
    expect(on.seen.map(({ value }) => value.toString())).to.have.members(['one', 'two', 'three']);
    expect(on.seen.map(({ arrivedAt }) => typeof arrivedAt)).to.deep.equal(on.seen.map(() => 'number'));
    await inVirtualTime(clock, on.consumer.stop());
    clock.uninstall();
  });

  it('are a Buffer for a driven reducer, and other values stay as they are', async () => {
    const values: unknown[] = [];
    const times: unknown[] = [];
    const reducer = defineReducer<number, unknown>({
      init: () => 0,
      reduce: (count, { value, arrivedAt }) => (values.push(value), times.push(arrivedAt), count + 1),
    });
    await drive(reducer).items([
      { key: 'a', value: bare('one'), arrivedAt: 5 },
      { key: 'b', value: 'text' },
    ]);
    // Deep equality takes a Uint8Array of the same bytes for equal.
    expect(Buffer.isBuffer(values[0])).to.equal(true);
    expect(values.map(String)).to.deep.equal(['one', 'text']);
    expect(times).to.deep.equal([5, undefined]);
  });
});
