// The options and child specs of a supervisor, checked before anything starts.
import type { Behaviour, Effect, Ref } from './actor.js';
import { callback, checkMembers, flag, kind, oneOf, refuse, text } from '../src/options/option-table.js';
import type { Kind } from '../src/options/option-table.js';
import type { AutoShutdown, Member, Policy, Restart, Strategy } from './strategy.js';

/** The children that are running when another one is started. */
export interface Siblings {
  /** The running child of this id. The type of its messages is the caller's claim. */
  ref<M>(id: string): Ref<M> | undefined;
}

/** One child of a supervisor. */
export interface ChildSpec {
  /** Unique among the children. The child's path is `kind/id#n`; an id that begins with its kind is not doubled. */
  readonly id: string;
  /** Makes the behaviour of a new incarnation, with the siblings started before it. A throw is a failed start. */
  // Children of one supervisor share nothing but being behaviours; `unknown` would fit none of them.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly start: (siblings: Siblings) => Behaviour<any, any, any>;
  /** Default `permanent`. */
  readonly restart?: Restart;
  /**
   * How long it may take to stop: the supervisor waits for its user effects and children for so many milliseconds. `brutal`:
   * not at all. `infinity`, the default of a supervisor: as long as it takes. Default 5,000.
   */
  readonly shutdown?: number | 'brutal' | 'infinity';
  /** See `autoShutdown`. Only for transient and temporary children. Default false. */
  readonly significant?: boolean;
  /**
   * True: a restart that includes this child, or that it causes, drops it as if it were temporary. `dynamic`, or the caller
   * who started it, decides whether to start it again. Its crash still counts. Default false.
   */
  readonly forgetOnRestart?: boolean;
}

/** `Event`: what its `restarting` emits. */
export interface SupervisorOptions<Event = unknown> {
  /** The actor's kind, in its path. Default `supervisor`. */
  readonly kind?: string;
  /** Default `one-for-one`. */
  readonly strategy?: Strategy;
  /** The supervisor tolerates so many restarts within `periodMs`; one more, and it fails with RESTART_INTENSITY. Default 1. */
  readonly intensity?: number;
  /** The length of the sliding period. Default 5,000. */
  readonly periodMs?: number;
  /** Default `never`. */
  readonly autoShutdown?: AutoShutdown;
  /** Started in this order, stopped in the reverse one. */
  readonly children: readonly ChildSpec[];
  /** See `Behaviour.stopChildren`: `one-by-one`, as in OTP, is the default. */
  readonly stopChildren?: 'one-by-one' | 'together';
  /**
   * Further children, asked for after the first start, and after every restart under rest-for-one and one-for-all. One that
   * does not start is left out.
   */
  readonly dynamic?: (siblings: Siblings) => readonly ChildSpec[];
  /** Effects when a restart begins, such as an event. `count` counts the restarts of this supervisor's life. */
  readonly restarting?: (count: number, error: Error) => readonly Effect<never, Event>[];
}

const optionKinds: Readonly<Record<keyof SupervisorOptions, Kind<unknown>>> = {
  kind: text('a text that is not empty', /./s),
  strategy: oneOf('one-for-one', 'rest-for-one', 'one-for-all'),
  intensity: kind('a number of restarts, 0 or more', (value) => typeof value === 'number' && value >= 0),
  periodMs: kind('milliseconds, more than 0', (value) => typeof value === 'number' && value > 0),
  autoShutdown: oneOf('never', 'any-significant', 'all-significant'),
  children: kind('an array of child specs', Array.isArray),
  stopChildren: oneOf('one-by-one', 'together'),
  dynamic: callback(),
  restarting: callback(),
};

const specKinds: Readonly<Record<keyof ChildSpec, Kind<unknown>>> = {
  id: text('a text that is not empty', /./s),
  start: callback(),
  restart: oneOf('permanent', 'transient', 'temporary'),
  shutdown: kind("milliseconds, 'brutal' or 'infinity'", (value) => {
    return value === 'brutal' || value === 'infinity' || (typeof value === 'number' && value >= 0);
  }),
  significant: flag,
  forgetOnRestart: flag,
};

/** The policy with its defaults. Throws INVALID_OPTION. */
export function policyOf(options: SupervisorOptions): Policy {
  checkMembers(optionKinds, options, ['children'], '');
  const { strategy = 'one-for-one', intensity = 1, periodMs = 5_000, autoShutdown = 'never' } = options;
  return { strategy, intensity, periodMs, autoShutdown };
}

/** A spec as the strategy sees it. Throws INVALID_OPTION when it is wrong or its id is taken. */
export function memberOf(spec: ChildSpec, policy: Policy, taken: ReadonlyMap<string, unknown>): Omit<Member, 'alive'> {
  checkMembers(specKinds, spec, ['id', 'start'], 'children');
  const { id, restart = 'permanent', significant = false, forgetOnRestart = false } = spec;
  if (taken.has(id)) refuse('children.id', 'an id that no other child has', id);
  if (significant && (restart === 'permanent' || policy.autoShutdown === 'never')) {
    const expected = 'false, but for a transient or temporary child of a supervisor with autoShutdown';
    refuse('children.significant', expected, significant);
  }
  return { id, restart, significant, forgetOnRestart };
}

/** How long the child may take to stop. */
export function shutdownMsOf(spec: ChildSpec, behaviour: Behaviour<unknown, unknown>): number {
  switch (spec.shutdown) {
    case 'brutal':
      return 0;
    case 'infinity':
      return Infinity;
    case undefined:
      return behaviour.stopChildren === undefined ? 5_000 : Infinity;
    default:
      return spec.shutdown;
  }
}
