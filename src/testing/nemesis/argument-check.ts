// Checks the arguments of a nemesis, and throws INVALID_OPTION for a wrong one. A wrong argument would silently cause another
// fault or none, and the test would pass.
import type { Runtime } from '../../../supervision/index.js';
import { checkMembers, kind, milliseconds, oneOf, refuse, shaped, text } from '../../options/option-table.js';
import {
  type NemesisAct,
  type NemesisMoment,
  type NemesisOptions,
  type NemesisStartOptions,
  type MessageFilter,
} from './types.js';
import { checkName, checkTarget, everydayKinds } from './targets.js';

const allActs: readonly NemesisAct[] = ['kill', 'pause', 'delay', 'duplicate', 'fail', 'hang'];

const unchecked = kind('anything', () => true);
const someText = text('a non-empty string', /./s);

/** The members of every argument that is an object. */
const shapes = {
  nemesis: { seed: unchecked },
  message: { at: someText, when: oneOf('before', 'after') },
  effect: { effect: someText, when: oneOf('before', 'during', 'after') },
  killRandom: { kinds: unchecked },
  pause: { ms: milliseconds(0) },
  delay: { from: unchecked, to: unchecked, type: unchecked, ms: milliseconds(0) },
  duplicate: { from: unchecked, to: unchecked, type: unchecked, probability: unchecked },
  hang: { when: oneOf('before', 'after') },
  start: { everyMs: unchecked, acts: kind('an array', Array.isArray), kinds: kind('an array', Array.isArray) },
} as const;

export function checkNemesis(consumer: unknown, options: NemesisOptions): number {
  shaped('a consumer made by createConsumer', ['runtime', 'closed'], 'Consumer', false).parse(consumer, 'consumer');
  checkMembers(shapes.nemesis, options, ['seed']);
  return Number.isFinite(options.seed) ? options.seed : refuse('seed', 'a number', options.seed);
}

export function checkFilter<T extends MessageFilter>(runtime: Runtime, verb: 'delay' | 'duplicate', given: T): T {
  checkMembers(shapes[verb], given, verb === 'delay' ? ['ms'] : []);
  for (const option of ['from', 'to'] as const) {
    const target = given[option];
    if (target !== undefined) checkTarget(runtime, target, option);
  }
  checkName(runtime, given.to, { what: 'messages', name: given.type, option: 'type' });
  return given;
}

export function checkEffect(runtime: Runtime, target: string, effect: string | undefined): void {
  checkTarget(runtime, target, 'target');
  checkName(runtime, target, { what: 'effects', name: effect, option: 'effect' });
}

/** Throws INVALID_OPTION for a moment that can never come. */
export function checkMoment(runtime: Runtime, target: string, moment: NemesisMoment): void {
  checkTarget(runtime, target, 'target');
  if (typeof moment === 'object' && moment !== null && 'effect' in moment) {
    checkMembers(shapes.effect, moment, ['effect'], 'moment');
    checkName(runtime, target, { what: 'effects', name: moment.effect, option: 'moment.effect' });
  } else {
    checkMembers(shapes.message, moment, ['at'], 'moment');
    checkName(runtime, target, { what: 'messages', name: moment.at, option: 'moment.at' });
  }
}

export function checkedWhen(given: { readonly when?: 'before' | 'after' }): 'before' | 'after' {
  checkMembers(shapes.hang, given);
  return given.when ?? 'before';
}

export function checkedPause(given: { readonly ms?: number }): number | undefined {
  checkMembers(shapes.pause, given);
  return given.ms;
}

export function checkedVictims(given: { readonly kinds?: readonly string[] }): readonly string[] {
  checkMembers(shapes.killRandom, given);
  return checkedKinds(given.kinds ?? everydayKinds);
}

function checkedKinds(kinds: readonly string[]): readonly string[] {
  if (!Array.isArray(kinds) || kinds.length === 0) refuse('kinds', "actors' paths or kinds", kinds);
  return kinds;
}

export function checkedMs(ms: number): number {
  return milliseconds(0).parse(ms, 'ms');
}

export function checkedProbability(probability: number): number {
  const may = typeof probability === 'number' && probability >= 0 && probability <= 1;
  return may ? probability : refuse('probability', 'a number from 0 to 1', probability);
}

/** The options of `start`, with defaults filled in. */
export function checkedStart(runtime: Runtime, given: NemesisStartOptions): Required<NemesisStartOptions> {
  checkMembers(shapes.start, given);
  const { everyMs = 1_000, acts = allActs, kinds = everydayKinds } = given;

  if (!(Number.isFinite(everyMs) && everyMs > 0)) refuse('everyMs', 'a number above 0', everyMs);
  if (acts.length === 0) refuse('acts', `some of ${allActs.join(', ')}`, acts);
  for (const act of acts) if (!allActs.includes(act)) refuse('acts', `some of ${allActs.join(', ')}`, act);

  checkedKinds(kinds);
  for (const kind of kinds) checkTarget(runtime, kind, 'kinds');

  return { everyMs, acts, kinds };
}
