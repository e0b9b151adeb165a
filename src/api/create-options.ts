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

/** A reducer that takes these values, with or without a pipe that takes what it emits. */
type Reduces<Value, Emits> = {
  // oxlint-disable-next-line typescript/no-explicit-any -- the state is the reducer's own
  readonly [Name in keyof Pick<ConsumerOptions, 'reducer'>]: ReducerDefinition<Value, any, Emits>;
} & {
  readonly [Name in keyof Pick<ConsumerOptions, 'pipe'>]?: Pipe<Emits> | undefined;
};

/** A pipe that takes these values, without a reducer. */
type PipeAlone<Value> = {
  readonly [Name in keyof Pick<ConsumerOptions, 'pipe'>]-?: Pipe<Value>;
} & {
  readonly [Name in keyof Pick<ConsumerOptions, 'reducer'>]?: undefined;
};

/** All options but those that take what a source or `extract` makes. */
type OtherOptions<Made, Value, Source extends Sources> = Omit<
  ConsumerOptions,
  'extract' | 'key' | 'reducer' | 'pipe' | 'source'
> & {
  readonly [Name in keyof Pick<ConsumerOptions, 'source'>]: Source;
} & {
  readonly [Name in keyof Pick<ConsumerOptions, 'extract'>]:
    | ((record: SourceRecord<Source>, context: RecordContext) => Made)
    | undefined;
} & {
  readonly [Name in keyof Pick<ConsumerOptions, 'key'>]: ((record: SourceRecord<Source>) => string) | undefined;
} & NeedsExtract<Value, Source>;

/**
 * The options of `createConsumer`. `Made` is what `extract` returns, `Value` is what the reducer takes, and `Emits` what it sends into the
 * pipe behind it. The first two are two parameters, so the reducer may take a union of which each result of `extract` is only a part. What
 * a pipe takes says nothing about what a reducer takes, so it is not inferred from. The mapped types keep the generated TSDoc.
 */
export type CreateOptions<Made, Value, Source extends Sources, Emits = never> = OtherOptions<Made, Value, Source> &
  (Reduces<Value, Emits> | PipeAlone<NoInfer<Value>>);

/**
 * The options of `createConsumer` with a pipe alone. Here `Value` is inferred from the pipe, and an `extract` that is written in place is
 * checked against it.
 */
export type CreatePipeOptions<Made, Value, Source extends Sources> = OtherOptions<Made, Value, Source> &
  PipeAlone<Value>;
