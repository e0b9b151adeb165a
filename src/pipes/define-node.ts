// Declares a node of a pipe, and checks its definition where it was made. All nodes of this folder are made with it.
import type { AnyNode, NodeDefinition } from '../api/pipe.js';
import { checkPlainObject, maxTimerMs } from '../api/plain-object.js';
import { refuse, refuseName } from '../api/refusal.js';
import { unknownName } from '../core/nearest-name.js';

/** What a node may say about its actor: its name and its bounds. Every node that comes with kinact takes them, too. */
export type NodeOptions = Pick<
  NodeDefinition,
  'name' | 'timeoutMs' | 'maxQueueLen' | 'maxQueueBytes' | 'maxRoutes' | 'routeIdleMs'
>;

type Check = (path: string, value: unknown) => void;

export const isFunction: Check = (path, value) => {
  if (typeof value !== 'function') refuse(path, 'a function', value);
};

export const isMs: Check = (path, value) => {
  if (!(typeof value === 'number' && value >= 1 && value <= maxTimerMs))
    refuse(path, `a number of milliseconds, 1 to ${maxTimerMs}`, value);
};

export const isCount: Check = (path, value) => {
  if (!Number.isSafeInteger(value) || (value as number) < 1) refuse(path, 'an integer >= 1', value);
};

export const isFlag: Check = (path, value) => {
  if (typeof value !== 'boolean') refuse(path, 'true or false', value);
};

const isName: Check = (path, value) => {
  if (typeof value !== 'string' || !/^[^/\p{Cc}]{1,100}$/u.test(value))
    refuse(path, 'a name of 1 to 100 characters, without a slash', value);
};

const isSynchronous: Check = (path, value) => {
  isFunction(path, value);
  if (Object.prototype.toString.call(value) === '[object AsyncFunction]')
    refuseName(path, 'expected a synchronous function that returns the state, got an async function');
};

/** The members that `NodeOptions` names. */
export const nodeOptions: Readonly<Record<keyof NodeOptions, Check>> = {
  name: isName,
  timeoutMs: isMs,
  maxQueueLen: isCount,
  maxQueueBytes: isCount,
  maxRoutes: isCount,
  routeIdleMs: isMs,
};

const members: Readonly<Record<keyof NodeDefinition, Check>> = {
  ...nodeOptions,
  keepsForMs: isMs,
  init: isFunction,
  handleMessage: isFunction,
  handleFlush: isFunction,
  handleTimer: isFunction,
  handleLost: isSynchronous,
  terminate: isFunction,
};

/** Refuses unknown members and wrong values. A member that is undefined is absent. */
export function checkMembers(path: string, given: object, checks: Readonly<Record<string, Check>>): void {
  for (const [name, value] of Object.entries(given)) {
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
    if (check === undefined) refuseName(`${path}.${name}`, unknownName('member', name, Object.keys(checks)));
    else if (value !== undefined) check(`${path}.${name}`, value);
  }
}

/**
 * Declares a node of one's own. The definition is checked here, so a mistake shows where it was made, and the node is frozen.
 * @throws KinactError INVALID_OPTION naming the member, expected and got.
 * @see {@link NodeDefinition} for the members, {@link NodeFailure} for failures of what the state keeps.
 *
 * @example
 * ```ts
 * const numbered = defineNode({
 *   name: 'numbered',
 *   init: () => 0,
 *   handleMessage: (count, message) => ({
 *     state: count + 1,
 *     outputs: [{ value: `${count}: ${String(message.value)}`, of: [message] }],
 *   }),
 * });
 * ```
 */
export function defineNode<State, In, Out>(definition: NodeDefinition<State, In, Out>): NodeDefinition<State, In, Out> {
  checkPlainObject(definition, 'node', 'a plain object with handleMessage');
  checkMembers('node', definition, members);
  isFunction('node.handleMessage', definition.handleMessage);
  return Object.freeze({ ...definition });
}

/** The options of a library node, with a name for those that have none. */
export function named(name: string, options: NodeOptions | undefined): NodeOptions {
  if (options === undefined) return { name };
  checkPlainObject(options, name, 'an object of options');
  checkMembers(name, options, nodeOptions);
  return { ...options, name: options.name ?? name };
}

/** The same node with bounds for its routes, where it has none of its own. */
export function withRouteBounds(node: AnyNode, bounds: Pick<NodeOptions, 'maxRoutes' | 'routeIdleMs'>): AnyNode {
  return Object.freeze({
    ...node,
    maxRoutes: node.maxRoutes ?? bounds.maxRoutes,
    routeIdleMs: node.routeIdleMs ?? bounds.routeIdleMs,
  });
}
