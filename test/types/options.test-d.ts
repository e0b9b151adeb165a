// Checked by tsc alone: what fits the options.
import { expectTypeOf } from 'expect-type';
import { spawn, start } from 'nact';
import type { ConsumerOptions, NactParent } from '../../src/api/options.js';
import type { UserRecord } from '../../src/api/ports.js';
import { defineReducer, type FlushContext, type ReducerContext } from '../../src/api/reducer.js';
import { park } from '../../src/options/park-policy.js';
import { retry } from '../../src/options/retry-policy.js';
import { fileSink } from '../../src/parking/file-sink.js';
import { kinesisSink } from '../../src/parking/kinesis-sink.js';
import { createConsumer } from '../../src/consumer/consumer.js';
import { pipe } from '../../src/pipes/pipe.js';
import type { SourceSpec } from '../../src/api/source.js';

declare const source: SourceSpec;

const system = start();
expectTypeOf(system).toExtend<NactParent>();
expectTypeOf(spawn(system, () => undefined, 'application')).toExtend<NactParent>();

const bytes = defineReducer({ init: () => 0, reduce: (state, item) => state + item.value.length });
const words = defineReducer({
  init: () => new Set<string>(),
  reduce: (state, item: { readonly value: string }) => state.add(item.value),
});

expectTypeOf({ application: 'a', source, reducer: bytes }).toExtend<ConsumerOptions>();
expectTypeOf({ application: 'a', source: [source], reducer: bytes, maxPending: undefined }).toExtend<ConsumerOptions>();

// `process` takes what `extract` makes, and goes with no member of the other kinds.
const rows = defineReducer({ process: (items) => expectTypeOf(items[0]!.value).toEqualTypeOf<Buffer>() });
const orders = defineReducer<{ readonly cents: number }>({
  process: async (items, { fences, signal, fail }) => {
    expectTypeOf(fences).toEqualTypeOf<ReadonlyMap<string, number>>();
    expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
    for (const { token, value } of items) if (value.cents < 0) fail(token, new Error('negative'));
  },
});
expectTypeOf({ application: 'a', source, reducer: rows }).toExtend<ConsumerOptions>();
createConsumer({ application: 'a', source, reducer: orders, extract: () => [{ key: 'k', value: { cents: 5 } }] });
// @ts-expect-error the reducer takes orders, and nothing makes them
createConsumer({ application: 'a', source, reducer: orders });
// A pipe takes what `extract` makes, or the source.
const lengths = pipe()
  .map(({ length }) => length)
  .end();
const cents = pipe<{ readonly cents: number }>()
  .filter((order) => order.cents > 0)
  .end();
createConsumer({ application: 'a', source, pipe: lengths });
createConsumer({ application: 'a', source, pipe: cents, extract: () => [{ key: 'k', value: { cents: 5 } }] });
createConsumer({
  application: 'a',
  source,
  pipe: cents,
  extract: ({ data, partitionKey }) => [{ key: partitionKey ?? '', value: { cents: data.length } }],
});
createConsumer({
  application: 'a',
  source,
  pipe: cents,
  *extract({ data, partitionKey }) {
    yield { key: partitionKey ?? '', value: JSON.parse(data.toString()) as { readonly cents: number } };
  },
});
// @ts-expect-error the pipe takes orders, not numbers
createConsumer({
  application: 'a',
  source,
  pipe: cents,
  extract: ({ data }) => [{ key: 'k', value: data.length }],
});
// @ts-expect-error the pipe takes orders, and nothing makes them
createConsumer({ application: 'a', source, pipe: cents });
// @ts-expect-error the pipe takes orders, not texts
createConsumer({ application: 'a', source, pipe: cents, extract: () => [{ key: 'k', value: 'text' }] });
// A pipe behind a reducer takes what the reducer emits.
const emitting = defineReducer({
  init: () => 0,
  reduce: (count: number, { value }, { emit }: ReducerContext<{ readonly cents: number }>) => {
    emit({ cents: value.length });
    return count + 1;
  },
  flush: (_, { emit }: FlushContext<{ readonly cents: number }>) => emit({ cents: 5 }),
});
createConsumer({ application: 'a', source, reducer: emitting, pipe: cents });
// @ts-expect-error the pipe takes bytes, and the reducer emits orders
createConsumer({ application: 'a', source, reducer: emitting, pipe: lengths });
// A reducer that emits nothing may have any pipe behind it.
createConsumer({ application: 'a', source, reducer: defineReducer({ init: () => 0, reduce: () => 0 }), pipe: cents });
// A definition in place knows what the pipe takes.
createConsumer({
  application: 'a',
  source,
  reducer: { process: (items, { emit }) => items.forEach(({ value }) => emit({ cents: value.length })) },
  pipe: cents,
});
createConsumer({
  application: 'a',
  source,
  // @ts-expect-error the pipe takes orders, not numbers
  reducer: { process: (items, { emit }) => items.forEach(({ value }) => emit(value.length)) },
  pipe: cents,
});
// Without a declaration nothing may be emitted.
// @ts-expect-error nothing says what is emitted
defineReducer({ init: () => 0, reduce: (count: number, _, { emit }) => (emit(5), count) });
// @ts-expect-error neither a reducer nor a pipe
createConsumer({ application: 'a', source });
// @ts-expect-error it has not ended
createConsumer({ application: 'a', source, pipe: pipe().map(String) });

