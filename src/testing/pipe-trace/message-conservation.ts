// The law that no message comes into being or is lost between the nodes of a pipe.
import type { TracePoint } from './trace-point.js';
import { failTrace, isCut, pathOf, pathPoints, type NodePath } from './message-paths.js';

/** The options of `messageConservation`. */
export interface ConservationOptions {
  /** The values that went into the pipe: each must have reached its first node. Default: not compared. */
  readonly input?: readonly unknown[] | undefined;
  /** Messages may get lost between two nodes, or be kept to the end: leases were lost, or the pipe has stopped at once. Default false. */
  readonly mayLose?: boolean | undefined;
}

const spec = 'messageConservation';

/**
 * Every message that came to a node is sent on, dropped, kept or failed, exactly once. The next node gets what was sent on: the same
 * values in the same order, nothing else, and nothing that was hidden. No state ends with messages in it.
 *
 * A run of a pipe that has crashed may have been cut off anywhere. So after a restart only the last run must be complete.
 * @throws an error that names the point.
 *
 * @example
 * ```ts
 * messageConservation(points, { input: written });
 * ```
 */
export function messageConservation(
  points: readonly TracePoint[],
  { input, mayLose = false }: ConservationOptions = {},
): void {
  const paths = pathPoints(points).map((each) => pathOf(spec, each));
  const firsts = paths.filter(({ index }) => index === 0);
  if (input !== undefined) checkInput(points, firsts, input);
  for (const path of paths) {
    const isLenient = mayLose || isCut(points, path);
    if (!isLenient) checkEnds(path);
    const next = paths.find(
      ({ pipe, run, index }) => pipe === path.pipe && run === path.run && index === path.index + 1,
    );
    if (next !== undefined) checkHop(path, next, isLenient);
  }
}

function checkInput(points: readonly TracePoint[], firsts: readonly NodePath[], input: readonly unknown[]): void {
  const left = new Map<unknown, number>();
  for (const { cameIn } of firsts)
    for (const { point } of cameIn.values()) left.set(point.value, (left.get(point.value) ?? 0) + 1);
  for (const value of input) {
    const count = left.get(value) ?? 0;
    if (count === 0)
      failTrace(spec, points.at(-1) ?? none, `an input has not come to the first node: ${String(value)}`);
    left.set(value, count - 1);
  }
}

const none = { node: 'the pipe', number: 0 } as TracePoint;

function checkEnds({ points, cameIn }: NodePath): void {
  for (const point of points) {
    if (point.callback !== 'terminate' || point.phase !== 'called') continue;
    for (const { fate, number, state } of cameIn.values())
      if (fate === 'kept' && state === point.state)
        failTrace(spec, point, `the state ends, and keeps message ${number}`);
  }
}

function checkHop(from: NodePath, to: NodePath, isLenient: boolean): void {
  const sent = from.wentOut.filter(({ output }) => !output.hidden);
  let failedInits = to.points.filter(({ callback, phase }) => callback === 'init' && phase === 'threw').length;
  let at = 0;
  for (const { point } of to.cameIn.values()) {
    for (;;) {
      const next = sent[at];
      if (next === undefined)
        failTrace(spec, point, `message ${point.message} was not sent by ${from.node}, or not in this order`);
      at += 1;
      const { value, route } = next.output;
      if (Object.is(value, point.value) && (typeof route !== 'object' || route.add === point.route)) break;
      failedInits -= 1;
      if (!isLenient && failedInits < 0) failTrace(spec, next.point, `an output has not come to ${to.node}`);
    }
  }
  const left = sent.slice(at);
  if (!isLenient && left.length > failedInits) failTrace(spec, left[0]!.point, `an output has not come to ${to.node}`);
}
