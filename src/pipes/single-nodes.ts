// Nodes without a state, which look at one message at a time. So all of them keep the order of each route, and nothing is ever held back.
import type { NodeDefinition, NodeResult, PipeMessage } from '../api/pipe.js';
import { NonRetryableError } from '../api/failure-policy.js';
import { refuse } from '../api/refusal.js';
import { answered, type MessageFunction } from './answer.js';
import { defineNode, named, type NodeOptions } from './define-node.js';

/** Makes a node of a function, and of what its answer becomes. */
function single<In, Returned, Out>(
  [name, f, options]: readonly [string, MessageFunction<In, Returned>, NodeOptions | undefined],
  resultOf: (returned: Returned, message: PipeMessage<In>) => NodeResult<unknown, Out>,
): NodeDefinition<unknown, In, Out> {
  if (typeof f !== 'function') refuse(name, 'a function', f);
  return defineNode({
    ...named(name, options),
    handleMessage: (_state, message, context) =>
      answered(
        () => f(message.value, message, context),
        (returned) => resultOf(returned, message),
      ),
  });
}

const passedOn = <Out>(value: Out, message: PipeMessage): NodeResult<unknown, Out> => ({
  outputs: [{ value, of: [message] }],
});

const dropped = (message: PipeMessage): NodeResult<unknown, never> => ({ drop: [message] });

/**
 * One value of each. `f` may be async. Order: kept. The message is settled when what became of it is done.
 */
export function map<In, Out>(f: MessageFunction<In, Out>, options?: NodeOptions): NodeDefinition<unknown, In, Out> {
  return single<In, Out, Out>(['map', f, options], passedOn);
}

/** Passes on the values for which `f` is true. `f` may be async. Order: kept. Others are settled at once. */
export function filter<In, Out extends In>(
  f: (value: In, ...rest: Tail<Parameters<MessageFunction<In, boolean>>>) => value is Out,
  options?: NodeOptions,
): NodeDefinition<unknown, In, Out>;
/** Passes on the values for which `f` is true. `f` may be async. Order: kept. Others are settled at once. */
export function filter<In>(f: MessageFunction<In, boolean>, options?: NodeOptions): NodeDefinition<unknown, In, In>;
export function filter<In>(f: MessageFunction<In, boolean>, options?: NodeOptions): NodeDefinition<unknown, In, In> {
  return single<In, boolean, In>(['filter', f, options], (isWanted, message) =>
    isWanted ? passedOn(message.value, message) : dropped(message),
  );
}

/** The parameters behind the first. */
export type Tail<Parameters extends readonly unknown[]> = Parameters extends readonly [unknown, ...infer Rest]
  ? Rest
  : never;

/**
 * `f` gives the next value, or undefined for none. It may be async. Order: kept. A message for which there is no value is settled at
 * once.
 */
export function mapFilter<In, Out>(
  f: MessageFunction<In, Out | undefined>,
  options?: NodeOptions,
): NodeDefinition<unknown, In, Out> {
  return single<In, Out | undefined, Out>(['mapFilter', f, options], (value, message) =>
    value === undefined ? dropped(message) : passedOn(value, message),
  );
}

/**
 * Calls `f`, and passes the value on unchanged once `f` has returned, or its promise has resolved. Order: kept. The message is settled
 * when what became of it is done.
 */
export function tap<In>(f: MessageFunction<In, unknown>, options?: NodeOptions): NodeDefinition<unknown, In, In> {
  return single<In, unknown, In>(['tap', f, options], (_, message) => passedOn(message.value, message));
}

/**
 * Several values of each. `f` may be async. Order: kept; the values of one message follow one another. The message is settled when all
 * of its values are done, and at once if there are none.
 * @throws NonRetryableError in the node if `f` returns something that cannot be iterated.
 */
export function unfold<In, Out>(
  f: MessageFunction<In, Iterable<Out>>,
  options?: NodeOptions,
): NodeDefinition<unknown, In, Out> {
  return single<In, Iterable<Out>, Out>(['unfold', f, options], (values, message) => {
    if (typeof (values as Partial<Iterable<Out>> | null | undefined)?.[Symbol.iterator] !== 'function')
      throw new NonRetryableError('unfold: the function must return an array or another iterable');
    const outputs = Array.from(values, (value) => ({ value, of: [message] }));
    return outputs.length === 0 ? dropped(message) : { outputs };
  });
}

/**
 * The end of a pipe: `write` is called with each value. It may be async. Order: kept, one call at a time. The message is settled when
 * `write` has returned, or its promise has resolved. A failed write is repeated under the policy, and may have had its effect: so it
 * must be repeatable.
 */
export function sink<In>(
  write: MessageFunction<In, unknown>,
  options?: NodeOptions,
): NodeDefinition<unknown, In, never> {
  return single<In, unknown, never>(['sink', write, options], (_, message) => dropped(message));
}
