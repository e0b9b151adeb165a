// A crash that is injected at trace points.
import type { CrashScenario } from './crash-scenario.js';
import { matches, type PointPattern, type TracePoint } from './trace-point.js';

/**
 * The error of an injected crash. The failure policy gets it.
 *
 * @example
 * ```ts
 * // A policy can tell it, such as new InjectedCrash('crash 1 injected'), from other failures.
 * const onFailure: OnFailure = (error) => (error instanceof InjectedCrash ? 'crash' : retry());
 * ```
 */
export class InjectedCrash extends Error {
  /** Always `InjectedCrash`. */
  override readonly name = 'InjectedCrash';
}

/** What `injectCrash` returns. */
export interface CrashInjection {
  /** How often the pattern has selected a point. */
  readonly seen: number;
  /** How often the crash has happened. */
  readonly fired: number;
  /** Injects nothing more. */
  stop(): void;
}

export interface Injector extends CrashInjection {
  /** Throws if the crash happens at this point. */
  reach(point: TracePoint): void;
}

export function createInjector(pattern: PointPattern, scenario: CrashScenario): Injector {
  let seen = 0;
  let fired = 0;
  let isStopped = false;
  return {
    get seen() {
      return seen;
    },
    get fired() {
      return fired;
    },
    stop: () => {
      isStopped = true;
    },
    reach: (point) => {
      if (isStopped || !matches(pattern, point, 'called')) return;
      seen += 1;
      if (!scenario(seen)) return;
      fired += 1;
      const { node, callback, phase } = point;
      throw new InjectedCrash(`crash ${fired} injected: ${callback} of ${node}, ${phase}`);
    },
  };
}
