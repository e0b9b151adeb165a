// What a supervisor does when a child ends, by OTP's rules. `applyExit` and `applyFailedRestart` take a group and an event,
// change the group, and return a decision; `supervisor-operation.ts` applies it. Their cost depends on how many children the decision
// affects, not on the size of the group. The tests compare the decisions with a separately written model of OTP.
import { createDeque, type Deque } from '../src/core/deque.js';
import { createLinkedMap, type LinkedMap } from './linked-map.js';

/** Which children stop when one ends: no others, those started after it, all. */
export type Strategy = 'one-for-one' | 'rest-for-one' | 'one-for-all';

/**
 * Whether a child that ended is started again: always, after a crash, never. As in OTP, a supervisor that gave up
 * (RESTART_INTENSITY) counts as shut down, not as crashed. So a `transient` supervisor is not started again then.
 */
export type Restart = 'permanent' | 'transient' | 'temporary';

/** Whether the supervisor ends when significant children have ended on their own and will not restart. */
export type AutoShutdown = 'never' | 'any-significant' | 'all-significant';

export interface Policy {
  readonly strategy: Strategy;
  /** At most this many restarts within `periodMs`; the next one makes the supervisor give up. */
  readonly intensity: number;
  readonly periodMs: number;
  readonly autoShutdown: AutoShutdown;
}

export interface Member {
  readonly id: string;
  readonly restart: Restart;
  readonly significant: boolean;
  /** A restart removes the child instead of starting it again; its own crash still counts. */
  readonly forgetOnRestart: boolean;
  isAlive: boolean;
}

export interface Group {
  readonly policy: Policy;
  /** In start order. */
  readonly members: LinkedMap<Member>;
  /** The times of the restarts within the period. */
  readonly restarts: Deque<number>;
  /** The ids that a decision has removed from the group. Their specs are forgotten once the children are down. */
  readonly dropped: Set<string>;
  significantAlive: number;
}

export type Decision =
  | { readonly type: 'nothing' }
  /** Stop in the order of `stop` (reverse start order), then start in the order of `start`. */
  | { readonly type: 'restart'; readonly stop: readonly string[]; readonly start: readonly string[] }
  /** Significant children have ended: the supervisor ends normally. */
  | { readonly type: 'shutdown' }
  /** Too many restarts: the supervisor fails. */
  | { readonly type: 'giveUp' };

export function createGroup(policy: Policy): Group {
  return { policy, members: createLinkedMap(), restarts: createDeque(), dropped: new Set(), significantAlive: 0 };
}

/** Adds a child after all others. It is not alive yet. */
export function addMember(group: Group, member: Omit<Member, 'isAlive'>): void {
  group.members.append(member.id, { ...member, isAlive: false });
}

export function removeMember(group: Group, id: string): void {
  const member = group.members.get(id);
  if (member === undefined) return;
  setAlive(group, member, false);
  group.members.remove(id);
}

export function markStarted(group: Group, id: string): void {
  const member = group.members.get(id);
  if (member !== undefined) setAlive(group, member, true);
}

function setAlive(group: Group, member: Member, alive: boolean): void {
  if (member.significant && member.isAlive !== alive) group.significantAlive += alive ? 1 : -1;
  member.isAlive = alive;
}

/** A child ended by itself. */
export function applyExit(group: Group, id: string, how: 'normal' | 'shutdown' | 'crash', now: number): Decision {
  const child = group.members.get(id);
  if (child === undefined) return { type: 'nothing' };
  const isRestarted = child.restart === 'permanent' || (child.restart === 'transient' && how === 'crash');
  return isRestarted ? countRestart(group, child, now) : endForGood(group, child);
}

/** This child did not start during a restart. The start is tried again, and counts as another restart. */
export function applyFailedRestart(group: Group, id: string, now: number): Decision {
  const child = group.members.get(id);
  return child === undefined ? { type: 'nothing' } : countRestart(group, child, now);
}

function endForGood(group: Group, child: Member): Decision {
  setAlive(group, child, false);
  if (isNeverStartedAgain(child)) drop(group, child);
  return { type: endsSupervisor(group, child) ? 'shutdown' : 'nothing' };
}

function endsSupervisor(group: Group, child: Member): boolean {
  if (!child.significant) return false;
  switch (group.policy.autoShutdown) {
    case 'never':
      return false;
    case 'any-significant':
      return true;
    case 'all-significant':
      return group.significantAlive === 0;
  }
}

/** Counts the restart. If there are more than the intensity allows, the supervisor gives up instead. */
function countRestart(group: Group, child: Member, now: number): Decision {
  const { policy, restarts } = group;
  const periodStart = now - policy.periodMs;
  for (let oldest = restarts.peek(); oldest !== undefined && oldest < periodStart; oldest = restarts.peek()) {
    restarts.shift();
  }

  restarts.push(now);
  if (restarts.length > policy.intensity) return { type: 'giveUp' };

  const affected = affectedBy(group, child);
  const stop = affected.filter((member) => member.isAlive && member !== child).map((member) => member.id);
  const start = affected.filter((member) => !isNeverStartedAgain(member)).map((member) => member.id);
  for (const member of affected) {
    setAlive(group, member, false);
    if (isNeverStartedAgain(member)) drop(group, member);
  }

  return { type: 'restart', stop: stop.reverse(), start };
}

function affectedBy(group: Group, child: Member): readonly Member[] {
  switch (group.policy.strategy) {
    case 'one-for-one':
      return [child];
    case 'rest-for-one':
      return [...group.members.from(child.id)];
    case 'one-for-all':
      return [...group.members.from()];
  }
}

function drop(group: Group, member: Member): void {
  group.members.remove(member.id);
  group.dropped.add(member.id);
}

function isNeverStartedAgain(member: Member): boolean {
  return member.restart === 'temporary' || member.forgetOnRestart;
}
