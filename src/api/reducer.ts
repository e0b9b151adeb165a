// What an application writes: reducers, and what they receive. Types, and `defineReducer`, which only checks and
// freezes.
import { unknownName } from '../core/nearest-name.js';
import { KinactError } from './errors.js';
import type { UserRecord } from './ports.js';

/** Names one delivered item, for `ctx.ack` and `ctx.fail`. */
export interface Token {
  /**
   * Stream (with its creation time), shard, sequence number, sub-sequence number and item index. The same for every
   * delivery of the same item, whatever is redelivered, resharded or restarted, on any machine. Meant for idempotent
   * writes.
   */
  readonly idempotencyKey: string;
}

/**
 * One item, as a reducer gets it: what `extract` made of a record, or the record itself. Most members are computed when
 * they are read, so a copy by spreading (`{ ...item }`) lacks them.
 */
export interface Item<Value = Uint8Array> {
  /** Picks the reducer; items of one key and shard arrive in the order of the shard. */
  readonly key: string;
  /**
   * What `extract` made, else the record's `data`. Bytes are not copied: those of an aggregated record are a view of
   * the whole aggregate. Keep a copy beyond the call, or all of it stays in memory.
   */
  readonly value: Value;
  /** Names the item for {@link ReducerContext.ack}, and has the key of idempotent writes. */
  readonly token: Token;
  /** The source's name. */
  readonly source: string;
  readonly shardId: string;
  /** Of the record that the item was made of. */
  readonly sequenceNumber: string;
  /** Index inside an aggregated record; absent for a plain one. */
  readonly subSequenceNumber?: number | undefined;
  /** 1 for the first delivery in this incarnation. */
  readonly attempt: number;
  /**
   * The fencing token of the lease: a number that rises with every owner and every restart. A store that keeps the highest
   * it has seen can refuse late writes of an earlier owner. It is the lease counter when the shard worker started.
   */
  readonly fence: number;
  /** What the source was configured with. */
  readonly opaque: unknown;
  /**
   * Aborts, with LEASE_LOST as its reason, when the right to deliver this item ends. That is when the lease went to
   * another worker, or this worker stopped, restarted or finished the shard.
   */
  readonly signal: AbortSignal;
}

/** What `extract` returns. */
export interface Extracted<Value = unknown> {
  /** Picks the reducer, and is `item.key` there. */
  readonly key: string;
  /** `item.value` at the reducer. */
  readonly value: Value;
}

/** Where the record given to `extract` or `key` comes from. */
export interface RecordContext {
  /** The source's name. */
  readonly source: string;
  readonly shardId: string;
  /** What the source was configured with. */
  readonly opaque: unknown;
}

/** Makes the items of a record: none, one or many. Synchronous; what it throws goes to `onFailure`. */
export type Extract<Value = unknown> = (record: UserRecord, context: RecordContext) => Iterable<Extracted<Value>>;

/** Given to every call of a reducer. */
export interface ReducerContext {
  /** This reducer's number, from 0. */
  readonly reducer: number;
  /**
   * Aborts on stop, restart and the stop deadline. It does not abort when one of many leases is lost (`item.signal`
   * does).
   */
  readonly signal: AbortSignal;
  /**
   * Acknowledges an item, for reducers with `acknowledge: 'manual'` and raw behaviours. Idempotent; may be called at any time,
   * also after the call has returned.
   */
  ack(token: Token): void;
  /** Reports an item as failed: `onFailure` decides. */
  fail(token: Token, error: unknown): void;
}

/** Given to `flush`. */
export interface FlushContext extends ReducerContext {
  /** Shard id to fence, of everything the flushed state embodies since the last flush. */
  readonly fences: ReadonlyMap<string, number>;
}

