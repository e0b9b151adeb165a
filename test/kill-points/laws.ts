// What must hold when a run is over, whichever actor was killed in it. The oracle checks its laws during the run; the other laws
// are here.
import { openQuestions } from '../../supervision/ask.js';
import { counters } from '../../supervision/index.js';
import { expectNothingLost } from '../../src/testing/expect-nothing-lost.js';
import type { Member, World } from './world.js';

/** The complaints about a run: none if every law holds. */
export function complaintsOf(world: World, questionsBefore: number): string[] {
  const { oracle, clock, ids, members, parked } = world;
  const complaints = oracle.violations.map(({ invariant, text }) => `${invariant}: ${text}`);
  const missing = oracle.missing();
  if (missing.length > 0)
    complaints.push(`I3: ${missing.length} items were never dealt with: ${missing.slice(0, 5).join(', ')}`);
  try {
    expectNothingLost(ids, [...members.flatMap(({ seen }) => seen), ...parked]);
  } catch (error) {
    complaints.push(`I4: ${(error as Error).message}`);
  }
  for (const member of members) complaints.push(...livesOf(member));
  const questions = openQuestions() - questionsBefore;
  if (questions !== 0) complaints.push(`I25: ${questions} questions are open after everything has stopped`);
  if (clock.pending() > 0) complaints.push(`I25: ${clock.pending()} timers are left after everything has stopped`);
  return complaints;
}

/** Every actor that started has stopped once, and its stop hook, if any, ran once (I23). No effect outlives the stop (I25). */
function livesOf({ name, consumer, lives, hooks, effects }: Member): string[] {
  const complaints: string[] = [];
  for (const [path, life] of lives) {
    const expected = 'start stopping stopped';
    if (life.join(' ') !== expected) complaints.push(`I23: ${path} of ${name} had the life: ${life.join(' ')}`);
    const told = hooks.get(path);
    if (told !== undefined && told !== 1) complaints.push(`I23: the stop hook of ${path} of ${name} ran ${told} times`);
  }
  const counted = counters(consumer.runtime);
  for (const what of ['unknownMessage', 'stopHookFailed', 'effectAfterStop', 'listenerFailed']) {
    if (counted[what] !== undefined) complaints.push(`${name} counts ${counted[what]} ${what}`);
  }
  const { held, waiting } = consumer.status().bytes;
  if (held !== 0 || waiting !== 0)
    complaints.push(`${name} holds ${held} bytes after it has stopped, ${waiting} shards wait`);
  if (effects !== 0) complaints.push(`I25: ${effects} effects of ${name} live on after it has stopped`);
  return complaints;
}

/** How many incarnations of this actor a consumer had. */
export function incarnationsOf({ lives }: Member, name: string): number {
  return [...lives.keys()].filter((path) => path.startsWith(name)).length;
}
