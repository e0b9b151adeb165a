// Which callbacks a state of the naive pipe has.
import type { AnyNode } from '../../src/api/pipe.js';
import { hasCallback } from '../../src/core/built-callbacks.js';

/** A node that depends on the route has the callbacks of the node that it has built. */
export function callbackOf(node: AnyNode, state: unknown, type: 'flush' | 'timer'): AnyNode['handleFlush'] {
  const name = type === 'flush' ? 'handleFlush' : 'handleTimer';
  return hasCallback(node, state, name) ? node[name] : undefined;
}
