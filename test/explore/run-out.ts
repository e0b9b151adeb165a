// What a world comes to when nothing fails any more and everybody does what he can: the lease has a holder, every record is settled
// and behind the checkpoint, nobody wishes. Or, where every process has been told to stop or is dead, nothing is left to do.
import { after, choicesOf } from './choices.js';
import type { Choice } from './choices.js';
import { recordAt } from './world.js';
import type { Scene, World } from './world.js';

/** What goes first. Nobody asks any more. */
const order: readonly (Choice['kind'] | 'ok')[] = [
  'resume',
  'revoked',
  'mail',
  'ok',
  'timer',
  'settle',
  'work',
  'deliver',
  'take',
  'time',
];

const mostSteps = 3_000;

/** The choices that were made until everything was at rest, or until a law was broken or no rest was in sight. */
export function runOut(scene: Scene, start: World): { readonly choices: readonly Choice[]; readonly world: World } {
  const choices: Choice[] = [];
  let world = start;
  // A fault that was under way may stay so.
  const quiet: Scene = { ...scene, faults: 0 };
  // A worker that is refused is not started again and again at one moment.
  let startedAt = -1;
  while (world.violation === undefined && !isAtRest(scene, world)) {
    const mayStart = startedAt < world.now;
    const choice = best(choicesOf(quiet, world).filter(({ kind }) => kind !== 'work' || mayStart));
    if (choice?.kind === 'work') startedAt = world.now;
    if (choice === undefined || choices.length >= mostSteps) {
      world = { ...world, violation: `no rest is in sight: ${whatIsOpen(scene, world)}` };
      break;
    }
    world = after(scene, world, choice);
    choices.push(choice);
  }
  return { choices, world };
}

function best(choices: readonly Choice[]): Choice | undefined {
  let found: Choice | undefined;
  let rank = order.length;
  for (const choice of choices) {
    const kind = choice.kind === 'serve' && choice.how !== 'lost' ? 'ok' : choice.kind;
    const at = order.indexOf(kind);
    if (at < 0 || at >= rank) continue;
    found = choice;
    rank = at;
  }
  return found;
}

function isAtRest(scene: Scene, world: World): boolean {
  return whatIsOpen(scene, world) === '';
}

function whatIsOpen(scene: Scene, world: World): string {
  const { nodes, row, requests } = world;
  if (requests.some(({ ghost }) => !ghost)) return 'requests are under way';
  const wishing = nodes.find(({ keeper }) => keeper?.state.phase === 'wishing');
  if (wishing !== undefined) return `${wishing.name} wishes`;
  const up = nodes.filter(({ life }) => life === 'up');
  if (up.length === 0) {
    const left = nodes.find(({ life, keeper }) => life === 'stopping' || (life === 'stopped' && keeper !== undefined));
    return left === undefined ? '' : `${left.name} does not stop`;
  }
  if (!up.some(({ lease, name }) => lease === 'held' && row?.leaseOwner === name)) return 'nobody holds the lease';
  const reached = recordAt(row?.checkpoint ?? '');
  return reached === scene.records - 1 ? '' : `the checkpoint is at ${reached + 1}`;
}
