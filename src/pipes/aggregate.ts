// The node that makes one value of many.
import type { NodeDefinition } from '../api/pipe.js';
import { checkPlainObject } from '../api/plain-object.js';
import { refuse } from '../api/refusal.js';
import { collector } from './collector.js';
import {
  checkMembers,
  defineNode,
  isCount,
  isFlag,
  isFunction,
  isMs,
  nodeOptions,
  type NodeOptions,
} from './define-node.js';
import { foldedParts, type Aggregation } from './folded-parts.js';
import { valueList, type AggregateFunction } from './value-list.js';

/** When an aggregate is emitted. What comes first counts. */
export interface AggregateOptions extends NodeOptions {
  /** With this many messages. An integer of at least 1. Default: no bound. */
  readonly count?: number | undefined;
  /**
   * With the message that brings the sum of `sizeBytes` to this many bytes or more. So an aggregate may have more bytes, by its last
   * message. An integer of at least 1. Default: no bound.
   */
  readonly bytes?: number | undefined;
  /**
   * This long after its first message, in milliseconds. There always is such a bound, because what an aggregate holds keeps checkpoints
   * back: on a quiet stream an aggregate that waits for more would hold its shards for ever. It must be below `watchdogMs`. Default
   * 1,000.
   */
  readonly intervalMs?: number | undefined;
  /**
   * Each lease (source, shard and fence) has an aggregate and outputs of its own. Messages of the same several leases have one more.
   * Order is kept within each of these. Default false.
   */
  readonly perLease?: boolean | undefined;
  /**
   * The route is forgotten with the output: its state ends at once, and not only after `routeIdleMs`. For routes that have one
   * aggregate each, such as one file. It changes nothing while another aggregate of the route has begun. Default false.
   */
  readonly once?: boolean | undefined;
}

const members = {
  ...nodeOptions,
  count: isCount,
  bytes: isCount,
  intervalMs: isMs,
  perLease: isFlag,
  once: isFlag,
};

const aggregationMembers = { init: isFunction, push: isFunction, output: isFunction, merge: isFunction };

/**
 * Collects values, and sends on what `make` makes of them: after `count` messages, at `bytes`, `intervalMs` after the first, and at a
 * flush. (A flush comes before a stop, at the end of a shard, and when a full ledger waits.) Without `make` the output is the list itself.
 * There is one aggregate per route.
 *
 * Order: kept. An output stands for all messages in it, and they are settled when it is done. Until then they hold their checkpoints
 * back. If `make` fails, the messages of the aggregate have failed together, with one verdict: see `NodeFailure`.
 *
 * When a lease is lost, its values are taken out of what has not been emitted. A custom aggregate has a part for each lease, which is
 * left out. Messages of several leases, such as those behind another aggregate, are taken out with the last of these leases. Until then
 * they stay.
 * @throws KinactError INVALID_OPTION naming the member, expected and got.
 * @throws NonRetryableError in the node for a message that an empty custom aggregate rejects.
 */
export function aggregate<In>(options: AggregateOptions): NodeDefinition<unknown, In, readonly In[]>;
export function aggregate<In, Out>(
  options: AggregateOptions,
  make: AggregateFunction<In, Out>,
): NodeDefinition<unknown, In, Out>;
export function aggregate<In, Out, State>(
  options: AggregateOptions,
  custom: Aggregation<State, In, Out>,
): NodeDefinition<unknown, In, Out>;
export function aggregate<In, Out, State>(
  options: AggregateOptions,
  make: AggregateFunction<In, Out> | Aggregation<State, In, Out> = (values) => values as Out,
): NodeDefinition<unknown, In, Out> {
  checkPlainObject(options, 'aggregate', 'an object of options');
  checkMembers('aggregate', options, members);
  const { count = Infinity, bytes = Infinity, intervalMs = 1_000, perLease = false, once = false, ...node } = options;
  const isList = typeof make === 'function';
  if (!isList) checkAggregation(make);
  return defineNode({
    ...node,
    name: node.name ?? 'aggregate',
    ...collector<In, Out>({
      kind: 'aggregate',
      count,
      bytes,
      intervalMs,
      perLease: perLease || (!isList && make.merge === undefined),
      once,
      collect: () => (isList ? valueList(make) : foldedParts(make)),
      emit: (outputs) => ({ outputs }),
    }),
  }) as NodeDefinition<unknown, In, Out>;
}

function checkAggregation(custom: object): void {
  checkPlainObject(custom, 'aggregate', 'a function, or a plain object with init, push and output');
  checkMembers('aggregate', custom, aggregationMembers);
  for (const name of ['init', 'push', 'output'] as const)
    if (!Object.hasOwn(custom, name) || (custom as Record<string, unknown>)[name] === undefined)
      refuse(`aggregate.${name}`, 'a function', undefined);
}
