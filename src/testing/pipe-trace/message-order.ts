// The law that a route keeps its order in every node.
import { failTrace, pathOf, pathPoints } from './message-paths.js';
import type { TracePoint } from './trace-point.js';

/** The options of `messageOrder`. */
export interface OrderOptions {
  /** The place of a value in the order, such as its number. Undefined: the value has none. */
  readonly place: (value: unknown, point: TracePoint) => number | undefined;
  /** Order is kept among values of the same line, such as a key. Default: all values of the route are one line. */
  readonly line?: ((value: unknown, point: TracePoint) => unknown) | undefined;
}

/**
 * In every node and on every route, the messages come in a strictly rising order. A repeated attempt counts once. After a restart the order
 * starts again.
 * @throws an error that names the point.
 *
 * @example
 * ```ts
 * // Values are `<key>:<number>` here, and each key is in order.
 * messageOrder(points, {
 *   place: (value) => Number(String(value).split(':')[1]),
 *   line: (value) => String(value).split(':')[0],
 * });
 * ```
 */
export function messageOrder(points: readonly TracePoint[], { place, line }: OrderOptions): void {
  for (const each of pathPoints(points)) {
    const newest = new Map<unknown, Map<unknown, number>>();
    for (const { point } of pathOf('messageOrder', each).cameIn.values()) {
      const at = place(point.value, point);
      if (at === undefined) continue;
      const lines = newest.get(point.state) ?? new Map<unknown, number>();
      newest.set(point.state, lines);
      const key = line?.(point.value, point);
      const before = lines.get(key) ?? -Infinity;
      if (!(at > before)) failTrace('messageOrder', point, `${at} comes after ${before}`);
      lines.set(key, at);
    }
  }
}
