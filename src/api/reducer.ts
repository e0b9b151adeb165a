// The types for writing a reducer: its definition, its items, its context and its messages. `defineReducer` only checks and
// freezes a definition.
import type { UserRecord } from './ports.js';
import { checkReducer } from './reducer-check.js';

/** Identifies one delivered item, for `ctx.ack` and `ctx.fail`. */
export interface ItemToken {
  /**
   * A key for idempotent writes: stream (with its creation time), shard, sequence number, sub-sequence number and item index. It
   * is the same for every delivery of the same item, on any machine, also after reshards and restarts.
   */
  readonly idempotencyKey: string;
}

/**
 * One item as a reducer gets it: an item that `extract` made of a record, or the record itself. Most members are getters, so a
 * copy by spreading (`{ ...item }`) lacks them.
 */
export interface Item<Value = Buffer> {
  /** The key, which selects the reducer. Items of one key and shard arrive in the order of the shard. */
  readonly key: string;
  /**
   * The value that `extract` made, or else the record's `data`, a Buffer. The bytes are not a copy: those of an aggregated record
   * are a view of the whole aggregate. Copy bytes that you keep beyond the call. Otherwise the whole aggregate stays in memory.
   */
  readonly value: Value;
  /** Identifies the item for {@link ReducerContext.ack}, and has the key for idempotent writes. */
  readonly token: ItemToken;
  /** The source's name. */
  readonly source: string;
  /** The shard that the record came from. Two sources may have shards of the same id. */
  readonly shardId: string;
  /** The sequence number of the record that the item was made of. */
  readonly sequenceNumber: string;
  /** Index inside an aggregated record; absent for a plain one. */
  readonly subSequenceNumber?: number | undefined;
  /** When Kinesis received the record, milliseconds since the epoch; absent if the service does not report it. */
  readonly arrivedAt?: number | undefined;
  /** When this process got the record from the service, milliseconds since the epoch. Before that it waited in the stream. */
  readonly fetchedAt: number;
  /**
   * How far the read that brought the record was behind the tip of its shard, in milliseconds; 0 at the tip. Absent if the service did
   * not report it.
   */
  readonly millisBehindLatest?: number | undefined;
  /** How often the item has been delivered in this incarnation, this time included: 1, or more after a `retry`. */
  readonly attempt: number;
  /**
   * The fencing token of the lease: a number that rises with every owner and every restart. A store that keeps the highest fence
   * it has seen can refuse late writes of an earlier owner. The fence is the lease counter at the start of the shard worker.
   */
  readonly fence: number;
  /**
   * True if `kinact parked replay --module` runs this item again: it comes after later items of its key, and its `fence` is 0. False for
   * items from a stream, also after a replay into the stream.
   */
  readonly replayed: boolean;
  /** The `opaque` option of the source. */
  readonly opaque: unknown;
  /**
   * Aborts, with LEASE_LOST as its reason, when the right to deliver this item ends: the lease went to another worker, or this
   * worker stopped, restarted or finished the shard.
   */
  readonly signal: AbortSignal;
}

/** An item as `extract` returns it. */
export interface Extracted<Value = unknown> {
  /** The key, which selects the reducer. The reducer gets it as `item.key`. */
  readonly key: string;
  /** The value, which the reducer gets as `item.value`. */
  readonly value: Value;
}

/** The origin of a record, for `extract`. */
export interface RecordContext {
  /** The source's name. */
  readonly source: string;
  /** The shard that the record came from. */
  readonly shardId: string;
  /** The `opaque` option of the source. */
  readonly opaque: unknown;
}

/** Makes the items of a record: none, one or many. It must be synchronous. An error that it throws goes to `onFailure`. */
export type ExtractFunction<Value = unknown> = (
  record: UserRecord,
  context: RecordContext,
) => Iterable<Extracted<Value>>;

