// Which optional callbacks a node has for one of its states. Most nodes have the same for all. A node that builds another one for each
// route defines them all, and has those of the built one. The actor must know: a state that is not told of a lost lease still names what
// it keeps.

/** A node of any kind, as far as it is asked for callbacks. */
export interface AnyCallbacks {
  readonly handleFlush?: unknown;
  readonly handleTimer?: unknown;
  readonly handleLost?: unknown;
  /**
   * What a state of this node was built as; undefined for any other state. A symbol, so it stays in copies of the
   * node, and is no member that users may name.
   */
  readonly [builtAs]?: ((state: unknown) => Built | undefined) | undefined;
}

/** `node` is undefined if nothing is built for the state: then it has no callback. */
export interface Built {
  readonly node: AnyCallbacks | undefined;
  readonly state: unknown;
}

export const builtAs: unique symbol = Symbol('kinact.builtAs');

/** Whether the node has this callback for this state. */
export function hasCallback(
  node: AnyCallbacks,
  state: unknown,
  callback: 'handleFlush' | 'handleTimer' | 'handleLost',
): boolean {
  if (node[callback] === undefined) return false;
  const built = node[builtAs]?.(state);
  if (built === undefined) return true;
  return built.node !== undefined && hasCallback(built.node, built.state, callback);
}
