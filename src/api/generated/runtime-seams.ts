// What the tree of a consumer runs on.
import type { Clock, Random, Timers } from '../ports.js';

/** What the tree runs on. Everything defaults to the host's. */
export interface RuntimeSeams {
  readonly clock?: Clock | undefined;
  readonly timers?: Timers | undefined;
  readonly random?: Random | undefined;
  /** Gets one entry per step of the actors (`TraceEntry` of `kinact/supervision`). The same run gives the same entries. */
  readonly trace?: ((entry: never) => void) | undefined;
  /** Stands between actors and their messages and effects (`Intercept` of `kinact/supervision`). */
  readonly intercept?: object | undefined;
}
