// The type of `createConsumer`'s argument: it ties the reducer or the pipe to the values that the source and `extract` make. The rest of
// the options is generated.
import type { ConsumerOptions } from './options.js';
import type { Pipe } from './pipe.js';
import type { Extracted, RecordContext, ReducerDefinition } from './reducer.js';
import type { AnySource, SourceRecord, SourceValue } from './source.js';

/** One source, or several. */
export type Sources = AnySource | readonly AnySource[];

/**
 * The value of the items that an `extract` with this result makes: a union, if it makes several kinds. If it makes none, the values of the
 * sources.
 */
export type ValueIn<Made, Source> = [ItemsIn<Made>] extends [never] ? Known<SourceValue<Source>> : ItemsIn<Made>;

/** A source whose type was lost (`AnySource`, as in options that were declared before) counts as one of bytes. */
type Known<Value> = 0 extends 1 & Value ? Buffer : Value;

type ItemsIn<Made> = Made extends Iterable<Extracted<infer Value>> ? Value : never;

/** Without `extract` the value of an item is that of its source. A reducer of any other value needs an `extract`. */
type NeedsExtract<Value, Source> = [Known<SourceValue<Source>>] extends [Value]
  ? unknown
  : { readonly extract: object };

/** A reducer that takes these values, with or without a pipe that takes what it emits; or a pipe that takes these values. */
type Takes<Value, Emits> =
  // oxlint-disable-next-line typescript/no-explicit-any -- the state is the reducer's own
  | ({ readonly [Name in keyof Pick<ConsumerOptions, 'reducer'>]: ReducerDefinition<Value, any, Emits> } & {
      readonly [Name in keyof Pick<ConsumerOptions, 'pipe'>]?: Pipe<Emits> | undefined;
    })
  // What a pipe takes says nothing about what a reducer takes. Without a reducer, it must be what `extract` makes, or the source.
  | ({ readonly [Name in keyof Pick<ConsumerOptions, 'pipe'>]-?: Pipe<NoInfer<Value>> } & {
      readonly [Name in keyof Pick<ConsumerOptions, 'reducer'>]?: undefined;
    });

/**
 * The options of `createConsumer`. `Made` is what `extract` returns, `Value` is what the reducer takes, and `Emits` what it sends into the
 * pipe behind it. The first two are two parameters, so the reducer may take a union of which each result of `extract` is only a part. The
 * mapped types keep the generated TSDoc.
 */
export type CreateOptions<Made, Value, Source extends Sources, Emits = never> = Omit<
  ConsumerOptions,
  'extract' | 'key' | 'reducer' | 'pipe' | 'source'
> & {
  readonly [Name in keyof Pick<ConsumerOptions, 'source'>]: Source;
} & Takes<Value, Emits> & {
    readonly [Name in keyof Pick<ConsumerOptions, 'extract'>]:
      | ((record: SourceRecord<Source>, context: RecordContext) => Made)
      | undefined;
  } & {
    readonly [Name in keyof Pick<ConsumerOptions, 'key'>]: ((record: SourceRecord<Source>) => string) | undefined;
  } & NeedsExtract<Value, Source>;
