// Whom a fault is meant for: a path as `status().tree` shows it, the same without its incarnation, or a kind.
import { actorsOf } from '../../../supervision/index.js';
import type { Ref, Runtime } from '../../../supervision/index.js';
import { isRunning } from '../../../supervision/status.js';
import { KinactError } from '../../errors.js';
import type { Dice } from '../dice.js';

/** The actors below the supervisors: what a crash of is an everyday matter. */
export const everydayKinds = [
  'lease-coordinator',
  'lease-keeper',
  'stage',
  'reducer',
  'shard-workers',
  'shard-worker',
] as const;

const kinds: readonly string[] = [...everydayKinds, 'consumer', 'coordinators', 'pipeline', 'outside'];

const nameOf = (path: string): string => path.replace(/#\d+$/, '');
const kindOf = (path: string): string => nameOf(path).replace(/\/.*/s, '');

export function isMeant(target: string, path: string): boolean {
  const name = nameOf(path);
  return target === path || target === name || target === kindOf(name);
}

/** In the order of the tree. */
export function living(runtime: Runtime): readonly Ref<never>[] {
  return actorsOf(runtime).filter(isRunning);
}

/** A kind misspelt would wait for ever. Throws INVALID_OPTION. */
export function checkTarget(runtime: Runtime, target: string, option: string): void {
  const kind = kindOf(target);
  if (kinds.includes(kind) || actorsOf(runtime).some(({ path }) => kindOf(path) === kind)) return;
  const message = `${option}: expected an actor's path or a kind (${kinds.join(', ')}), got '${target}'`;
  throw new KinactError('INVALID_OPTION', message, { data: { option } });
}

/** One that is meant and alive, by the dice where there are several. Throws ACTOR_STOPPED. */
export function pickLiving(runtime: Runtime, dice: Dice, targets: readonly string[], option: string): Ref<never> {
  for (const target of targets) checkTarget(runtime, target, option);
  const meant = living(runtime).filter(({ path }) => targets.some((target) => isMeant(target, path)));
  const actor = targets.join(', ');
  if (meant.length === 0) throw new KinactError('ACTOR_STOPPED', `no living actor is ${actor}`, { data: { actor } });
  return meant.length === 1 ? (meant[0] as Ref<never>) : dice.pick(meant);
}