// @ts-expect-error no state
defineReducer({ init: () => 0, process: () => {} });
// @ts-expect-error one or the other
defineReducer({ init: () => 0, reduce: (state: number) => state, process: () => {} });
// @ts-expect-error nothing to flush
defineReducer({ process: () => {}, flush: () => {} });
defineReducer({ process: () => {}, concurrency: 4, batch: { size: 2 } });
// @ts-expect-error only with `process`
defineReducer({ init: () => 0, reduce: (state: number) => state, concurrency: 4 });
// @ts-expect-error `process` has no state to leave out
defineReducer({ process: () => {}, collectsOnly: true });
defineReducer({ init: () => 0, reduce: (state: number) => state, flush: () => {}, collectsOnly: true });
// @ts-expect-error its items are acknowledged by the call
defineReducer({ process: () => {}, acknowledge: 'manual' });

declare function create<Value>(options: ConsumerOptions<Value>): void;
create({ application: 'a', source, reducer: words, extract: () => [{ key: 'k', value: 'word' }] });
// @ts-expect-error the reducer takes words, not numbers
create<string>({ application: 'a', source, reducer: words, extract: () => [{ key: 'k', value: 5 }] });
// @ts-expect-error no such option
create({ application: 'a', source, reducer: bytes, maxpending: 5 });

// What `extract` makes is what the reducer gets; without it, that is the bytes of a record.
createConsumer({ application: 'a', source, reducer: bytes });
createConsumer({ application: 'a', source, reducer: words, extract: () => [{ key: 'k', value: 'word' }] });
createConsumer({
  application: 'a',
  source,
  extract: () => [{ key: 'k', value: 5 }],
  reducer: { init: () => 0, reduce: (sum: number, item) => sum + item.value },
});
// @ts-expect-error the reducer takes words, and nothing makes them
createConsumer({ application: 'a', source, reducer: words });
// @ts-expect-error the reducer takes words, not numbers
createConsumer({ application: 'a', source, reducer: words, extract: () => [{ key: 'k', value: 5 }] });

// A record may come without a partition key, and code that uses the key has to handle that.
expectTypeOf<UserRecord['partitionKey']>().toEqualTypeOf<string | undefined>();
expectTypeOf(({ partitionKey }: UserRecord) => partitionKey).not.toExtend<NonNullable<ConsumerOptions['key']>>();
expectTypeOf(({ partitionKey, sequenceNumber }: UserRecord) => partitionKey ?? sequenceNumber).toExtend<
  NonNullable<ConsumerOptions['key']>
>();

// A sink is no policy, a policy is no sink, and what makes them must be called.
const sink = fileSink({ path: 'parked' });
createConsumer({ application: 'a', source, reducer: bytes, onFailure: park(sink) });
createConsumer({ application: 'a', source, reducer: bytes, onFailure: park(async () => {}) });
createConsumer({ application: 'a', source, reducer: bytes, onFailure: retry({ then: park(sink) }) });
// @ts-expect-error park(sink)
createConsumer({ application: 'a', source, reducer: bytes, onFailure: sink });
// @ts-expect-error park(sink)
createConsumer({ application: 'a', source, reducer: bytes, onFailure: () => sink });
// @ts-expect-error it must be called
createConsumer({ application: 'a', source, reducer: bytes, onFailure: park });
// @ts-expect-error it must be called
createConsumer({ application: 'a', source, reducer: bytes, onFailure: retry });
// @ts-expect-error it must be called
createConsumer({ application: 'a', source, reducer: bytes, onFailure: fileSink });
// @ts-expect-error park(sink)
retry({ then: sink });
// @ts-expect-error it must be called
retry({ then: park });
// @ts-expect-error retry ends somewhere
retry({ then: retry() });
// @ts-expect-error a policy is no sink
park(park(sink));
// @ts-expect-error a policy is no sink
park(retry());
// @ts-expect-error fileSink({ path })
park({ path: 'parked' });
// @ts-expect-error it must be called
park(fileSink);
// @ts-expect-error it must be called
park(kinesisSink);
