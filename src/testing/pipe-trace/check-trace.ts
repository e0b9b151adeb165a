// A test in two stages: one that runs a pipe and leaves a trace, and one that checks the trace.
import { createPipeTrace, type PipeTrace, type PipeTraceOptions } from './pipe-trace.js';
import { pointText, type TracePoint } from './trace-point.js';

/** The options of `checkTrace`. */
export interface CheckTraceOptions extends PipeTraceOptions {
  /** How many of the last points the error shows. An integer of at least 0. Default 50. */
  readonly tail?: number | undefined;
}

/**
 * Runs `run` with an empty trace, and then `check` with what it has returned and all points. `check` is a pure function over the whole
 * trace: it throws if something is wrong. So one run can be checked for many laws, and no law changes the run.
 *
 * If `run` or `check` throws, or a forced order has failed, the error gets the last points, and has what was thrown as its `cause`.
 *
 * @example
 * ```ts
 * await checkTrace(
 *   async (trace) => {
 *     trace.injectCrash({ node: 'sink', callback: 'handleMessage' }, recoverAfter(2));
 *     const traced = tracePipe(pipe().to((bytes) => save(bytes)), trace);
 *     // Give it to a consumer here, start the consumer, put records, and stop.
 *     return traced;
 *   },
 *   (_, points) => messageConservation(points),
 * );
 * ```
 */
export async function checkTrace<Result>(
  run: (trace: PipeTrace) => Result | PromiseLike<Result>,
  check: (result: Result, points: readonly TracePoint[]) => unknown,
  { tail = 50, ...options }: CheckTraceOptions = {},
): Promise<Result> {
  const trace = createPipeTrace(options);
  try {
    const result = await run(trace);
    trace.checkOrders();
    await check(result, [...trace.points]);
    return result;
  } catch (cause) {
    throw new Error(`${messageOf(cause)}\n${tailText(trace.points, tail)}`, { cause });
  }
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

function tailText(points: readonly TracePoint[], tail: number): string {
  const shown = tail === 0 ? [] : points.slice(-tail);
  return [`The last ${shown.length} of ${points.length} trace points:`, ...shown.map(pointText)].join('\n');
}
