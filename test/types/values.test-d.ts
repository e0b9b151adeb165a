// Checked by tsc alone: the type of a value goes from the source and `extract` to the reducer, whose own claims count for nothing.
import { expectTypeOf } from 'expect-type';
import {
  defineReducer,
  type ExtractFunction,
  type FoldingReducer,
  type Item,
  type ReducerMessage,
} from '../../src/api/reducer.js';
import type { ConsumerOptions } from '../../src/api/options.js';
import { createConsumer } from '../../src/consumer/consumer.js';
import type { SourceSpec } from '../../src/api/source.js';
import {
  decodeAggregate,
  dynamodbStream,
  encodeAggregate,
  kinesisStream,
  type Change,
  type ChangeRecord,
  type Consumer,
  type FailedItem,
  type RemovalReport,
  type UserRecord,
} from '../../src/index.js';

declare const orders: SourceSpec;
declare const clicks: SourceSpec;
const base = { application: 'a', source: orders } as const;

// Bytes are Buffers.
expectTypeOf<Item['value']>().toEqualTypeOf<Buffer>();
expectTypeOf<UserRecord['data']>().toEqualTypeOf<Buffer>();
expectTypeOf<FailedItem['data']>().toEqualTypeOf<Buffer | undefined>();
expectTypeOf(encodeAggregate([{ partitionKey: 'k', data: new Uint8Array() }])).toEqualTypeOf<Buffer>();
expectTypeOf(decodeAggregate(new Uint8Array()).records![0]!.data).toEqualTypeOf<Buffer>();

const ofBytes = defineReducer({ init: () => 0, reduce: (sum, item) => sum + item.value.length });
const ofWords = defineReducer({ init: () => '', reduce: (all, item: Item<string>) => all + item.value });
const ofNumbers = defineReducer({ init: () => 0, reduce: (sum, item: Item<number>) => sum + item.value });
const ofAnything = defineReducer({ init: () => 0, reduce: (sum, item: Item<unknown>) => sum + item.key.length });

// No extract: bytes.
createConsumer({ ...base, reducer: ofBytes });
createConsumer({ ...base, reducer: ofAnything });
createConsumer({ ...base, extract: undefined, reducer: ofBytes });
createConsumer({
  ...base,
  reducer: { init: () => '', reduce: (all: string, item) => all + item.value.toString('utf8') },
});
// @ts-expect-error nothing makes words of the bytes
createConsumer({
  ...base,
  reducer: ofWords,
});
// @ts-expect-error nothing makes words of the bytes
createConsumer({
  ...base,
  reducer: { init: () => '', reduce: (all: string, item: Item<string>) => all + item.value },
});
// @ts-expect-error nothing makes words of the bytes
createConsumer({
  ...base,
  reducer: { init: () => '', behaviour: (all: string, message: ReducerMessage<string>) => all + message.type },
});

// extract makes numbers.
createConsumer({ ...base, extract: () => [{ key: 'k', value: 5 }], reducer: ofNumbers });
createConsumer({ ...base, extract: ({ data }) => [{ key: 'k', value: data.length }], reducer: ofNumbers });
createConsumer({ ...base, reducer: ofNumbers, extract: ({ data }) => [{ key: 'k', value: data.length }] });
createConsumer({
  ...base,
  *extract({ data }) {
    yield { key: 'k', value: data.length };
  },
  reducer: ofNumbers,
});
createConsumer({ ...base, extract: () => [], reducer: ofNumbers });
// @ts-expect-error the reducer takes words, not numbers
createConsumer({
  ...base,
  extract: () => [{ key: 'k', value: 5 }],
  reducer: ofWords,
});
createConsumer({
  ...base,
  // @ts-expect-error the reducer takes words, not numbers
  *extract({ data }) {
    yield { key: 'k', value: data.length };
  },
  reducer: ofWords,
});
// @ts-expect-error extract is synchronous
createConsumer({ ...base, extract: async () => [{ key: 'k', value: 5 }], reducer: ofNumbers });
// @ts-expect-error an item needs a key
createConsumer({ ...base, extract: () => [{ value: 5 }], reducer: ofNumbers });

// A property that is not there.
createConsumer({
  ...base,
  extract: ({ data }) => [{ key: 'k', value: JSON.parse(data.toString()) as { readonly cents: number } }],
  reducer: { init: () => 0, reduce: (sum: number, item) => sum + item.value.cents },
});
createConsumer({
  ...base,
  extract: ({ data }) => [{ key: 'k', value: JSON.parse(data.toString()) as { readonly cents: number } }],
  // @ts-expect-error the value has cents, no euros
  reducer: { init: () => 0, reduce: (sum: number, item) => sum + item.value.euros },
});
// @ts-expect-error a Buffer has no cents
createConsumer({ ...base, reducer: { init: () => 0, reduce: (sum: number, item) => sum + item.value.cents } });

