// Small nodes that tests of nodes share: they put a message on the route of its first letter, keep messages, and log what they are called
// for.
import type { AnyNode, NodeDefinition, PipeMessage } from '../../src/api/pipe.js';

export type Kept = readonly PipeMessage<string>[];

/** The route is the first letter of the value. */
export const demuxed: AnyNode = {
  name: 'demux',
  handleMessage: (_, message) => ({
    outputs: [{ value: message.value, of: [message], route: { add: String(message.value).slice(0, 1) } }],
  }),
};

/** Keeps messages, and emits them together at a flush. Logs `init` and `terminate`. */
export function keeping(log: string[], more: Partial<NodeDefinition<Kept, string, string>> = {}): AnyNode {
  const node: NodeDefinition<Kept, string, string> = {
    name: 'keeping',
    init: ({ route }) => {
      log.push(`init ${route ?? '-'}`);
      return [];
    },
    handleMessage: (kept, message) => ({ state: [...kept, message], keep: [message] }),
    handleFlush: (kept) => ({
      state: [],
      outputs: kept.length === 0 ? [] : [{ value: kept.map(({ value }) => value).join(), of: kept }],
    }),
    terminate: (kept, { route }) => log.push(`terminate ${route ?? '-'} ${kept.length}`),
    ...more,
  };
  return node as AnyNode;
}
