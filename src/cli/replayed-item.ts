// What a reducer gets when a parked item runs again: the item as it was parked, and a context that knows it. Invariant: `fence` is 0 and
// `fences` is empty, because a replay holds no lease of the item's shard.
import type {
  ExtractFunction,
  FlushContext,
  FoldingReducer,
  Item,
  ProcessReducer,
  RawReducer,
  RecordContext,
  ReducerContext,
  ReducerDefinition,
  ReducerMessage,
  ItemToken,
} from '../api/reducer.js';
import type { ChangeRecord } from '../api/change.js';
import type { UserRecord } from '../api/ports.js';
import { changeRecord } from '../aws/dynamodb-streams/change-record.js';
import type { NumberForm } from '../aws/dynamodb-streams/number-text.js';
import { ignoreRejection, isThenable } from '../core/callback.js';
import { recordKey } from '../core/record-key.js';
import { isTableStream } from '../core/stream-identity.js';
import type { StoredItem } from '../parking/stored-item.js';

/** The functions of a module that make items of records. */
export interface ItemMakers {
  readonly extract?: ExtractFunction | undefined;
  readonly key?: ((record: UserRecord) => string) | undefined;
  /** What the numbers of a table's change become. */
  readonly numbers?: NumberForm | undefined;
}

/** The value of an item on its way through the pipeline. */
interface Carried {
  readonly stored: StoredItem;
  readonly itemIndex: number;
  readonly value: unknown;
}

interface CarriedItem {
  readonly key: string;
  readonly value: Carried;
}

/** The items of a parked entry: the one that is parked, or all if the record gave none. `counted` is called for each. */
export function itemsOf(
  stored: StoredItem,
  makers: ItemMakers,
  counted = (): void => undefined,
): Iterable<CarriedItem> {
  const made = madeOf(stored, makers);
  const { [Symbol.iterator]: iterator } = Object(made) as Partial<Iterable<unknown>>;
  // The pipeline refuses what is no iterable, for example the promise of an async function. It says why.
  return typeof iterator === 'function' ? chosenOf(stored, made, counted) : (made as Iterable<never>);
}

function* chosenOf(stored: StoredItem, made: ReturnType<ExtractFunction>, counted: () => void): Generator<CarriedItem> {
  let itemIndex = 0;
  try {
    for (const each of made) {
      if (Object(each) !== each || isThenable(each)) {
        // No item: the pipeline refuses it, too.
        yield each as never;
        continue;
      }
      const { key, value } = each;
      const isParked = stored.itemIndex === undefined || stored.itemIndex === itemIndex;
      if (isParked) {
        counted();
        yield { key: stored.key ?? key, value: { stored, itemIndex, value } };
      }
      if (stored.itemIndex === itemIndex) return;
      itemIndex += 1;
    }
  } finally {
    // What does not run is never awaited, and its rejection must not end the process.
    if (Array.isArray(made)) made.forEach(ignoreRejection);
  }
  if (stored.itemIndex !== undefined)
    throw new Error(`the module makes ${itemIndex} items of this record, and its item ${stored.itemIndex} is parked`);
}

function madeOf(stored: StoredItem, { extract, key, numbers = 'number' }: ItemMakers): ReturnType<ExtractFunction> {
  const change = stored.stream !== undefined && isTableStream(stored.stream) ? changeOf(stored, numbers) : undefined;
  const record = change ?? recordOf(stored);
  const { source, shardId, data } = stored;
  const context: RecordContext = { source, shardId, opaque: undefined };
  if (extract !== undefined) return extract(record, context);
  // The key that the item was parked with is the one that counts.
  return [{ key: stored.key ?? keyBy(key, record), value: change?.change ?? data }];
}

function keyBy(key: ItemMakers['key'], record: UserRecord): string {
  if (key === undefined) return recordKey(record);
  const made = ignoreRejection(key(record));
  if (isThenable(made)) throw new TypeError('key must be synchronous, it returned a promise');
  return made;
}

function changeOf(stored: StoredItem, numbers: NumberForm): ChangeRecord {
  return changeRecord({ ...recordOf(stored), data: stored.data }, numbers);
}