// Two sources, whose records become different values: a union.
type Order = { readonly type: 'order'; readonly cents: number };
type Click = { readonly type: 'click'; readonly page: string };
declare const order: Order;
declare const click: Click;
const both = { application: 'a', source: [orders, clicks] } as const;
const ofBoth = defineReducer({
  init: () => 0,
  reduce: (sum, { value }: Item<Order | Click>) => sum + (value.type === 'order' ? value.cents : value.page.length),
});
const ofOrders = defineReducer({ init: () => 0, reduce: (sum, { value }: Item<Order>) => sum + value.cents });
createConsumer({
  ...both,
  extract: (_, { source }) => (source === 'orders' ? [{ key: 'k', value: order }] : [{ key: 'k', value: click }]),
  reducer: ofBoth,
});
createConsumer({
  ...both,
  extract: (_, { source }) => {
    if (source === 'orders') return [{ key: 'k', value: order }];
    return [{ key: 'k', value: click }];
  },
  reducer: {
    init: () => 0,
    reduce: (sum: number, item) => {
      expectTypeOf(item.value).toEqualTypeOf<Order | Click>();
      return sum + 1;
    },
  },
});
createConsumer({
  ...both,
  *extract(_, { source }) {
    if (source === 'orders') yield { key: 'k', value: order };
    else yield { key: 'k', value: click };
  },
  reducer: ofBoth,
});
createConsumer({
  ...both,
  // @ts-expect-error clicks come, too
  extract: (_, { source }) => (source === 'orders' ? [{ key: 'k', value: order }] : [{ key: 'k', value: click }]),
  reducer: ofOrders,
});

// Options that were declared before.
declare const ofDeclaredNumbers: ConsumerOptions<number> & { readonly extract: ExtractFunction<number> };
createConsumer(ofDeclaredNumbers);
declare const extractMayBeMissing: ConsumerOptions<number>;
// @ts-expect-error without extract the values are bytes
createConsumer(extractMayBeMissing);

// A table's changes: typed images, without and with extract.
type Row = { readonly id: string; readonly cents: number };
const rows = dynamodbStream<Row>({ tableName: 'orders' });
const untyped = dynamodbStream({ tableName: 'orders' });
expectTypeOf(rows).toEqualTypeOf<SourceSpec<Change<Row>, ChangeRecord<Row>>>();
const table = { application: 'a', source: rows } as const;
const ofRows = defineReducer({
  init: () => 0,
  reduce: (sum, { value }: Item<Change<Row>>) => sum + (value.newImage?.cents ?? 0),
});
createConsumer({ ...table, reducer: ofRows });
createConsumer({ application: 'a', source: dynamodbStream<Row>({ tableName: 'orders' }), reducer: ofRows });
createConsumer({
  application: 'a',
  source: rows,
  reducer: {
    init: () => 0,
    reduce: (sum: number, item) => {
      expectTypeOf(item.value).toEqualTypeOf<Change<Row>>();
      expectTypeOf(item.value.keys.id).toEqualTypeOf<string | undefined>();
      return sum + (item.value.oldImage?.cents ?? 0);
    },
  },
});
createConsumer({
  application: 'a',
  source: rows,
  extract: (record) => {
    expectTypeOf(record).toEqualTypeOf<ChangeRecord<Row>>();
    expectTypeOf(record.raw.dynamodb?.Keys?.['id']?.S).toEqualTypeOf<string | undefined>();
    return [{ key: 'k', value: record.change.newImage?.cents ?? 0 }];
  },
  reducer: ofNumbers,
});
createConsumer({ application: 'a', source: rows, key: ({ change }) => change.keys.id ?? '', reducer: ofRows });
createConsumer({
  application: 'a',
  source: untyped,
  reducer: {
    init: () => 0,
    reduce: (sum: number, item) => {
      expectTypeOf(item.value.newImage).toEqualTypeOf<Readonly<Record<string, unknown>> | undefined>();
      return sum + 1;
    },
  },
});
// A reducer that does not look at its items takes those of any source.
const counting = defineReducer({ init: () => 0, reduce: (count) => count + 1 });
const ticking = defineReducer({ init: () => 'tick', reduce: () => 'tock', flush: (state) => state.length });
expectTypeOf(counting.init).returns.toEqualTypeOf<number>();
createConsumer({ ...table, reducer: counting });
createConsumer({ ...base, reducer: counting });
createConsumer({ ...base, extract: () => [{ key: 'k', value: 5 }], reducer: counting });
createConsumer({ ...table, reducer: ticking });
createConsumer({ ...table, reducer: defineReducer({ init: () => 0, reduce: (count) => count + 1 }) });
expectTypeOf(defineReducer<number, string>({ init: () => 0, reduce: (count) => count + 1 })).toEqualTypeOf<
  FoldingReducer<number, string>
