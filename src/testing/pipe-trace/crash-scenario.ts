// When an injected crash happens. A scenario is a function of a counter, so the same run crashes at the same places.
import { refuse } from '../../options/option-table.js';

/** Whether the crash happens at the `occurrence`-th point that the pattern selects, from 1. */
export type CrashScenario = (occurrence: number) => boolean;

/**
 * Each time.
 *
 * @example
 * ```ts
 * trace.injectCrash({ node: 'map', callback: 'handleMessage', value: 13 }, always());
 * ```
 */
export function always(): CrashScenario {
  return () => true;
}

/**
 * The first `failures` times, and never again. An integer of at least 1.
 *
 * @example
 * ```ts
 * trace.injectCrash({ node: 'sink', callback: 'handleMessage' }, recoverAfter(2)); // as a store that is down for two calls
 * ```
 */
export function recoverAfter(failures: number): CrashScenario {
  checkCount('failures', failures, 1);
  return (occurrence) => occurrence <= failures;
}

/** The members of a periodic scenario. */
export interface PeriodicOptions {
  /** How many points make a period. An integer of at least 1. */
  readonly period: number;
  /** The share of each period that works, 0 to 1. It comes first, and then the crashes. */
  readonly duty: number;
  /** How many points of the first period are left out. An integer of at least 0. Default 0. */
  readonly phase?: number | undefined;
}

/**
 * In each period: first the points that work, then those that crash. `periodic({ period: 10, duty: 0.9 })` crashes every tenth time.
 *
 * @example
 * ```ts
 * trace.injectCrash({ node: 'sink', callback: 'handleMessage' }, periodic({ period: 10, duty: 0.9 }));
 * ```
 */
export function periodic({ period, duty, phase = 0 }: PeriodicOptions): CrashScenario {
  checkCount('period', period, 1);
  checkCount('phase', phase, 0);
  if (!(duty >= 0 && duty <= 1)) refuse('duty', 'a number from 0 to 1', duty);
  return (occurrence) => (occurrence - 1 + phase) % period >= Math.round(duty * period);
}

/**
 * With this probability. `random` gives numbers in [0, 1): pass a seeded one, and the run can be repeated.
 *
 * @example
 * ```ts
 * trace.injectCrash({ callback: 'handleMessage' }, random(0.01, () => 0.5)); // better: a seeded generator
 * ```
 */
export function random(probability: number, random: () => number): CrashScenario {
  if (!(probability >= 0 && probability <= 1)) refuse('probability', 'a number from 0 to 1', probability);
  if (typeof random !== 'function') refuse('random', 'a function', random);
  return () => random() < probability;
}

function checkCount(path: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) refuse(path, `an integer >= ${least}`, value);
}