/** The context that every call of a reducer gets. */
export interface ReducerContext<Emits = never> {
  /** This reducer's number, from 0. */
  readonly reducer: number;
  /**
   * Aborts once, when this reducer is stopped: at a restart of the pipeline at once, and at the end of the consumer. A
   * `consumer.stop()` first lets calls finish: the signal aborts when every lease is released, or when the deadline for that has
   * passed. A call that still runs then gets at most `callDeadlineMs`. After a restart, `ctx` has a new signal. The loss or hand-over
   * of a lease does not abort it: use `item.signal` for that. With `timeoutMs`, each call has a signal of its own, which aborts also
   * when the call has taken too long.
   */
  readonly signal: AbortSignal;
  /**
   * Acknowledges an item, for reducers with `acknowledge: 'manual'` and for raw behaviours. You may call it at any time, also
   * after the reducer's call has returned. A call without effect (a second one, a copy of a token, under automatic acknowledgement) is
   * counted, and the first one is a warning.
   */
  ack(token: ItemToken): void;
  /**
   * Reports an item as failed: `onFailure` decides. Within the call of the item it counts instead of what the call returns. Later, with
   * `acknowledge: 'manual'` or a raw behaviour, the item is delivered again, but not the later items of its key that were handed out
   * already. Later under automatic acknowledgement, the next `flush` fails for good, because the item is in the state: under `retry`,
   * its `then` applies. For an item that is settled the call has no effect, and the first such call is a warning.
   */
  fail(token: ItemToken, error: unknown): void;
  /**
   * Sends a value into the pipe behind the reducer: the options `reducer` and `pipe` together (pipes.md). What `reduce` emits stands for
   * its item, and what `flush` and `process` emit for all items that the call acknowledges. An item is settled when the reducer is done
   * with it, and so is all that stands for it. Values go on when the call has succeeded. Those of a failed call are dropped, because it is
   * repeated. It throws without a pipe, after the call has ended, and for a message of a raw behaviour that brings no items.
   */
  readonly emit: (value: Emits) => void;
}

/** The context that `flush` and `process` get. */
export interface FlushContext<Emits = never> extends ReducerContext<Emits> {
  /**
   * The highest fence of the items in the flushed state, or of the items of the call, by shard. The key is always
   * `<source>/<shard id>`, also with one source: a store that keeps fences still knows them when a source is added.
   */
  readonly fences: ReadonlyMap<string, number>;
  /** The earliest `fetchedAt` of these items, milliseconds since the epoch. */
  readonly fetchedAt: number;
  /** The largest `millisBehindLatest` of these items; absent if the service reported none. */
  readonly millisBehindLatest?: number | undefined;
}

/** The messages that a raw behaviour receives. No message arrives while the behaviour's promise is pending. */
export type ReducerMessage<Value = Buffer> =
  | {
      readonly type: 'items';
      /** The items, at least one. Those of one key and shard are in order. */
      readonly items: readonly Item<Value>[];
    }
  /** Each stage sends one every `flushIntervalMs`, idle or not. */
  | { readonly type: 'heartbeat' }
  /** The ledger of a shard is full and waits for acknowledgements: acknowledge every item that you can. */
  | { readonly type: 'flush' }
  /**
   * The right to deliver this shard has ended. No more items of this source, shard and fence arrive, and acknowledgements of them
   * are ignored. Compare all three with your items: shards of two streams may have the same id, and even the same fence.
   */
  | {
      readonly type: 'revoked';
      /** The source's name. */
      readonly source: string;
      /** The shard whose right to deliver has ended. */
      readonly shardId: string;
      /** The `fence` of the items that are meant. */
      readonly fence: number;
    }
  /**
   * The same request as `flush`, at the end of a shard, before a stop, and before a lease is handed over. If the hand-over is
   * called off, the shard stays here. The message is sent again if items were acknowledged since. The shard is given away only after
   * your call has returned.
   */
  | { readonly type: 'drain' };

/** When a flush or a call of `process` happens: at the size or after the time, whichever comes first. */
export interface BatchLimits {
  /**
   * How many items are folded between two flushes, or the most items of one call of `process`.
   * @default 500, or 1 with `concurrency`
   */
  readonly size?: number | undefined;
  /**
   * The time from the first item after a flush to the next flush, in milliseconds. With `process`: from the first item that waits
   * to its call.
   * @default `flushIntervalMs` of the consumer
   */
  readonly intervalMs?: number | undefined;
}