>();
// @ts-expect-error a change is no Buffer
createConsumer({
  ...table,
  reducer: ofBytes,
});
const euros = (sum: number, { value }: Item<Change<Row>>): number =>
  // @ts-expect-error the images are rows, and rows have no euros
  sum + value.oldImage!.euros;
createConsumer({ ...table, reducer: { init: () => 0, reduce: euros } });
createConsumer({
  ...table,
  reducer: {
    init: () => 0,
    // @ts-expect-error the image may be missing: a REMOVE has no new one
    reduce: (sum: number, { value }) => sum + value.newImage.cents,
  },
});
createConsumer({
  ...table,
  // @ts-expect-error the record has a change, and no items
  extract: (record) => [{ key: 'k', value: record.items }],
  reducer: ofAnything,
});
// @ts-expect-error these are the rows of another table
createConsumer({
  application: 'a',
  source: dynamodbStream<{ readonly id: number }>({ tableName: 'ids' }),
  reducer: ofRows,
});
// @ts-expect-error a stream of Kinesis gives bytes
createConsumer({ application: 'a', source: kinesisStream({ streamName: 'orders' }), reducer: ofRows });
// @ts-expect-error a table, or a stream by its ARN
dynamodbStream({});
// @ts-expect-error the ARN names its table
dynamodbStream({ tableName: 'orders', streamArn: 'arn:aws:dynamodb:eu-central-1:123456789012:table/orders/stream/1' });
// @ts-expect-error a table's stream starts at no time of your choice
dynamodbStream({ tableName: 'orders', initialPosition: new Date() });

// Several sources of different kinds: a union of their values, and of their records.
const mixed = { application: 'a', source: [kinesisStream({ streamName: 'clicks' }), rows] } as const;
createConsumer({
  ...mixed,
  reducer: {
    init: () => 0,
    reduce: (sum: number, item) => {
      expectTypeOf(item.value).toEqualTypeOf<Buffer | Change<Row>>();
      return sum + (Buffer.isBuffer(item.value) ? item.value.length : item.value.sizeBytes);
    },
  },
});
createConsumer({
  application: 'a',
  source: [kinesisStream({ streamName: 'clicks' }), dynamodbStream<Row>({ tableName: 'orders' })],
  extract: (record) => {
    expectTypeOf(record).toEqualTypeOf<UserRecord | ChangeRecord<Row>>();
    return [{ key: 'k', value: 'change' in record ? record.change.sizeBytes : record.data.length }];
  },
  reducer: ofNumbers,
});
// @ts-expect-error changes come, too
createConsumer({
  ...mixed,
  reducer: ofBytes,
});
// @ts-expect-error bytes come, too
createConsumer({
  ...mixed,
  reducer: ofRows,
});

// A consumer that runs takes more sources of the kinds that it was made with.
const ofMixed = createConsumer({ ...mixed, reducer: counting });
expectTypeOf(ofMixed.addSource).parameter(0).toEqualTypeOf<SourceSpec | typeof rows>();
void ofMixed.addSource(kinesisStream({ streamName: 'views' }));
void ofMixed.addSource(dynamodbStream<Row>({ tableName: 'refunds' }));
// @ts-expect-error the reducers do not know the rows of this table
void ofMixed.addSource(dynamodbStream<{ readonly id: number }>({ tableName: 'ids' }));
const ofClicks = createConsumer({ ...base, reducer: ofBytes });
void ofClicks.addSource(kinesisStream({ streamName: 'views' }));
// @ts-expect-error a table gives changes, and the reducers take bytes
void ofClicks.addSource(rows);
const ofRowsOnly = createConsumer({ ...table, reducer: ofRows });
// @ts-expect-error a stream of Kinesis gives bytes
void ofRowsOnly.addSource(kinesisStream({ streamName: 'views' }));
const anyConsumer: Consumer = ofMixed;
expectTypeOf(anyConsumer.removeSource).returns.resolves.toEqualTypeOf<RemovalReport>();
