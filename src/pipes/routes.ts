// The nodes that change the route of a message. Each node behind a `demux` has one state per route, until a `join` removes the head.
import { NonRetryableError } from '../api/failure-policy.js';
import type { AnyNode, NodeDefinition, PipeMessage } from '../api/pipe.js';
import { refuse, show } from '../api/refusal.js';
import { atOnce } from './answer.js';
import { defineNode, named, type NodeOptions } from './define-node.js';

/** Bounds of routes. */
export type RouteBounds = Pick<NodeOptions, 'maxRoutes' | 'routeIdleMs'>;

/** What a node does to the route, as far as `pipe()` must know. */
export type RouteChange = { readonly adds: RouteBounds } | 'removes';

const changes = new WeakMap<AnyNode, RouteChange>();

/** Undefined: the node was not made here, or it leaves the route as it is. */
export const routeChangeOf = (node: AnyNode): RouteChange | undefined => changes.get(node);

/** The bounds of the routes that a `demux` makes, and of its own actor. */
export interface DemuxOptions extends Omit<NodeOptions, 'maxRoutes' | 'routeIdleMs'> {
  /**
   * How many routes may have a state at once, in each node behind, up to the `join`. Beyond it the least recently used route is flushed and
   * ended, of those that then keep nothing. A node's own `maxRoutes` goes before. Default 10,000.
   */
  readonly maxRoutes?: number | undefined;
  /**
   * A route that holds nothing in a node behind, and has had no message there for this long, is ended there, in milliseconds. A node's
   * own
   * `routeIdleMs` goes before. Default 60,000.
   */
  readonly routeIdleMs?: number | undefined;
}

/**
 * Adds a head to the route: the text that `route` returns. From here to the `join` each node has one state for each route, so an
 * aggregate never mixes routes. Order: kept within a route, but not between routes. All routes of a pipe share its nodes: a slow route
 * delays the others. `route` is synchronous, and must return the same text for the same value.
 *
 * `maxRoutes` and `routeIdleMs` are for the nodes behind, which have the states of the new routes.
 * @throws NonRetryableError in the node if `route` returns something other than a text.
 */
export function demux<In>(
  route: (value: In, message: PipeMessage<In>) => string,
  options: DemuxOptions = {},
): NodeDefinition<unknown, In, In> {
  if (typeof route !== 'function') refuse('demux', 'a function', route);
  const { maxRoutes, routeIdleMs, ...own } = named('demux', options);
  const node = defineNode<unknown, In, In>({
    ...own,
    handleMessage: (_state, message) => {
      const add: unknown = atOnce(route(message.value, message), 'demux: the route');
      if (typeof add !== 'string') throw new NonRetryableError(`demux: the route must be a text, got ${show(add)}`);
      return { outputs: [{ value: message.value, of: [message], route: { add } }] };
    },
  });
  changes.set(node, { adds: { maxRoutes, routeIdleMs } });
  return node;
}

/**
 * Removes the head that the last `demux` added. Order: kept within each of the routes that come together here; messages of different
 * routes stand in the order in which they come.
 * @throws KinactError INVALID_OPTION in `pipe()`, if no node before it can have added a head.
 * @throws NonRetryableError in the node for a message on the main route, which has no head.
 */
export function join<In>(options?: NodeOptions): NodeDefinition<unknown, In, In> {
  const node = defineNode<unknown, In, In>({
    ...named('join', options),
    handleMessage: (_state, message) => {
      if (message.route === undefined)
        throw new NonRetryableError('join: the message is on the main route, which no demux has divided');
      return { outputs: [{ value: message.value, of: [message], route: 'remove' }] };
    },
  });
  changes.set(node, 'removes');
  return node;
}
