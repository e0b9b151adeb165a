// A trace of a pipe: its points in order, the crashes that are injected, and the orders that are forced.
import { refuse } from '../../options/option-table.js';
import { createInjector, type CrashInjection, type Injector } from './crash-injection.js';
import type { CrashScenario } from './crash-scenario.js';
import { createForcedOrder, type ForcedOrder, type ForcedOrderOptions } from './forced-order.js';
import type { PointPattern, TracePoint } from './trace-point.js';
import { createRuns, type Runs } from './trace-runs.js';

/** What a trace notes besides the points. */
export interface PipeTraceOptions {
  /**
   * Makes something of a state that no later call changes, such as a number in it. `index`: the place of the node. Default: points have no
   * snapshot.
   */
  readonly snapshot?: ((state: unknown, index: number) => unknown) | undefined;
}

/** What `tracePipe` fills. */
export interface PipeTrace {
  /** The points so far, in order. */
  readonly points: readonly TracePoint[];
  /**
   * Throws an `InjectedCrash` at the points that the pattern selects, when the scenario says so. A pattern that names no phase selects
   * calls: the callback is not called then.
   *
   * With `phase: 'returned'` the callback has done its work, and its result is lost. Use it where such a failure can come: in a sink, or
   * with `onFailure: 'crash'`. A node that changes its state in place cannot repeat the call.
   */
  injectCrash(pattern: PointPattern, scenario: CrashScenario): CrashInjection;
  /**
   * Holds a point that `after` selects until one that `before` selects has happened; once that has happened, nothing is held. A pattern
   * that names no phase: `after` selects calls, and `before` selects calls that have returned. `handleLost` is synchronous, and is never
   * held.
   *
   * If `before` does not come within `steps` points, or before the signal of the call aborts, the call fails with a NonRetryableError. Then
   * `checkTrace` fails, too.
   */
  forceOrdering(after: PointPattern, before: PointPattern, options?: ForcedOrderOptions): void;
  /** Throws if a forced order has failed, or a call is still held. */
  checkOrders(): void;
}

/** What the traced nodes need. */
export interface TraceRecorder {
  readonly runs: Runs;
  snapshot(state: unknown, index: number): unknown;
  /** The number of a message or a holding. */
  numberOf(thing: object): number;
  nextState(): number;
  /** The number that the next point gets. */
  nextNumber(): number;
  note(point: TracePoint): void;
  /** Throws if a crash happens at the point. */
  reach(point: TracePoint): void;
  /** Whether any order is forced. */
  mayHold(): boolean;
  hold(point: TracePoint, signal: AbortSignal): Promise<void> | undefined;
}

const recorders = new WeakMap<PipeTrace, TraceRecorder>();

export function recorderOf(trace: PipeTrace): TraceRecorder {
  return recorders.get(trace) ?? refuse('trace', 'a trace of createPipeTrace()', trace);
}

/**
 * Makes an empty trace. `checkTrace` makes one for each run; make one yourself for a test that is not in two stages.
 *
 * @example
 * ```ts
 * const trace = createPipeTrace();
 * const traced = tracePipe(pipe().to((bytes) => save(bytes)), trace);
 * // Give `traced` to createConsumer, and look at trace.points behind the run.
 * ```
 */
export function createPipeTrace({ snapshot }: PipeTraceOptions = {}): PipeTrace {
  const points: TracePoint[] = [];
  const numbers = new WeakMap<object, number>();
  const injectors: Injector[] = [];
  const orders: ForcedOrder[] = [];
  let things = 0;
  let states = 0;
  const trace: PipeTrace = {
    points,
    injectCrash: (pattern, scenario) => {
      if (typeof scenario !== 'function') refuse('scenario', 'a function, such as always()', scenario);
      const injector = createInjector(pattern, scenario);
      injectors.push(injector);
      return injector;
    },
    forceOrdering: (after, before, options = {}) => void orders.push(createForcedOrder(after, before, options)),
    checkOrders: () => {
      for (const { failures } of orders) for (const failure of failures) throw failure;
    },
  };
  recorders.set(trace, {
    runs: createRuns(),
    snapshot: (state, index) => snapshot?.(state, index),
    numberOf: (thing) => {
      let number = numbers.get(thing);
      if (number === undefined) numbers.set(thing, (number = things += 1));
      return number;
    },
    nextState: () => (states += 1),
    nextNumber: () => points.length,
    note: (point) => {
      points.push(point);
      for (const order of orders) order.note(point);
    },
    reach: (point) => {
      for (const injector of injectors) injector.reach(point);
    },
    mayHold: () => orders.length > 0,
    hold: (point, signal) => {
      const holds = orders.flatMap((order) => order.hold(point, signal) ?? []);
      return holds.length === 0 ? undefined : Promise.all(holds).then(() => undefined);
    },
  });
  return trace;
}
