// The actors of a fault: a path as `status().tree` shows it, the path without its incarnation, or a kind.
import { actorsOf, type Ref, type Runtime } from '../../../supervision/index.js';
import { isRunning } from '../../../supervision/status.js';
import { KinactError } from '../../api/errors.js';
import { refuse } from '../../options/option-table.js';
import type { Dice } from '../dice.js';
import { vocabularies, type Vocabulary } from './vocabulary.js';

/** The actors below the supervisors: a crash of one is routine. */
export const everydayKinds = [
  'lease-coordinator',
  'lease-keeper',
  'stage',
  'reducer',
  'pipe',
  'pipe-node',
  'shard-worker-supervisor',
  'shard-worker',
] as const;

const kinds: readonly string[] = [...everydayKinds, 'consumer', 'coordinators', 'pipeline', 'outside'];

/** The name of an effect without `#3` or `/key`, which tell apart effects that run at once. */
const baseOf = (name: string): string => name.replace(/[#/].*/s, '');

/** A message or an effect, as an option names it. */
export interface Named {
  readonly what: keyof Vocabulary;
  readonly name: string | undefined;
  readonly option: string;
}

/**
 * Throws INVALID_OPTION for an unknown message or effect, because its fault would wait forever. Names of an application's own
 * actors are not checked.
 */
export function checkName(runtime: Runtime, target: string | undefined, { what, name, option }: Named): void {
  if (name === undefined) return;
  if (typeof name !== 'string') refuse(option, 'a name', name);

  // Without a target, one kind that has the name is enough.
  const meant = target === undefined ? kindsOf(runtime) : [kindOf(target)];
  if (meant.some((kind) => vocabularies[kind] === undefined)) return;

  const all = [...new Set(meant.flatMap((kind) => vocabularies[kind]?.[what] ?? []))];
  if (all.includes(what === 'effects' ? baseOf(name) : name)) return;

  const none = `nothing, for ${meant.join(', ')} has no ${what}`;
  refuse(option, all.length === 0 ? none : `one of ${all.join(', ')}`, name);
}

const kindsOf = (runtime: Runtime): readonly string[] => [
  ...new Set([...everydayKinds, ...actorsOf(runtime).map(({ path }) => kindOf(path))]),
];

const nameOf = (path: string): string => path.replace(/#\d+$/, '');
const kindOf = (path: string): string => nameOf(path).replace(/\/.*/s, '');

export function isTarget(target: string, path: string): boolean {
  const name = nameOf(path);
  return target === path || target === name || target === kindOf(name);
}

/** The running actors, in the order of the tree. */
export function livingActors(runtime: Runtime): readonly Ref<never>[] {
  return actorsOf(runtime).filter(isRunning);
}

/** Throws INVALID_OPTION for an unknown kind, because its fault would wait forever. */
export function checkTarget(runtime: Runtime, target: string, option: string): void {
  if (typeof target !== 'string') refuse(option, "an actor's path or kind", target);
  const kind = kindOf(target);
  if (kinds.includes(kind) || actorsOf(runtime).some(({ path }) => kindOf(path) === kind)) return;

  const message = `${option}: expected an actor's path or a kind (${kinds.join(', ')}), got '${target}'`;
  throw new KinactError('INVALID_OPTION', message, { data: { option } });
}

/** One running actor that matches; the dice choose between several. Throws ACTOR_STOPPED. */
export function pickLiving(runtime: Runtime, dice: Dice, targets: readonly string[], option: string): Ref<never> {
  for (const target of targets) checkTarget(runtime, target, option);

  const meant = livingActors(runtime).filter(({ path }) => targets.some((target) => isTarget(target, path)));
  const actor = targets.join(', ');
  if (meant.length === 0) throw new KinactError('ACTOR_STOPPED', `no living actor is ${actor}`, { data: { actor } });
  return meant.length === 1 ? (meant[0] as Ref<never>) : dice.pick(meant);
}
