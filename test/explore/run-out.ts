// Runs a world without further faults until it is at rest: the lease has a holder, the checkpoint is at the last record, and no
// wish is open. If every process is dead or has been told to stop, the world is at rest once each of them has stopped.
import { after, choicesOf, type Choice } from './choices.js';
import { recordAt, type Scene, type World } from './world.js';

/** Which choices go first. No process asks for the lease any more. */
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

/** Makes choices until the world is at rest, a law is broken, or no rest is in sight. */
export function runOut(scene: Scene, start: World): { readonly choices: readonly Choice[]; readonly world: World } {
  const choices: Choice[] = [];
  let world = start;
  // No new faults; a fault that is under way may last.
  const quiet: Scene = { ...scene, faults: 0 };
  // A refused worker is not started again at the same moment.
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
