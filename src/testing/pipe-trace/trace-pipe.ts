// Wraps the nodes of a pipe, so that their callbacks leave points in a trace.
import type { Pipe } from '../../api/pipe.js';
import { recorderOf, type PipeTrace } from './pipe-trace.js';
import { tracedNode } from './traced-node.js';

/**
 * The same pipe with traced nodes: each call of a callback leaves a point when it is called, and one when it has returned or thrown.
 * Nodes of kinact and of your own are traced alike. What the pipe does stays the same, but for the crashes and orders that the trace
 * injects.
 *
 * The values in the points are those of the messages, not copies. A trace keeps every point, so it is for tests, and not for production.
 *
 * @example
 * ```ts
 * const traced = tracePipe(pipe().to((bytes) => save(bytes)), trace);
 * ```
 */
export function tracePipe<In>(pipe: Pipe<In>, trace: PipeTrace): Pipe<In> {
  const recorder = recorderOf(trace);
  return Object.freeze({
    ...pipe,
    nodes: Object.freeze(pipe.nodes.map((node, index) => tracedNode(node, index, recorder))),
  });
}
