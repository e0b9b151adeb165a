// Two trace points in a forced order: one is held until the other has happened.
import { NonRetryableError } from '../../api/failure-policy.js';
import { matches, pointText, type PointPattern, type TracePoint } from './trace-point.js';

/** The options of `forceOrdering`. */
export interface ForcedOrderOptions {
  /** How many other points may happen while a call is held. An integer of at least 1. Default 1,000. */
  readonly steps?: number | undefined;
}

interface HeldCall {
  readonly point: TracePoint;
  /** How many points have happened since. */
  steps: number;
  readonly release: (error?: Error) => void;
}

export interface ForcedOrder {
  /** A promise that resolves when the point may happen; undefined: it may happen now. */
  hold(point: TracePoint, signal: AbortSignal): Promise<void> | undefined;
  /** The point has happened. */
  note(point: TracePoint): void;
  /** The errors of calls that were held in vain, also of those that still are. */
  readonly failures: readonly Error[];
}

export function createForcedOrder(
  after: PointPattern,
  before: PointPattern,
  { steps = 1_000 }: ForcedOrderOptions,
): ForcedOrder {
  const held = new Set<HeldCall>();
  const overdue: Error[] = [];
  let hasHappened = false;
  const errorOf = ({ point }: HeldCall, why: string): Error =>
    new NonRetryableError(
      `forceOrdering: this point was held, and the one before it never came (${why}): ${pointText(point)}`,
    );
  const giveUp = (call: HeldCall, why: string): void => {
    const error = errorOf(call, why);
    overdue.push(error);
    call.release(error);
  };
  return {
    hold: (point, signal) => {
      if (hasHappened || !matches(after, point, 'called')) return undefined;
      return new Promise((resolve, reject) => {
        const call: HeldCall = {
          point,
          steps: 0,
          release: (error) => {
            held.delete(call);
            signal.removeEventListener('abort', aborted);
            if (error === undefined) resolve();
            else reject(error);
          },
        };
        const aborted = (): void => giveUp(call, `the call was aborted: ${String(signal.reason)}`);
        held.add(call);
        if (signal.aborted) aborted();
        else signal.addEventListener('abort', aborted);
      });
    },
    note: (point) => {
      if (matches(before, point, 'returned')) {
        hasHappened = true;
        for (const call of held) call.release();
      }
      for (const call of held) {
        call.steps += 1;
        if (call.steps >= steps) giveUp(call, `${steps} steps`);
      }
    },
    get failures() {
      return [...overdue, ...[...held].map((call) => errorOf(call, 'the run is over'))];
    },
  };
}