/** A reducer with state: `reduce` folds items, `flush` makes the state durable. */
export interface FoldingReducer<State = unknown, Value = Buffer, Emits = never> {
  /**
   * Makes a fresh state: at start, after every restart, and after a flush that failed or was left out because its leases were
   * lost. With `stateBy: 'shard'`: at the first item of a shard. It must be synchronous: a promise is refused (INVALID_OPTION).
   */
  readonly init: () => State;
  /**
   * Folds an item into the state: returns the new state, or throws before it has changed the old one, because a failed call is
   * repeated with the same state (`onFailure`). It may be async. Calls never overlap within one reducer. `this` is not set. To return
   * undefined, although `init` returned a state, counts as a throw: a `return` was forgotten.
   */
  readonly reduce: (state: State, item: Item<Value>, context: ReducerContext<Emits>) => State | PromiseLike<State>;
  /**
   * Makes the state durable. The result replaces the state, unless it is `undefined`. A failed call is repeated with the same state
   * (`onFailure`), and nothing is folded until then. So what it has written must be harmless the second time.
   */
  readonly flush?: ((state: State, context: FlushContext<Emits>) => unknown) | undefined;
  /** When a flush happens. Without `flush`, `size` bounds how many items are folded in one go. */
  readonly batch?: BatchLimits | undefined;
  /**
   * When an item is acknowledged. `auto` (default): when its `reduce` has returned or, with `flush`, when the flush after it has
   * returned. `manual`: when the application calls `ctx.ack` or `ctx.fail`.
   * @default 'auto'
   */
  readonly acknowledge?: 'auto' | 'manual' | undefined;
  /**
   * How many states there are. `reducer` (default): one per reducer. `shard`: one per reducer and shard, which is dropped when
   * this process stops delivering the shard.
   * @default 'reducer'
   */
  readonly stateBy?: 'reducer' | 'shard' | undefined;
  /**
   * The state only collects items for the next flush, so nothing of it matters beyond that. Then a failed flush is not only repeated, but
   * bisected. Some of its items are folded into a new state from `init()`, and flushed, down to the items that fail alone. The others are
   * acknowledged. It needs `flush`, and does not go with `acknowledge: 'manual'`.
   * @default false
   */
  readonly collectsOnly?: boolean | undefined;
  readonly concurrency?: undefined;
  /**
   * How long a call may take, in milliseconds. Then the signal of its `ctx` aborts with a TimeoutError that names the record. The call
   * is still waited for, and its outcome counts: a late success is a success, and a late failure goes to `onFailure`. If it has not
   * ended after another `callDeadlineMs`, the pipeline restarts, as under the policy `crash`. So pass the signal on to your client.
   * @default none
   */
  readonly timeoutMs?: number | undefined;
  readonly behaviour?: undefined;
  readonly process?: undefined;
}

/** A reducer as a raw behaviour. It acknowledges items through `ctx`. */
export interface RawReducer<State = unknown, Value = Buffer, Emits = never> {
  /** Makes a fresh state: at start and after every restart. It must be synchronous: a promise is refused (INVALID_OPTION). */
  readonly init: () => State;
  /**
   * Handles a message and returns the new state. It may be async: no other message arrives until its call has ended. Acknowledge items
   * through `context.ack`. To return undefined, although `init` returned a state, counts as a throw.
   */
  readonly behaviour: (
    state: State,
    message: ReducerMessage<Value>,
    context: ReducerContext<Emits>,
  ) => State | PromiseLike<State>;
  /** As in `FoldingReducer`: how long a call may take, in milliseconds. Then the signal of its `ctx` aborts. */
  readonly timeoutMs?: number | undefined;
  readonly reduce?: undefined;
  readonly flush?: undefined;
  readonly batch?: undefined;
  readonly acknowledge?: undefined;
  readonly stateBy?: undefined;
  readonly collectsOnly?: undefined;
  readonly concurrency?: undefined;
  readonly process?: undefined;
}

/** A reducer without state: each call gets a batch of items, and nothing stays between two calls. */
export interface ProcessReducer<Value = Buffer, Emits = never> {
  /**
   * Processes the items, in the order of their shards. All of them are acknowledged when it returns, or when its promise resolves.
   * What it returns is ignored. Calls do not overlap in one reducer, unless `concurrency` allows it. An item for which it calls
   * `ctx.fail(token, error)` during the call goes to `onFailure`, and the others are acknowledged. If it throws, the batch is tried
   * again and then bisected, and `onFailure` decides about the items that fail alone. So what it has written must be harmless the
   * second time. `this` is not set.
   */
  readonly process: (items: readonly Item<Value>[], context: FlushContext<Emits>) => unknown;
  /** When a batch is handed out. A drain or a full ledger hands out at once what there is. */
  readonly batch?: BatchLimits | undefined;
  /**
   * How many calls of one reducer may be under way at once. If it is given, even as 1, the items of one call have different keys,
   * and no key is in two calls: the order of each key is kept. `batch.size` is then 1 by default. A larger batch is handed out early
   * when a later item of one of its keys waits.
   * @default 1, and a key may have several items in the call
   */
  readonly concurrency?: number | undefined;
  /** As in `FoldingReducer`: how long a call may take, in milliseconds. Then the signal of its `ctx` aborts. */
  readonly timeoutMs?: number | undefined;
  readonly init?: undefined;
  readonly reduce?: undefined;
  readonly flush?: undefined;
  readonly behaviour?: undefined;
  readonly acknowledge?: undefined;
  readonly stateBy?: undefined;
  readonly collectsOnly?: undefined;
}

