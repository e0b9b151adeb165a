// Checked by tsc alone: each node of a pipe takes what the one before sends on.
import { expectTypeOf } from 'expect-type';
import type { Holding, NodeDefinition, Pipe } from '../../src/api/pipe.js';
import { aggregate } from '../../src/pipes/aggregate.js';
import { batchSink } from '../../src/pipes/batch-sink.js';
import { defineNode } from '../../src/pipes/define-node.js';
import { createHolding } from '../../src/pipes/holding.js';
import { json } from '../../src/pipes/json.js';
import { openPipe, type OpenPipe, type PipeEnding } from '../../src/consumer/open-pipe.js';
import { pipe, type PipeBuilder } from '../../src/pipes/pipe.js';
import { map, sink } from '../../src/pipes/single-nodes.js';

interface Order {
  readonly tenant: string;
  readonly cents: number;
}
interface PaidOrder extends Order {
  readonly paidAt: number;
}
interface Batch {
  readonly orders: readonly PaidOrder[];
}
declare const isPaid: (order: Order) => order is PaidOrder;
declare const toBatch: (orders: readonly PaidOrder[]) => Batch;
declare const write: (batch: Batch) => Promise<void>;
declare const writeText: (text: string) => Promise<void>;
const toSink = sink(write);

// The pipe of the page.
const batches = pipe<Order>()
  .filter(isPaid)
  .demux((o) => o.tenant)
  .aggregate({ count: 500, intervalMs: 5_000 }, toBatch)
  .join();
expectTypeOf(batches).toEqualTypeOf<PipeBuilder<Order, Batch>>();
expectTypeOf(batches.to(toSink)).toEqualTypeOf<Pipe<Order>>();
expectTypeOf(batches.to(write)).toEqualTypeOf<Pipe<Order>>();
expectTypeOf(batches.to(write, { name: 'write' })).toEqualTypeOf<Pipe<Order>>();
expectTypeOf(batches.to((each) => expectTypeOf(each).toEqualTypeOf<Batch>())).toEqualTypeOf<Pipe<Order>>();
// @ts-expect-error the sink takes texts
batches.to(writeText);
// @ts-expect-error the sink takes texts
batches.to(sink(writeText));
// @ts-expect-error the batched sink takes texts
batches.to(batchSink({ size: 2 }, async (texts: readonly string[]) => void texts));
batches.to(batchSink({ size: 2 }, async (values) => expectTypeOf(values).toEqualTypeOf<readonly Batch[]>()));

// Without a guard the type stays.
expectTypeOf(pipe<Order>().filter((o) => o.cents > 0)).toEqualTypeOf<PipeBuilder<Order, Order>>();
expectTypeOf(pipe<Order>().filter(async (o) => o.cents > 0)).toEqualTypeOf<PipeBuilder<Order, Order>>();
// @ts-expect-error the guard is of another type
pipe<string>().filter(isPaid);

// Promises are awaited, and undefined is dropped.
expectTypeOf(pipe<Order>().map(async (o) => o.cents)).toEqualTypeOf<PipeBuilder<Order, number>>();
expectTypeOf(pipe<Order>().map((o) => o.cents)).toEqualTypeOf<PipeBuilder<Order, number>>();
expectTypeOf(pipe<Order>().mapFilter((o) => (o.cents > 0 ? o.tenant : undefined))).toEqualTypeOf<
  PipeBuilder<Order, string>
>();
expectTypeOf(pipe<Order>().unfold((o) => [o.tenant])).toEqualTypeOf<PipeBuilder<Order, string>>();
expectTypeOf(pipe<Order>().unfold(async (o) => new Set([o.cents]))).toEqualTypeOf<PipeBuilder<Order, number>>();
expectTypeOf(pipe<Order>().tap((o) => o.cents)).toEqualTypeOf<PipeBuilder<Order, Order>>();

// Aggregates: a list, what `make` makes, or what `output` gives.
expectTypeOf(pipe<Order>().aggregate({ count: 2 })).toEqualTypeOf<PipeBuilder<Order, readonly Order[]>>();
expectTypeOf(
  pipe<Order>().aggregate(
    { count: 2 },
    {
      init: () => ({ cents: 0 }),
      push: (state, order) => {
        state.cents += order.cents;
        return state.cents > 100 ? 'flush' : 'keep';
      },
      output: (state) => state.cents,
    },
  ),
).toEqualTypeOf<PipeBuilder<Order, number>>();
// @ts-expect-error no such decision
pipe<Order>().aggregate({}, { init: () => 0, push: () => 'fulsh', output: () => 0 });

