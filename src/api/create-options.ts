// The type of `createConsumer`'s argument: it ties the reducer to the values that the source and `extract` make. The rest of the
// options is generated.
import type { ConsumerOptions } from './options.js';
import type { UserRecord } from './ports.js';
import type { Extracted, RecordContext, ReducerDefinition } from './reducer.js';

/** The value of the items that an `extract` with this result makes: a union, if it makes several kinds. Bytes, if it makes none. */
export type ValueIn<Made> = [ItemsIn<Made>] extends [never] ? Buffer : ItemsIn<Made>;

type ItemsIn<Made> = Made extends Iterable<Extracted<infer Value>> ? Value : never;

/** Without `extract` the value of an item is the bytes of its record. A reducer of any other value needs an `extract`. */
type NeedsExtract<Value> = [Buffer] extends [Value] ? unknown : { readonly extract: object };

/**
 * The options of `createConsumer`. `Made` is what `extract` returns, and `Value` is what the reducer takes. They are two parameters,
 * so the reducer may take a union of which each result of `extract` is only a part. The mapped types keep the generated TSDoc.
 */
export type CreateOptions<Made, Value> = Omit<ConsumerOptions, 'extract' | 'reducer'> & {
  readonly [Name in keyof Pick<ConsumerOptions, 'reducer'>]: ReducerDefinition<Value>;
} & {
  readonly [Name in keyof Pick<ConsumerOptions, 'extract'>]:
    | ((record: UserRecord, context: RecordContext) => Made)
    | undefined;
} & NeedsExtract<Value>;
