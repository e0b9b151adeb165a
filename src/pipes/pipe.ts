// Chains nodes into a pipe. The compiler checks that each node takes what the one before sends on.
import type { MessageFormat } from '../api/message-format.js';
import type { AnyNode, NodeDefinition, Pipe, PipeMessage } from '../api/pipe.js';
import { checkPlainObject } from '../api/plain-object.js';
import { refuse, refuseName } from '../api/refusal.js';
import { aggregate, type AggregateOptions } from './aggregate.js';
import type { MessageFunction } from './answer.js';
import { assembleChunks, type AssembleChunksOptions } from './assemble-chunks.js';
import { checkMembers, defineNode, isFunction, withRouteBounds, type NodeOptions } from './define-node.js';
import type { Aggregation } from './folded-parts.js';
import { routeDependent } from './route-dependent.js';
import { demux, join, routeChangeOf, type DemuxOptions, type RouteBounds } from './routes.js';
import { filter, map, mapFilter, sink, tap, unfold, type Tail } from './single-nodes.js';
import type { AggregateFunction } from './value-list.js';

/** A node with a state of any type, which is its own matter. */
// oxlint-disable-next-line typescript/no-explicit-any -- see above
type NodeOf<In, Out> = NodeDefinition<any, In, Out>;

/**
 * A pipe that is being made: it takes `In`, and sends `Value` on. It is immutable: each method returns a new builder, so two pipes may
 * share their first nodes. Each method is described at the function of the same name.
 */
export interface PipeBuilder<In, Value> {
  /** See {@link map}: one value of each. */
  map<Out>(f: MessageFunction<Value, Out>, options?: NodeOptions): PipeBuilder<In, Out>;
  /** See {@link filter}: the values for which `f` is true. */
  filter<Out extends Value>(
    f: (value: Value, ...rest: Tail<Parameters<MessageFunction<Value, boolean>>>) => value is Out,
    options?: NodeOptions,
  ): PipeBuilder<In, Out>;
  filter(f: MessageFunction<Value, boolean>, options?: NodeOptions): PipeBuilder<In, Value>;
  /** See {@link mapFilter}: one value of each, or none. */
  mapFilter<Out>(f: MessageFunction<Value, Out | undefined>, options?: NodeOptions): PipeBuilder<In, Out>;
  /** See {@link tap}: a look at each value, which goes on unchanged. */
  tap(f: MessageFunction<Value, unknown>, options?: NodeOptions): PipeBuilder<In, Value>;
  /** See {@link unfold}: several values of each. */
  unfold<Out>(f: MessageFunction<Value, Iterable<Out>>, options?: NodeOptions): PipeBuilder<In, Out>;
  /** See {@link aggregate}: one value of many. */
  aggregate(options: AggregateOptions): PipeBuilder<In, readonly Value[]>;
  aggregate<Out>(options: AggregateOptions, make: AggregateFunction<Value, Out>): PipeBuilder<In, Out>;
  aggregate<State, Out>(options: AggregateOptions, custom: Aggregation<State, Value, Out>): PipeBuilder<In, Out>;
  /** See {@link demux}: adds a head to the route. */
  demux(route: (value: Value, message: PipeMessage<Value>) => string, options?: DemuxOptions): PipeBuilder<In, Value>;
  /** See {@link join}: removes the head of the route. */
  join(options?: NodeOptions): PipeBuilder<In, Value>;
  /** See {@link routeDependent}: another node for each route. */
  routeDependent<Out>(build: (route: string) => NodeOf<Value, Out>, options?: NodeOptions): PipeBuilder<In, Out>;
  /** See {@link assembleChunks}: whole objects of their chunks. */
  assembleChunks<Out>(options: AssembleChunksOptions<Value, Out>): PipeBuilder<In, Out>;
  /** A node of your own, made by `defineNode`, or one of kinact's. */
  node<Out>(node: NodeOf<Value, Out>): PipeBuilder<In, Out>;
  /**
   * Ends the pipe with a node, such as `batchSink`, or with a function, as `sink` takes it. What a last node sends on is settled at
   * once. `options` are those of the function: a node has its own.
   * @throws KinactError INVALID_OPTION for options behind a node.
   */
  to(sink: NodeOf<Value, unknown> | MessageFunction<Value, unknown>, options?: NodeOptions): Pipe<In>;
  /**
   * Ends the pipe here. What the last node sends on is settled at once.
   * @throws KinactError INVALID_OPTION if it has no node.
   */
  end(): Pipe<In>;
}

