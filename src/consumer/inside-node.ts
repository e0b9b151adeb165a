// Knows whether code runs in a callback of a node of an open pipe. A feed there would wait for its own node, and so for itself.
import { AsyncLocalStorage } from 'node:async_hooks';
import { isThenable } from '../core/callback.js';
import type { AnyNode } from '../api/pipe.js';

/** One call. Code that a call has only started, such as a timer, runs on after it: then `isOver`. */
interface Inside {
  readonly pipe: object;
  isOver: boolean;
}

const current = new AsyncLocalStorage<Inside>();

/** Whether a callback of a node of this pipe waits for the code that runs now, as far as it can be known. */
export function isInside(pipe: object): boolean {
  const inside = current.getStore();
  return inside !== undefined && inside.pipe === pipe && !inside.isOver;
}

/** The nodes, whose calls are known to `isInside`. */
export function noted(nodes: readonly AnyNode[], pipe: object): readonly AnyNode[] {
  return nodes.map((node) => ({ ...node, ...notedCalls(node, pipe) }));
}

type Call = (...given: readonly never[]) => unknown;

const calls = ['init', 'handleMessage', 'handleFlush', 'handleTimer', 'handleLost', 'terminate'] as const;

function notedCalls(node: AnyNode, pipe: object): Partial<AnyNode> {
  return Object.fromEntries(
    calls.flatMap((name) => {
      const call = node[name] as Call | undefined;
      return call === undefined ? [] : [[name, notedCall(call, pipe)]];
    }),
  );
}

function notedCall(call: Call, pipe: object): Call {
  return (...given) => {
    const inside: Inside = { pipe, isOver: false };
    const end = (): void => void (inside.isOver = true);
    try {
      const returned = current.run(inside, () => call(...given));
      if (!isThenable(returned)) {
        end();
        return returned;
      }
      // The `then` of some libraries begins the work each time it is called: once is enough.
      const promise = Promise.resolve(returned);
      promise.then(end, end);
      return promise;
    } catch (error) {
      end();
      throw error;
    }
  };
}
