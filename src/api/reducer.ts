// Reducers, which applications write: the types of reducers and of what they receive, and `defineReducer`, which only checks
// and freezes a definition.
import { unknownName } from '../core/nearest-name.js';
import { KinactError } from './errors.js';
import type { UserRecord } from './ports.js';

/** Names one delivered item, for `ctx.ack` and `ctx.fail`. */
export interface Token {
  /**
   * A key for idempotent writes: stream (with its creation time), shard, sequence number, sub-sequence number and item index. It
   * is the same for every delivery of the same item on any machine, whatever is resharded or restarted.
   */
  readonly idempotencyKey: string;
}

/**
 * One item as a reducer gets it: an item that `extract` made of a record, or the record itself. Most members are computed when
 * they are read, so a copy by spreading (`{ ...item }`) lacks them.
 */
export interface Item<Value = Uint8Array> {
  /** The key, which picks the reducer. Items of one key and shard arrive in the order of the shard. */
  readonly key: string;
  /**
   * The value that `extract` made, or else the record's `data`. Bytes are not copied: the bytes of an aggregated record are a
   * view of the whole aggregate. To keep them beyond the call, copy them, or the whole aggregate stays in memory.
   */
  readonly value: Value;
  /** The token that names the item for {@link ReducerContext.ack}, and has the key for idempotent writes. */
  readonly token: Token;
  /** The source's name. */
  readonly source: string;
  readonly shardId: string;
  /** The sequence number of the record that the item was made of. */
  readonly sequenceNumber: string;
  /** Index inside an aggregated record; absent for a plain one. */
  readonly subSequenceNumber?: number | undefined;
  /** How often the item has been delivered in this incarnation: 1 for the first time. */
  readonly attempt: number;
  /**
   * The fencing token of the lease: a number that rises with every owner and every restart. A store that keeps the highest token
   * it has seen can refuse late writes of an earlier owner. The token is the lease counter at the start of the shard worker.
   */
  readonly fence: number;
  /** The `opaque` option of the source. */
  readonly opaque: unknown;
  /**
   * Aborts, with LEASE_LOST as its reason, when the right to deliver this item ends. That is when the lease went to
   * another worker, or this worker stopped, restarted or finished the shard.
   */
  readonly signal: AbortSignal;
}

/** An item as `extract` returns it. */
export interface Extracted<Value = unknown> {
  /** The key, which picks the reducer and is `item.key` there. */
  readonly key: string;
  /** The value, which is `item.value` at the reducer. */
  readonly value: Value;
}

/** Where the record given to `extract` or `key` comes from. */
export interface RecordContext {
  /** The source's name. */
  readonly source: string;
  readonly shardId: string;
  /** The `opaque` option of the source. */
  readonly opaque: unknown;
}

/** Makes the items of a record: none, one or many. It must be synchronous; what it throws goes to `onFailure`. */
export type Extract<Value = unknown> = (record: UserRecord, context: RecordContext) => Iterable<Extracted<Value>>;

/** The context that every call of a reducer gets. */
export interface ReducerContext {
  /** This reducer's number, from 0. */
  readonly reducer: number;
  /**
   * Aborts on stop, restart and the stop deadline. It does not abort when one of many leases is lost: `item.signal` does.
   */
  readonly signal: AbortSignal;
  /**
   * Acknowledges an item, for reducers with `acknowledge: 'manual'` and for raw behaviours. You may call it at any time, also
   * after the reducer's call has returned; a second call for the same item has no effect.
   */
  ack(token: Token): void;
  /** Reports an item as failed: `onFailure` decides. */
  fail(token: Token, error: unknown): void;
}

/** The context that `flush` gets. */
export interface FlushContext extends ReducerContext {
  /** Fences by shard id, of all shards whose items were folded since the last flush. */
  readonly fences: ReadonlyMap<string, number>;
}

/** The messages that a raw behaviour receives. None arrives while a promise that it returned is pending. */
export type ReducerMessage<Value = Uint8Array> =
  | { readonly type: 'items'; readonly items: readonly Item<Value>[] }
  /** Each stage sends one every `flushIntervalMs`, idle or not. */
  | { readonly type: 'heartbeat' }
  /** A full shard waits for acknowledgements: acknowledge what you can. */
  | { readonly type: 'flush' }
  /**
   * The lease has ended. No more items of this source, shard and fence arrive, and acknowledgements for them are ignored. Compare
   * all three with the members of your items: shards of two streams may have the same id, and even the same fence.
   */
  | { readonly type: 'revoked'; readonly source: string; readonly shardId: string; readonly fence: number }
  /**
   * The same request as `flush`, at the end of a shard, before a stop, and before a lease is handed over. In the last case the
   * shard may stay here after all. The message comes again if items were acknowledged since. The shard is given away only when
   * your call has returned.
   */
  | { readonly type: 'drain' };

