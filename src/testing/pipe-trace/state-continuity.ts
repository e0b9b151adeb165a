// The laws of states: none of their changes is lost, and each begins and ends once.
import { isDeepStrictEqual } from 'node:util';
import { failTrace, isCut } from './message-paths.js';
import type { TracePoint } from './trace-point.js';

interface Known {
  /** The versions that the next call may see. */
  readonly versions: readonly number[];
  /** What the state was then, if it is known. */
  readonly snapshot?: unknown;
  isBusy: boolean;
}

const byState = (points: readonly TracePoint[]): ReadonlyMap<number, TracePoint[]> => {
  const states = new Map<number, TracePoint[]>();
  for (const point of points) {
    if (point.state === 0) continue;
    const list = states.get(point.state);
    if (list === undefined) states.set(point.state, [point]);
    else list.push(point);
  }
  return states;
};

/**
 * No change of a state is lost: each call gets the state that the last successful call returned, and after a failure the old one. With the
 * option `snapshot` of the trace, what the state says must be the same, too. Calls of one state do not overlap.
 *
 * A result that kinact refuses is a gap, too, if its message is skipped.
 * @throws an error that names the point.
 *
 * @example
 * ```ts
 * stateContinuity(points);
 * ```
 */
export function stateContinuity(points: readonly TracePoint[]): void {
  const spec = 'stateContinuity';
  for (const each of byState(points).values()) {
    let known: Known | undefined;
    for (const point of each) {
      const { phase, callback, version, snapshot, failure } = point;
      if (phase === 'called') {
        if (known === undefined) failTrace(spec, point, 'the state is used before init has returned');
        // A stop at once ends a state beside a call that it has given up.
        if (known.isBusy && callback !== 'terminate') failTrace(spec, point, 'two calls of the state overlap');
        if (!known.versions.includes(version))
          failTrace(spec, point, `the state has version ${version}, and not ${known.versions.join(' or ')}`);
        if ('snapshot' in known && !isDeepStrictEqual(known.snapshot, snapshot))
          failTrace(spec, point, 'the state has changed between two calls');
        known.isBusy = true;
      } else if (phase === 'returned') known = { versions: [version], snapshot, isBusy: false };
      else {
        const after = failure === undefined ? [] : [failure.version];
        known = { versions: [version, ...after], isBusy: false };
      }
    }
  }
}

/** The options of `initTerminate`. */
export interface LifetimeOptions {
  /** The last run of each pipe has ended, so every state must have. Default true. */
  readonly hasEnded?: boolean | undefined;
}

/**
 * Each state that `init` has made ends with exactly one call of `terminate`. No call comes before `init` has returned, and none after
 * `terminate`.
 * @throws an error that names the point.
 *
 * @example
 * ```ts
 * initTerminate(points);
 * ```
 */
export function initTerminate(points: readonly TracePoint[], { hasEnded = true }: LifetimeOptions = {}): void {
  const spec = 'initTerminate';
  for (const each of byState(points).values()) {
    let phase: 'none' | 'alive' | 'ended' = 'none';
    for (const point of each) {
      if (point.callback === 'init') {
        if (phase !== 'none') failTrace(spec, point, 'init makes the same state twice');
        phase = 'alive';
      } else if (point.phase === 'called') {
        if (phase !== 'alive')
          failTrace(
            spec,
            point,
            `${point.callback} is called, and the state is ${phase === 'none' ? 'not made' : 'ended'}`,
          );
        if (point.callback === 'terminate') phase = 'ended';
      }
    }
    const last = each.at(-1) as TracePoint;
    if (phase === 'alive' && (hasEnded || isCut(points, last)))
      failTrace(spec, last, 'terminate of the state was never called');
  }
}