expectTypeOf(
  pipe<Order>()
    .demux((o) => o.tenant)
    .routeDependent((route) => (route === 'a' ? aggregate<Order>({ count: 2 }) : aggregate<Order>({ count: 9 }))),
).toEqualTypeOf<PipeBuilder<Order, readonly Order[]>>();
expectTypeOf(
  pipe<Order>().assembleChunks({
    chunk: (o) => ({ id: o.tenant, index: 1, total: o.cents }),
    maxAgeMs: 1,
    concat: (orders) => orders.length,
  }),
).toEqualTypeOf<PipeBuilder<Order, number>>();

// A node of one's own.
const numbered = defineNode({
  init: () => 0,
  handleMessage: (
    count: number,
    message: { readonly value: string } & Parameters<NodeDefinition['handleMessage']>[1],
  ) => ({
    state: count + 1,
    outputs: [{ value: { count, text: message.value }, of: [message] }],
  }),
});
expectTypeOf(pipe<string>().node(numbered)).toEqualTypeOf<PipeBuilder<string, { count: number; text: string }>>();
// @ts-expect-error the node takes texts
pipe<number>().node(numbered);
// @ts-expect-error the map takes texts
pipe<number>().node(map((text: string) => text));
// @ts-expect-error the state is a number
defineNode({ init: () => 0, handleMessage: (state: string, message) => ({ state, drop: [message] }) });

// A pipe takes what it was begun with: no less.
expectTypeOf<Pipe<Order>>().toExtend<Pipe<PaidOrder>>();
expectTypeOf<Pipe<PaidOrder>>().not.toExtend<Pipe<Order>>();

// What a node is made with has public types, so an application may export its nodes.
expectTypeOf(createHolding()).toEqualTypeOf<Holding>();
expectTypeOf(defineNode({ init: () => [createHolding()], handleMessage: () => ({}) })).toEqualTypeOf<
  NodeDefinition<Holding[], unknown, unknown>
>();

// An open pipe takes what its pipe takes, and its events are those that it has.
declare const opened: OpenPipe<Order>;
expectTypeOf(openPipe(batches.to(write))).toEqualTypeOf<Promise<OpenPipe<Order>>>();
expectTypeOf(openPipe(pipe().end())).toEqualTypeOf<Promise<OpenPipe<Buffer>>>();
expectTypeOf(opened.feed({ tenant: 'a', cents: 1 }, { key: 'k', deadlineMs: 5 })).toEqualTypeOf<Promise<number>>();
expectTypeOf(opened.feedAll(new Set<PaidOrder>())).toEqualTypeOf<Promise<number>>();
expectTypeOf(opened.flush()).toEqualTypeOf<Promise<void>>();
expectTypeOf(opened.finish({ deadlineMs: 5 })).toEqualTypeOf<Promise<PipeEnding>>();
expectTypeOf(opened.notifyUpstreamFailure).toEqualTypeOf(opened.finish);
expectTypeOf(opened.ended).toEqualTypeOf<Promise<PipeEnding>>();
expectTypeOf<PipeEnding['reason']>().toEqualTypeOf<'crash' | 'exit' | 'upstreamFailure' | 'stop'>();
opened.on('recordSkipped', ({ sequenceNumber }) => expectTypeOf(sequenceNumber).toEqualTypeOf<string>());
// @ts-expect-error not what the pipe takes
void opened.feed({ tenant: 'a' });
// @ts-expect-error not a list of what the pipe takes
void opened.feedAll(['a']);
// @ts-expect-error an open pipe has no leases
opened.on('leaseLost', () => undefined);
// @ts-expect-error the pipe has not ended
void openPipe(batches);

expectTypeOf(pipe<Order>({ format: json }).to(() => 0)).toEqualTypeOf<Pipe<Order>>();
// @ts-expect-error a format has two functions
pipe<Order>({ format: { serialize: String } });
// @ts-expect-error both are synchronous
pipe<Order>({ format: { serialize: async () => '', deserialize: json.deserialize } });
