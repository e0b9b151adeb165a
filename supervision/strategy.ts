// What a supervisor does when a child ends: OTP's rules (V1–V5) as pure functions from a group and an event to a new group
// and a decision. `supervisor.ts` carries decisions out; the tests hold them against a model of OTP written apart.

/** Whom the end of a child takes along: nobody, those started after it, everybody. */
export type Strategy = 'one-for-one' | 'rest-for-one' | 'one-for-all';

/**
 * Whether a child that ended is started again: always, when it crashed, never. As in OTP, a supervisor that gave up
 * (RESTART_INTENSITY) has shut down, which for `transient` is no crash.
 */
export type Restart = 'permanent' | 'transient' | 'temporary';

/** Whether the end of significant children, by themselves and for good, ends the supervisor. */
export type AutoShutdown = 'never' | 'any-significant' | 'all-significant';

export interface Policy {
  readonly strategy: Strategy;
  /** So many restarts within `periodMs` are borne; one more makes the supervisor give up. */
  readonly intensity: number;
  readonly periodMs: number;
  readonly autoShutdown: AutoShutdown;
}

export interface Member {
  readonly id: string;
  readonly restart: Restart;
  readonly significant: boolean;
  /** A restart drops it instead of starting it again, though its crash counts like any other. */
  readonly forgetOnRestart: boolean;
  readonly alive: boolean;
}

export interface Group {
  /** In start order. */
  readonly members: readonly Member[];
  /** When restarts happened, within the period. */
  readonly restarts: readonly number[];
}

export type Decision =
  | { readonly type: 'nothing' }
  /** Stop in the order of `stop` (reverse start order), then start in the order of `start`. */
  | { readonly type: 'restart'; readonly stop: readonly string[]; readonly start: readonly string[] }
  /** Significant children have ended: the supervisor ends normally. */
  | { readonly type: 'shutdown' }
  /** Too many restarts: the supervisor fails. */
  | { readonly type: 'giveUp' };

export const emptyGroup: Group = { members: [], restarts: [] };

/** A new last child, not alive yet. */
export function withMember(group: Group, member: Omit<Member, 'alive'>): Group {
  return { ...group, members: [...group.members, { ...member, alive: false }] };
}

export function withoutMember(group: Group, id: string): Group {
  return { ...group, members: group.members.filter((member) => member.id !== id) };
}

export function started(group: Group, id: string): Group {
  return { ...group, members: group.members.map((member) => (member.id === id ? { ...member, alive: true } : member)) };
}

/** A child ended by itself. */
export function exited(
  policy: Policy,
  group: Group,
  id: string,
  how: 'normal' | 'shutdown' | 'crash',
  now: number,
): readonly [Group, Decision] {
  const child = group.members.find((member) => member.id === id);
  if (child === undefined) return [group, { type: 'nothing' }];
  const restarts = child.restart === 'permanent' || (child.restart === 'transient' && how === 'crash');
  return restarts ? restart(policy, group, child, now) : leave(policy, group, child);
}

/** A restart got as far as this child, which did not start. It is tried again, and counts again. */
export function restartFailed(policy: Policy, group: Group, id: string, now: number): readonly [Group, Decision] {
  const child = group.members.find((member) => member.id === id);
  return child === undefined ? [group, { type: 'nothing' }] : restart(policy, group, child, now);
}

function leave(policy: Policy, group: Group, child: Member): readonly [Group, Decision] {
  const members =
    child.restart === 'temporary' || child.forgetOnRestart
      ? group.members.filter((member) => member !== child)
      : group.members.map((member) => (member === child ? { ...member, alive: false } : member));
  return [{ ...group, members }, { type: endsSupervisor(policy, members, child) ? 'shutdown' : 'nothing' }];
}

function endsSupervisor(policy: Policy, left: readonly Member[], child: Member): boolean {
  if (!child.significant) return false;
  switch (policy.autoShutdown) {
    case 'never':
      return false;
    case 'any-significant':
      return true;
    case 'all-significant':
      return !left.some((member) => member.significant && member.alive);
  }
}

function restart(policy: Policy, group: Group, child: Member, now: number): readonly [Group, Decision] {
  const restarts = [...group.restarts.filter((at) => at >= now - policy.periodMs), now];
  if (restarts.length > policy.intensity) return [{ ...group, restarts }, { type: 'giveUp' }];
  const affected = affectedBy(policy.strategy, group.members, child);
  const stop = affected.filter((member) => member.alive && member !== child).map((member) => member.id);
  const start = affected.filter((member) => !isDropped(member)).map((member) => member.id);
  const members = group.members
    .filter((member) => !(affected.includes(member) && isDropped(member)))
    .map((member) => (affected.includes(member) ? { ...member, alive: false } : member));
  return [
    { members, restarts },
    { type: 'restart', stop: stop.reverse(), start },
  ];
}

function affectedBy(strategy: Strategy, members: readonly Member[], child: Member): readonly Member[] {
  switch (strategy) {
    case 'one-for-one':
      return [child];
    case 'rest-for-one':
      return members.slice(members.indexOf(child));
    case 'one-for-all':
      return members;
  }
}

function isDropped(member: Member): boolean {
  return member.restart === 'temporary' || member.forgetOnRestart;
}