/** A reducer of any kind, as `defineReducer` returns it. `Emits`: what it sends into the pipe behind it. */
// oxlint-disable-next-line typescript/no-explicit-any -- all three are the application's own; the consumer never looks inside.
export type ReducerDefinition<Value = any, State = any, Emits = any> =
  | FoldingReducer<State, Value, Emits>
  | RawReducer<State, Value, Emits>
  | ProcessReducer<Value, Emits>;

/** The value that a `reduce` takes: any, if the function has no parameter for the item. */
type ValueOf<Reduce, Value> = Reduce extends (...parameters: infer Parameters) => unknown
  ? Parameters['length'] extends 0 | 1
    ? unknown
    : Value
  : Value;

/**
 * Declares a reducer with a raw behaviour, which receives messages and acknowledges items by `ctx.ack`. The definition is checked
 * here, so a mistake shows where it was made.
 * @throws KinactError INVALID_OPTION naming the member, expected and got.
 * @see {@link ReducerMessage} for the messages.
 *
 * @example
 * ```ts
 * const totals = defineReducer({
 *   init: () => 0,
 *   behaviour: async (count, message, ctx) => {
 *     if (message.type !== 'items') return count;
 *     await save(message.items);
 *     for (const { token } of message.items) ctx.ack(token);
 *     return count + message.items.length;
 *   },
 * });
 * ```
 */
export function defineReducer<State, Value = Buffer, Emits = never>(
  definition: RawReducer<State, Value, Emits>,
): RawReducer<State, Value, Emits>;
/**
 * Declares a reducer. The definition is checked here, so a mistake shows where it was made.
 * @throws KinactError INVALID_OPTION naming the member, expected and got.
 * @see {@link FoldingReducer} for the members, `OnFailure` for what a throw does.
 *
 * @example
 * ```ts
 * const totals = defineReducer({
 *   init: () => new Map<string, number>(),
 *   reduce: (state, item) => state.set(item.key, (state.get(item.key) ?? 0) + 1),
 *   batch: { size: 500, intervalMs: 1_000 },
 *   flush: async (state) => { await save(state); state.clear(); }, // checkpoints pass these items when it resolves
 * });
 * ```
 *
 * @example Acknowledge by hand: the call returns at once, and the item stays open until its write has ended.
 * ```ts
 * const writes = defineReducer({
 *   init: () => 0,
 *   acknowledge: 'manual',
 *   reduce: (begun, { token, value }, ctx) => {
 *     save(value).then(() => ctx.ack(token), (error) => ctx.fail(token, error));
 *     return begun + 1;
 *   },
 * });
 * ```
 *
 * @example A failure: nothing of the old state has changed when it throws, and `onFailure` of the consumer decides. By default the
 * call is repeated.
 * ```ts
 * const checked = defineReducer({
 *   init: () => 0,
 *   reduce: (bytes, { value, sequenceNumber }) => {
 *     if (value.byteLength === 0) throw new Error(`record ${sequenceNumber} is empty`);
 *     return bytes + value.byteLength;
 *   },
 * });
 * ```
 */
export function defineReducer<State, Value = Buffer, Reduce = unknown, Emits = never>(
  definition: FoldingReducer<State, Value, Emits> & Readonly<Record<'reduce', Reduce>>,
): FoldingReducer<State, ValueOf<Reduce, Value>, Emits>;
/**
 * Declares a reducer without state: `process` gets a batch of items, which are acknowledged when its promise resolves.
 * @throws KinactError INVALID_OPTION naming the member, expected and got.
 * @see {@link ProcessReducer} for the members.
 *
 * @example
 * ```ts
 * const rows = defineReducer({
 *   batch: { size: 500, intervalMs: 1_000 },
 *   process: async (items) => {
 *     // The ids make it harmless the second time.
 *     await save(items.map(({ token, value }) => ({ id: token.idempotencyKey, value })));
 *   },
 * });
 * ```
 */
export function defineReducer<Value = Buffer, Emits = never>(
  definition: ProcessReducer<Value, Emits>,
): ProcessReducer<Value, Emits>;
export function defineReducer(definition: ReducerDefinition): ReducerDefinition {
  checkReducer(definition);
  return Object.freeze({ ...definition });
}