/** What a pipe as a whole may say. */
export interface PipeOptions {
  /**
   * How the values become bytes: `json`, or a format of your own. Only `park` needs it. Default: none, and `createConsumer` refuses
   * `park` as a policy.
   */
  readonly format?: MessageFormat | undefined;
}

/**
 * Begins a pipe, for the option `pipe` of `createConsumer`. Nothing runs here. `In` is what `extract` makes, or the source.
 * @throws KinactError INVALID_OPTION naming the member, expected and got.
 *
 * @example
 * ```ts
 * interface Order {
 *   readonly tenant: string;
 *   readonly isPaid: boolean;
 * }
 * const batches = pipe<Order>()
 *   .filter((order) => order.isPaid)
 *   .demux((order) => order.tenant)
 *   .aggregate({ count: 500, intervalMs: 5_000 })
 *   .join()
 *   .to((orders) => save(orders));
 * ```
 */
export function pipe<In = Buffer>(options: PipeOptions = {}): PipeBuilder<In, In> {
  checkPlainObject(options, 'pipe', 'an object of options');
  checkMembers('pipe', options, { format: isFormat });
  const { format } = options;
  return builder<In, In>([], {
    bounds: [],
    mayAdd: false,
    format: format === undefined ? undefined : Object.freeze({ ...format }),
  });
}

function isFormat(path: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) refuse(path, 'json, or an object { serialize, deserialize }', value);
  const { serialize, deserialize } = value as Partial<MessageFormat>;
  isFunction(`${path}.serialize`, serialize);
  isFunction(`${path}.deserialize`, deserialize);
}

interface Making {
  /** Those of the routes that were added and not removed, the newest last. */
  readonly bounds: readonly RouteBounds[];
  /** A node of the application's own may add a route, too. */
  readonly mayAdd: boolean;
  readonly format: MessageFormat | undefined;
}

function builder<In, Value>(nodes: readonly AnyNode[], { bounds, mayAdd, format }: Making): PipeBuilder<In, Value> {
  const add = <Out>(node: NodeOf<Value, Out>, isOwn = false): PipeBuilder<In, Out> => {
    const checked = routeChangeOf(node) === undefined ? (defineNode(node) as AnyNode) : node;
    const within = bounds.at(-1);
    const change = routeChangeOf(node);
    if (change === 'removes' && bounds.length === 0 && !mayAdd)
      refuseName('join', 'expected a demux before it, whose routes it removes, got none');
    const next = change === 'removes' ? bounds.slice(0, -1) : change === undefined ? bounds : [...bounds, change.adds];
    return builder([...nodes, within === undefined ? checked : withRouteBounds(checked, within)], {
      bounds: next,
      mayAdd: mayAdd || (isOwn && change === undefined),
      format,
    });
  };
  return Object.freeze<PipeBuilder<In, Value>>({
    map: (f, options) => add(map(f, options)),
    filter: <Out>(f: MessageFunction<Value, boolean>, options?: NodeOptions) =>
      add(filter(f, options)) as unknown as PipeBuilder<In, Out>,
    mapFilter: (f, options) => add(mapFilter(f, options)),
    tap: (f, options) => add(tap(f, options)),
    unfold: (f, options) => add(unfold(f, options)),
    aggregate: (<Out>(
      options: AggregateOptions,
      make?: AggregateFunction<Value, Out> | Aggregation<unknown, Value, Out>,
    ): PipeBuilder<In, Out> =>
      add(
        (make === undefined
          ? aggregate<Value>(options)
          : aggregate(options, make as AggregateFunction<Value, Out>)) as NodeOf<Value, Out>,
      )) as PipeBuilder<In, Value>['aggregate'],
    demux: (route, options) => add(demux(route, options)),
    join: (options) => add(join<Value>(options)),
    routeDependent: (build, options) => add(routeDependent(build, options), true),
    assembleChunks: (options) => add(assembleChunks(options)),
    node: (node) => add(node, true),
    to: (last, options) => {
      if (last === undefined || last === null) refuse('pipe', 'a node or a function that ends it', last);
      if (options !== undefined && typeof last !== 'function')
        refuse('pipe', 'no options behind a node, which has its own', options);
      return add(typeof last === 'function' ? sink(last, options) : last).end();
    },
    end: () => {
      if (nodes.length === 0) refuseName('pipe', 'expected at least one node, got none');
      return Object.freeze({ nodes: Object.freeze([...nodes]), ...(format === undefined ? {} : { format }) });
    },
  });
}