/** When a flush happens: at the size or after the time, whichever comes first. */
export interface Batch {
  /**
   * How many items are folded between two flushes.
   * @default 500
   */
  readonly size?: number | undefined;
  /**
   * How many milliseconds after the first item since the last flush the next one happens.
   * @default `flushIntervalMs` of the consumer
   */
  readonly intervalMs?: number | undefined;
}

/** A reducer with state: `reduce` folds items, `flush` makes the state durable. */
export interface FoldingReducer<State = unknown, Value = Uint8Array> {
  /** Makes a fresh state: at start, after every restart, and after a flush that failed and was skipped. */
  readonly init: () => State;
  /**
   * Folds an item into the state: returns the new state, or throws before it has changed the old one. It may be async. Calls never
   * overlap within one reducer. `this` is not set.
   */
  readonly reduce: (state: State, item: Item<Value>, context: ReducerContext) => State | PromiseLike<State>;
  /** Makes the state durable. The result replaces the state, unless it is `undefined`. */
  readonly flush?: ((state: State, context: FlushContext) => unknown) | undefined;
  /** When a flush happens. Without `flush`, `size` bounds how many items are folded in one go. */
  readonly batch?: Batch | undefined;
  /**
   * When an item is acknowledged. `auto` (default): when its `reduce` has returned or, with `flush`, when the flush after it has
   * returned. `manual`: when the application calls `ctx.ack` or `ctx.fail`.
   * @default 'auto'
   */
  readonly acknowledge?: 'auto' | 'manual' | undefined;
  /**
   * How many states there are. `reducer` (default): one per reducer. `shard`: one per reducer and shard, which is dropped when
   * the shard leaves.
   * @default 'reducer'
   */
  readonly stateBy?: 'reducer' | 'shard' | undefined;
  readonly behaviour?: undefined;
}

/** A reducer as a raw actor behaviour: it acknowledges through `ctx`. */
export interface RawReducer<State = unknown, Value = Uint8Array> {
  /** Makes a fresh state: at start and after every restart. */
  readonly init: () => State;
  /**
   * Handles a message and returns the new state. It may be async: no other message arrives until its promise has settled. It
   * acknowledges items through `context.ack`.
   */
  readonly behaviour: (
    state: State,
    message: ReducerMessage<Value>,
    context: ReducerContext,
  ) => State | PromiseLike<State>;
  readonly reduce?: undefined;
  readonly flush?: undefined;
  readonly batch?: undefined;
  readonly acknowledge?: undefined;
  readonly stateBy?: undefined;
}

/** A reducer of either kind, as `defineReducer` returns it. */
// oxlint-disable-next-line typescript/no-explicit-any -- State and Value are the application's own; the consumer never looks inside.
export type ReducerDefinition<Value = any> = FoldingReducer<any, Value> | RawReducer<any, Value>;

/** The facts about a failure that `onFailure` gets. */
export interface FailedItem {
  /** The source's name. */
  readonly source: string;
  readonly shardId: string;
  readonly sequenceNumber: string;
  readonly subSequenceNumber?: number | undefined;
  /** Absent when no key was known yet (`extract`, `key`, decoding). */
  readonly key?: string | undefined;
  /** The value that `extract` made; absent where there is no item yet. */
  readonly value?: unknown;
  /**
   * Where the failure happened.
   * - `decode`: some user records of an aggregate cannot be decoded.
   * - `key`, `extract`: that function threw, or returned a value that it must not return.
   * - `reduce`: `reduce` threw, or a raw behaviour at items.
   * - `flush`: `flush` threw, or a raw behaviour at another message.
   * - `ack`: the application called `ctx.fail`.
   */
  readonly at: 'decode' | 'key' | 'extract' | 'reduce' | 'flush' | 'ack';
  /** The number of items. After a failed flush it counts the items to be acknowledged; the other members name the oldest. */
  readonly items: number;
}

/**
 * What happens to a failed record or batch. `crash`: the pipeline restarts and delivers it again. `skip`: it is settled,
 * counted and reported as `recordSkipped`. `stopShard`: its shard is released for a growing time.
 */
