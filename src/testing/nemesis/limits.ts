// What a nemesis refuses, all with INVALID_OPTION: values with which it would do something else than was meant, or nothing,
// without a word. A test that injects no fault passes.
import type { Runtime } from '../../../supervision/index.js';
import { milliseconds, refuse } from '../../option-table.js';
import type { NemesisAct, NemesisStartOptions } from '../nemesis.js';
import { checkTarget, everydayKinds } from './whom.js';

const allActs: readonly NemesisAct[] = ['kill', 'pause', 'delay', 'duplicate', 'fail', 'hang'];

export function checkedSeed(seed: number): number {
  return Number.isFinite(seed) ? seed : refuse('seed', 'a number', seed);
}

export function checkedMs(ms: number): number {
  return milliseconds(0).parse(ms, 'ms');
}

export function checkedProbability(probability: number): number {
  const may = probability >= 0 && probability <= 1;
  return may ? probability : refuse('probability', 'a number from 0 to 1', probability);
}

/** What `start` was given, with its defaults. */
export function checkedStart(runtime: Runtime, given: NemesisStartOptions): Required<NemesisStartOptions> {
  const { everyMs = 1_000, acts = allActs, kinds = everydayKinds } = given;
  if (!(everyMs > 0)) refuse('everyMs', 'a number above 0', everyMs);
  if (acts.length === 0) refuse('acts', `some of ${allActs.join(', ')}`, acts);
  for (const act of acts) if (!allActs.includes(act)) refuse('acts', `some of ${allActs.join(', ')}`, act);
  if (kinds.length === 0) refuse('kinds', "actors' paths or kinds", kinds);
  for (const kind of kinds) checkTarget(runtime, kind, 'kinds');
  return { everyMs, acts, kinds };
}
