// A node that is another one on every route. The state of a route has the node that was built for it, and that node's state.
import { NonRetryableError } from '../api/failure-policy.js';
import type { NodeAnswer, NodeContext, NodeDefinition, NodeResult } from '../api/pipe.js';
import { refuse } from '../api/refusal.js';
import { answered, atOnce, type MaybeLater } from './answer.js';
import { defineNode, named, type NodeOptions } from './define-node.js';
import { isNodeFailure, NodeFailure } from '../api/pipe-failure.js';
import { builtAs, type AnyCallbacks } from '../core/built-callbacks.js';

/** What a route has. A class, so that the state of another node is told apart. `node` is undefined on the main route. */
class Built<In, Out> {
  // oxlint-disable-next-line typescript/no-explicit-any -- each route may have another node, with a state of its own
  readonly node: NodeDefinition<any, In, Out> | undefined;
  readonly state: unknown;

  constructor(node: Built<In, Out>['node'], state: unknown) {
    this.node = node;
    this.state = state;
  }
}

/**
 * Builds a node from the head of the route: one for each route, when its first message comes. Each route may have other bounds,
 * or another kind of node. Order, and what is settled when: as the built node says.
 *
 * `build` must be synchronous, and return a node that `defineNode` would accept. If it throws, the first message of the route has
 * failed. The name and the bounds of the whole are `options`; those of the built nodes do not count. Nor does their `keepsForMs`: nobody
 * knows it before the route comes. So choose intervals below `watchdogMs` yourself, or each wait looks like a stall.
 * @throws NonRetryableError in the node for a message on the main route: it belongs behind a `demux`.
 */
export function routeDependent<In, Out>(
  // oxlint-disable-next-line typescript/no-explicit-any -- see Built
  build: (route: string) => NodeDefinition<any, In, Out>,
  options?: NodeOptions,
): NodeDefinition<unknown, In, Out> {
  if (typeof build !== 'function') refuse('routeDependent', 'a function', build);
  const node: NodeDefinition<Built<In, Out>, In, Out> & AnyCallbacks = {
    // A node of the application's own may be a copy of this one, with states of another shape: it has the callbacks that it says.
    [builtAs]: (state) => (state instanceof Built ? state : undefined),
    ...named('routeDependent', options),
    init: (context) => {
      if (context.route === undefined) return new Built<In, Out>(undefined, undefined);
      const built = defineNode(atOnce(build(context.route), 'routeDependent: build'));
      return answered(
        () => built.init?.(context),
        (state) => new Built<In, Out>(built, state),
      );
    },
    handleMessage: (built, message, context) => {
      const { node, state } = built;
      if (node === undefined)
        throw new NonRetryableError('routeDependent: the message is on the main route, which no demux has divided');
      return within(built, () => node.handleMessage(state, message, context));
    },
    handleFlush: (built, context) => within(built, () => built.node?.handleFlush?.(built.state, context) ?? {}),
    handleTimer: (built, context) => within(built, () => built.node?.handleTimer?.(built.state, context) ?? {}),
    handleLost: (built, lost, context) => {
      const handleLost = built.node?.handleLost;
      if (handleLost === undefined) return built;
      return new Built(built.node, atOnce(handleLost(built.state, lost, context), 'routeDependent: handleLost'));
    },
    terminate: ({ node, state }, context: NodeContext) => node?.terminate?.(state, context),
  };
  return defineNode(node) as NodeDefinition<unknown, In, Out>;
}

/** Puts the state of a result, and of a failure, back into that of the route. */
function within<In, Out>(
  built: Built<In, Out>,
  call: () => NodeAnswer<unknown, Out>,
): MaybeLater<NodeResult<Built<In, Out>, Out>> {
  return answered(
    call,
    // The actor judges a result that is none, or that has no state.
    (result: NodeResult<unknown, Out> | null | undefined) =>
      typeof result === 'object' && result !== null && Object.hasOwn(result, 'state')
        ? withState(result, new Built(built.node, result.state))
        : (result as NodeResult<Built<In, Out>, Out>),
    (error) => {
      if (!isNodeFailure(error)) throw error;
      throw new NodeFailure(error.cause, {
        of: error.of,
        state: new Built(built.node, error.state),
        values: error.values,
      });
    },
  );
}

/** The result as it is, but for its state. Its members may be inherited, as in the result of a plain node. */
function withState<State, Out>(result: NodeResult<unknown, Out>, state: State): NodeResult<State, Out> {
  const { outputs, keep, drop, timerMs, forget, exit } = result;
  return { ...result, outputs, keep, drop, timerMs, forget, exit, state };
}
