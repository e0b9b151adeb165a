// The end of a pipe that writes batches.
import type { NodeContext, NodeDefinition } from '../api/pipe.js';
import { checkPlainObject } from '../api/plain-object.js';
import { refuse } from '../api/refusal.js';
import { collector } from './collector.js';
import { checkMembers, defineNode, isCount, isMs, nodeOptions, type NodeOptions } from './define-node.js';
import { valueList } from './value-list.js';

/** When a batch is written. What comes first counts. */
export interface BatchSinkOptions extends NodeOptions {
  /** With this many values. An integer of at least 1. */
  readonly size: number;
  /** With the message that brings the sum of `sizeBytes` to this many bytes or more. An integer of at least 1. Default: no bound. */
  readonly bytes?: number | undefined;
  /** This long after its first message, in milliseconds: what waits here keeps checkpoints back. Default 1,000. */
  readonly intervalMs?: number | undefined;
}

/**
 * Collects values, and calls `write` with them: at `size`, at `bytes`, `intervalMs` after the first, and at a flush. There is one batch
 * per route, and one call at a time in the whole node, so order is kept. Its messages are settled when the promise of `write` has
 * resolved.
 *
 * A failed write is repeated under the policy with the same batch, and it may have had its effect before: so it must be repeatable.
 * Values of a lease that is lost between two attempts are left out. With `skip` the whole batch is settled.
 * @throws KinactError INVALID_OPTION naming the member, expected and got.
 */
export function batchSink<In>(
  options: BatchSinkOptions,
  write: (values: readonly In[], context: NodeContext) => PromiseLike<unknown> | void,
): NodeDefinition<unknown, In, never> {
  checkPlainObject(options, 'batchSink', 'an object of options');
  checkMembers('batchSink', options, { ...nodeOptions, size: isCount, bytes: isCount, intervalMs: isMs });
  const { size, bytes = Infinity, intervalMs = 1_000, ...node } = options;
  isCount('batchSink.size', size);
  if (typeof write !== 'function') refuse('batchSink', 'a function', write);
  return defineNode({
    ...node,
    name: node.name ?? 'batchSink',
    ...collector<In, never>({
      kind: 'batchSink',
      count: size,
      bytes,
      intervalMs,
      perLease: false,
      once: false,
      collect: () => valueList<In, never>(async (values, context) => (await write(values, context)) as never),
      emit: (written) => ({ drop: written.flatMap(({ of }) => of) }),
    }),
  }) as NodeDefinition<unknown, In, never>;
}
