// What a state of a node keeps its messages in, as users see it: the class behind it is kinact's own.
import type { Holding } from '../api/pipe.js';
import { HeldBundle } from '../core/holding.js';

/**
 * Makes an empty holding, for the state of a node that takes values in: name it in `keep`, and later in `of` or `drop`.
 *
 * @example
 * ```ts
 * const sums = defineNode<{ sum: number; held: Holding }, number, number>({
 *   init: () => ({ sum: 0, held: createHolding() }),
 *   handleMessage: ({ sum, held }, message) => ({
 *     state: { sum: sum + message.value, held },
 *     keep: [{ message, in: held }],
 *   }),
 *   handleFlush: ({ sum, held }) => ({
 *     state: { sum: 0, held: createHolding() },
 *     outputs: [{ value: sum, of: [held] }],
 *   }),
 * });
 * ```
 */
export function createHolding(): Holding {
  return new HeldBundle();
}