export type FailurePolicy = 'crash' | 'skip' | 'stopShard';
/** A policy, or a function that picks one for each failure. If the function throws or returns something else, that means `crash`. */
export type OnFailure = FailurePolicy | ((error: unknown, item: FailedItem) => FailurePolicy);

const kinds: Readonly<Record<string, readonly string[]>> = {
  init: ['function'],
  reduce: ['function', 'undefined'],
  flush: ['function', 'undefined'],
  behaviour: ['function', 'undefined'],
  batch: ['object', 'undefined'],
  acknowledge: ['string', 'undefined'],
  stateBy: ['string', 'undefined'],
};

/**
 * Declares a reducer that is an actor behaviour of its own: it receives messages, and settles items by `ctx.ack`. The definition
 * is checked here, so that a mistake shows where it was made.
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
export function defineReducer<State, Value = Uint8Array>(
  definition: RawReducer<State, Value>,
): RawReducer<State, Value>;
/**
 * Declares a reducer. The definition is checked here, so that a mistake shows where it was made.
 * @throws KinactError INVALID_OPTION naming the member, expected and got.
 * @see {@link FoldingReducer} for the members, {@link OnFailure} for what a throw does.
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
 * @example A failure: nothing of the old state has changed when it throws, and `onFailure` of the consumer decides.
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
export function defineReducer<State, Value = Uint8Array>(
  definition: FoldingReducer<State, Value>,
): FoldingReducer<State, Value>;
export function defineReducer(definition: ReducerDefinition): ReducerDefinition {
  if (typeof definition !== 'object' || definition === null) refuse('reducer', 'an object', definition);
  for (const name of Object.keys(definition)) {
    const expected = kinds[name];
    const got = (definition as unknown as Record<string, unknown>)[name];
    if (expected === undefined) refuseName(`reducer.${name}`, unknownName('member', name, Object.keys(kinds)));
    else if (!expected.includes(typeof got) || got === null) refuse(`reducer.${name}`, expected.join(' or '), got);
  }
  if (typeof definition.init !== 'function') refuse('reducer.init', 'a function', definition.init);
  if ((definition.reduce === undefined) === (definition.behaviour === undefined)) {
    refuse('reducer', 'exactly one of reduce and behaviour', definition.reduce === undefined ? 'neither' : 'both');
  }
  if (definition.behaviour !== undefined) {
    for (const name of ['flush', 'batch', 'acknowledge', 'stateBy'] as const) {
      if (definition[name] !== undefined) refuse(`reducer.${name}`, 'absent beside behaviour', definition[name]);
    }
  }
  oneOf('reducer.acknowledge', definition.acknowledge, ['auto', 'manual']);
  oneOf('reducer.stateBy', definition.stateBy, ['reducer', 'shard']);
  if (definition.batch !== undefined) checkBatch(definition.batch);
  return Object.freeze({ ...definition });
}

function checkBatch(batch: Batch): void {
  for (const name of Object.keys(batch))
    if (name !== 'size' && name !== 'intervalMs')
      refuseName(`reducer.batch.${name}`, unknownName('member', name, ['size', 'intervalMs']));
  if (batch.size !== undefined && !(Number.isSafeInteger(batch.size) && batch.size >= 1))
    refuse('reducer.batch.size', 'an integer >= 1', batch.size);
  if (batch.intervalMs !== undefined && !(Number.isFinite(batch.intervalMs) && batch.intervalMs >= 1)) {
    refuse('reducer.batch.intervalMs', 'a number of milliseconds >= 1', batch.intervalMs);
  }
}

function oneOf(option: string, got: unknown, allowed: readonly string[]): void {
  if (got !== undefined && !allowed.includes(got as string))
    refuse(option, allowed.map((value) => `'${value}'`).join(' or '), got);
}

function refuseName(option: string, complaint: string): never {
  throw new KinactError('INVALID_OPTION', `${option}: ${complaint}`, { data: { option } });
}

function refuse(option: string, expected: string, got: unknown): never {
  const shown =
    typeof got === 'string'
      ? `'${got}'`
      : typeof got === 'object'
        ? got === null
          ? 'null'
          : 'an object'
        : typeof got === 'function'
          ? 'a function'
          : `${got as string | number}`;
  throw new KinactError('INVALID_OPTION', `${option}: expected ${expected}, got ${shown}`, { data: { option } });
}
