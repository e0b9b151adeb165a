// The child specs of a supervisor, checked before anything starts.
import type { Behaviour, Ref } from './actor.js';
import { callback, checkMembers, flag, kind, oneOf, refuse, text, type Kind } from '../src/options/option-table.js';
import type { Member, Policy, Restart } from './strategy.js';

/** The children that are running when another one is started. */
export interface Siblings {
  /** The running child with this id. Whether it takes messages of type `Message` is not checked. */
  ref<Message>(id: string): Ref<Message> | undefined;
}

/** One child of a supervisor. */
export interface ChildSpec {
  /** Unique among the children. The child's path is `kind/id#n`; an id that begins with its kind is not doubled. */
  readonly id: string;
  /** Makes the behaviour of a new incarnation, given the siblings that are running. A throw is a failed start. */
  // The children of one supervisor have different message types, and `unknown` would fit none of them.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly start: (siblings: Siblings) => Behaviour<any, any, any>;
  /**
   * Whether a child that ended is started again.
   * @default 'permanent'
   */
  readonly restart?: Restart;
  /**
   * How many milliseconds the supervisor waits for the child's user effects and children when it stops the child. `brutal`: not
   * at all. `infinity`: as long as it takes.
   * @default 5_000, and `infinity` for a supervisor: a behaviour with `stopChildren`
   */
  readonly shutdown?: number | 'brutal' | 'infinity';
  /**
   * See `autoShutdown`. Only for transient and temporary children.
   * @default false
   */
  readonly significant?: boolean;
  /**
   * If true, a restart that includes this child, or that its crash causes, removes it as if it were temporary. `dynamic`, or the
   * code that started it, decides whether to start it again. Its crash still counts as a restart.
   * @default false
   */
  readonly forgetOnRestart?: boolean;
}

const specKinds: Readonly<Record<keyof ChildSpec, Kind<unknown>>> = {
  id: text('a non-empty string', /./s),
  start: callback(),
  restart: oneOf('permanent', 'transient', 'temporary'),
  shutdown: kind("milliseconds, 'brutal' or 'infinity'", (value) => {
    return value === 'brutal' || value === 'infinity' || (typeof value === 'number' && value >= 0);
  }),
  significant: flag,
  forgetOnRestart: flag,
};

/** A spec as the strategy sees it. Throws INVALID_OPTION if the spec is wrong or its id is taken. */
export function memberOf(
  spec: ChildSpec,
  policy: Policy,
  taken: ReadonlyMap<string, unknown>,
): Omit<Member, 'isAlive'> {
  checkMembers(specKinds, spec, ['id', 'start'], 'children');
  const { id, restart = 'permanent', significant = false, forgetOnRestart = false } = spec;
  if (taken.has(id)) refuse('children.id', 'an id that no other child has', id);
  if (significant && (restart === 'permanent' || policy.autoShutdown === 'never')) {
    const expected = 'false, but for a transient or temporary child of a supervisor with autoShutdown';
    refuse('children.significant', expected, significant);
  }
  return { id, restart, significant, forgetOnRestart };
}

/** OTP's default for how long a child that is not a supervisor may take to stop. */
export const defaultShutdownMs = 5_000;

/** How long the child may take to stop. */
export function shutdownMsOf(spec: ChildSpec, behaviour: Behaviour<unknown, unknown>): number {
  switch (spec.shutdown) {
    case 'brutal':
      return 0;
    case 'infinity':
      return Infinity;
    case undefined:
      return behaviour.stopChildren === undefined ? defaultShutdownMs : Infinity;
    default:
      return spec.shutdown;
  }
}
