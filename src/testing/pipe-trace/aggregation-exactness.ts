// The law that an aggregate is made of exactly the messages that it stands for.
import { isDeepStrictEqual } from 'node:util';
import { failTrace, isCut, pathOf, pathPoints } from './message-paths.js';
import { matches, type TracePoint } from './trace-point.js';

/** The options of `aggregationExactness`. */
export interface AggregationOptions {
  /** The aggregate, by its name: `aggregate/2`, or `aggregate`. */
  readonly node: string;
  /** What the output must be, compared deeply. `values`: those of its messages, in the order of their arrival. */
  readonly make: (values: readonly unknown[]) => unknown;
  /** How many messages an output has that a message has completed. Default: not compared. */
  readonly count?: number | undefined;
}

const spec = 'aggregationExactness';

/**
 * Every output of the aggregate is what `make` makes of the messages that it stands for, and each message is in one output at most.
 * Values of a lost lease count as taken out if the node has `handleLost`. With `count`: an output has at most this number of
 * messages, and exactly this number if a message has completed it.
 * @throws an error that names the point.
 *
 * @example
 * ```ts
 * aggregationExactness(points, { node: 'aggregate', make: (values) => values, count: 100 });
 * ```
 */
export function aggregationExactness(points: readonly TracePoint[], { node, make, count }: AggregationOptions): void {
  const own = points.filter((point) => matches({ node, phase: point.phase }, point, point.phase));
  if (own.length === 0) failTrace(spec, { node, number: 0 } as TracePoint, 'no node of this name is in the trace');
  for (const each of pathPoints(own)) {
    const { wentOut, cameIn, pipe, run } = pathOf(spec, each);
    const open = new Map<number, number>();
    for (const { point, output, of } of wentOut) {
      const expected = make(of.map((came) => came.point.value));
      if (!isDeepStrictEqual(output.value, expected))
        failTrace(spec, point, 'the output is not what its messages make');
      const isStranger = of.some((came) => came.point.state !== point.state);
      if (isStranger) failTrace(spec, point, 'the output has messages of another route');
      if (count === undefined) continue;
      const isComplete = point.callback === 'handleMessage';
      if (of.length > count || (isComplete && of.length < count))
        failTrace(spec, point, `the output has ${of.length} messages instead of ${count}`);
    }
    if (isCut(points, { pipe, run })) continue;
    for (const came of cameIn.values()) if (came.fate === 'kept') open.set(came.state, (open.get(came.state) ?? 0) + 1);
    for (const [state, kept] of open)
      if (count !== undefined && kept >= count)
        failTrace(spec, each.at(-1)!, `state ${state} keeps ${kept} messages, enough for an output`);
  }
}