/** What a raw behaviour receives. Nothing arrives while a promise it returned is pending. */
export type ReducerMessage<Value = Uint8Array> =
  | { readonly type: 'items'; readonly items: readonly Item<Value>[] }
  /** Each stage sends one per `flushIntervalMs`, idle or not. */
  | { readonly type: 'heartbeat' }
  /** A full shard waits for acknowledgements: acknowledge what you can. */
  | { readonly type: 'flush' }
  /**
   * The lease ended: nothing more of this source, shard and fence arrives, and acknowledgements for it are ignored. Compare all
   * three with the members of your items: shards of two streams may have the same id, and even the same fence.
   */
  | { readonly type: 'revoked'; readonly source: string; readonly shardId: string; readonly fence: number }
  /**
   * As `flush`, at the end of a shard, before a stop, and before a lease is handed over. In the last case the shard may
   * stay here after all. The message comes again after what was acknowledged since. The shard is given away only when
   * your call has returned.
   */
  | { readonly type: 'drain' };

/** When a flush happens: whichever comes first. */
export interface Batch {
  /**
   * Items folded since the last flush.
   * @default 500
   */
  readonly size?: number | undefined;
  /**
   * Milliseconds since the first item after the last flush.
   * @default `flushIntervalMs` of the consumer
   */
  readonly intervalMs?: number | undefined;
}

/** A reducer with state: `reduce` folds items, `flush` makes the state durable. */
export interface FoldingReducer<State = unknown, Value = Uint8Array> {
  /** Makes a fresh state: at start, after every restart, and after a flush that failed and was skipped. */
  readonly init: () => State;
  /**
   * Returns the new state, or throws before it has changed the old one. May be async. Calls never overlap within one
   * reducer. `this` is not set.
   */
  readonly reduce: (state: State, item: Item<Value>, context: ReducerContext) => State | PromiseLike<State>;
  /** Makes the state durable. What it returns replaces the state; `undefined` keeps it. */
  readonly flush?: ((state: State, context: FlushContext) => unknown) | undefined;
  /** When a flush happens. Without `flush`, `size` bounds how many items are folded in one go. */
  readonly batch?: Batch | undefined;
  /**
   * `auto` (default): an item is acknowledged when its `reduce` has returned, or, with `flush`, when the flush after it
   * has. `manual`: when the application calls `ctx.ack` or `ctx.fail`.
   * @default 'auto'
   */
  readonly acknowledge?: 'auto' | 'manual' | undefined;
  /**
   * `reducer` (default): one state per reducer. `shard`: one per reducer and shard, dropped when the shard leaves.
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
   * Gets each message and returns the new state. May be async: it receives nothing more until its promise has settled.
   * It acknowledges through `context.ack`.
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

/** What `defineReducer` returns: a reducer of either kind. */
// oxlint-disable-next-line typescript/no-explicit-any -- State and Value are the application's own; the consumer never looks inside.
export type ReducerDefinition<Value = any> = FoldingReducer<any, Value> | RawReducer<any, Value>;

/** What `onFailure` gets to know about the failure. */
export interface FailedItem {
  /** The source's name. */
  readonly source: string;
  readonly shardId: string;
  readonly sequenceNumber: string;
  readonly subSequenceNumber?: number | undefined;
  /** Absent when no key was known yet (`extract`, `key`, decoding). */
  readonly key?: string | undefined;
  /** What `extract` made; absent where there is no item yet. */
  readonly value?: unknown;
  /**
   * Where it failed.
   * - `decode`: some user records of an aggregate cannot be decoded.
   * - `key`, `extract`: that function threw, or returned what it must not.
   * - `reduce`: `reduce` threw, or a raw behaviour at items.
   * - `flush`: `flush` threw, or a raw behaviour at another message.
   * - `ack`: the application called `ctx.fail`.
   */
  readonly at: 'decode' | 'key' | 'extract' | 'reduce' | 'flush' | 'ack';
  /** More than 1 when a flush failed: the number of items it would have acknowledged; the rest names the oldest. */
  readonly items: number;
}

/**
 * What happens to a failed record or batch. `crash`: the pipeline restarts and delivers it again. `skip`: it is settled,
 * counted and reported as `recordSkipped`. `stopShard`: its shard is released for a growing time.
 */
export type FailurePolicy = 'crash' | 'skip' | 'stopShard';
/** A policy, or a function that picks one for each failure. What it throws, or another answer, means `crash`. */
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
 * Declares a reducer that is an actor behaviour of its own: it receives messages, and settles items by `ctx.ack`. Checked
 * here, so that a mistake shows where it was made.
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
 * Declares a reducer. Checked here, so that a mistake shows where it was made.
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