export function recordOf(stored: StoredItem): UserRecord {
  const { sequenceNumber, subSequenceNumber, partitionKey, explicitHashKey, data, arrivedAt } = stored;
  return {
    sequenceNumber,
    data,
    ...(subSequenceNumber === undefined ? {} : { subSequenceNumber }),
    ...(partitionKey === undefined ? {} : { partitionKey }),
    ...(explicitHashKey === undefined ? {} : { explicitHashKey }),
    ...(arrivedAt === undefined ? {} : { arrivedAt }),
  };
}

/** What the module gets in place of what the pipeline has. */
interface Replaced {
  /** The tokens of the pipeline, by those that the module has. */
  readonly tokens: WeakMap<ItemToken, ItemToken>;
  readonly emit: ReducerContext['emit'] | undefined;
}

/**
 * The module's reducer, as the pipeline runs it. Each item is a batch of its own, so that a failure is about one item. `emit`: what a call
 * of `ctx.emit` does if there is no pipe behind it.
 */
export function replayReducer(definition: ReducerDefinition, emit?: ReducerContext['emit']): ReducerDefinition {
  const replaced: Replaced = { tokens: new WeakMap(), emit };
  if (definition.behaviour !== undefined) return raw(definition as RawReducer, replaced);
  return definition.process === undefined
    ? folding(definition as FoldingReducer, replaced)
    : processing(definition as ProcessReducer, replaced);
}

function processing({ process, timeoutMs }: ProcessReducer, replaced: Replaced): ProcessReducer {
  return {
    process: (items, context) =>
      process(
        items.map((item) => replayed(item, replaced)),
        flushContextOf(context, replaced),
      ),
    batch: { size: 1 },
    timeoutMs,
  };
}

function folding(definition: FoldingReducer, replaced: Replaced): FoldingReducer {
  const { reduce, flush, batch } = definition;
  return {
    ...definition,
    reduce: (state, item, context) => reduce(state, replayed(item, replaced), contextOf(context, replaced)),
    ...(flush === undefined
      ? {}
      : {
          flush: (state: unknown, context: FlushContext) => flush(state, flushContextOf(context, replaced)),
        }),
    batch: { ...batch, size: 1 },
  } as FoldingReducer;
}

function raw(definition: RawReducer, replaced: Replaced): RawReducer {
  const { behaviour } = definition;
  return {
    ...definition,
    behaviour: (state, message, context) =>
      behaviour(state, messageOf(message, replaced), contextOf(context, replaced)),
  };
}

function messageOf(message: ReducerMessage, replaced: Replaced): ReducerMessage {
  if (message.type === 'revoked') return { ...message, fence: 0 };
  return message.type === 'items'
    ? { ...message, items: message.items.map((item) => replayed(item, replaced)) }
    : message;
}

function contextOf({ reducer, signal, ...calls }: ReducerContext, { tokens, emit }: Replaced): ReducerContext {
  return {
    reducer,
    signal,
    ack: (token) => calls.ack(tokens.get(token) ?? token),
    fail: (token, error) => calls.fail(tokens.get(token) ?? token, error),
    emit: emit ?? calls.emit,
  };
}

function flushContextOf(context: FlushContext, replaced: Replaced): FlushContext {
  return { ...contextOf(context, replaced), fences: new Map<string, number>(), fetchedAt: context.fetchedAt };
}

function replayed(item: Item, { tokens }: Replaced): Item {
  // In front of a pipe it comes as it was parked.
  if (item.replayed === true) return item;
  const { stored, itemIndex, value } = item.value as unknown as Carried;
  const { source, shardId, sequenceNumber, subSequenceNumber, arrivedAt } = stored;
  const token: ItemToken = Object.freeze({ idempotencyKey: keyOf(stored, itemIndex) });
  tokens.set(token, item.token);
  return {
    key: item.key,
    value: value as Buffer,
    token,
    source,
    shardId,
    sequenceNumber,
    subSequenceNumber,
    arrivedAt,
    fetchedAt: item.fetchedAt,
    attempt: item.attempt,
    fence: 0,
    replayed: true,
    opaque: undefined,
    signal: item.signal,
  };
}

/** The idempotency key of the item, as the stream gives it. A record that gave no item was parked with `-` for the index. */
export function keyOf({ idempotencyKey, itemIndex }: StoredItem, index: number): string {
  return itemIndex === undefined ? idempotencyKey.replace(/\/-$/, `/${index}`) : idempotencyKey;
}
