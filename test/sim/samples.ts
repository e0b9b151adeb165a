// Invariants of the running tree, looked at between two steps, when nothing is under way in any mailbox: bounds (I11), and
// credit, which must not be withheld by a reducer that has nothing to do (I12, I13).
import { walk } from '../../src/status.js';
import type { ActorSnapshot } from '../../src/status.js';
import { isAtWork } from './faults.js';
import type { Process, World } from './world.js';

interface LaneSays {
  readonly reducer: number;
  readonly queued: number;
  readonly credit: number;
}

interface WorkerSays {
  readonly shardId: string;
  readonly openRecords: number;
  readonly oldestOpen?: { readonly ageMs: number };
}

/** A record whose items are done is settled within this: a slow call before it in its batch may take some seconds. */
const patienceMs = 60_000;

export function sample(world: World): void {
  for (const process of world.processes) {
    if (!isAtWork(process) || process.machine.paused) continue;
    const actors = walk(process.consumer.status().tree);
    bounds(world, process, actors);
    if (!process.machine.mailWaits()) credit(world, process, actors);
  }
}

function bounds(
  { clock, oracle, trimmed }: World,
  { machine, maxPending }: Process,
  actors: readonly ActorSnapshot[],
): void {
  for (const { path, state } of actors) {
    if (!path.startsWith('shard-worker/')) continue;
    const { openRecords, oldestOpen, shardId } = state as unknown as WorkerSays;
    if (openRecords > maxPending)
      oracle.violate('I11', `${path} of ${machine.name} has ${openRecords} of ${maxPending} records open`);
    const isStuck =
      (oldestOpen?.ageMs ?? 0) > patienceMs && !machine.mailWaits() && machine.resumedAt() < clock.now() - patienceMs;
    if (isStuck && oracle.openIn(shardId) === 0 && !trimmed.has(shardId))
      oracle.violate(
        'I10',
        `${path} of ${machine.name} has ${openRecords} records open, but every item of its shard is done`,
      );
  }
}

function credit(world: World, { machine }: Process, actors: readonly ActorSnapshot[]): void {
  const reducers = actors.filter(({ path }) => path.startsWith('reducer/'));
  for (const { path, state } of actors) {
    if (!path.startsWith('stage/')) continue;
    for (const { reducer, queued, credit: left } of (state as unknown as { lanes: readonly LaneSays[] }).lanes) {
      const says = reducers.find((each) => each.path.startsWith(`reducer/${reducer}#`))?.state as
        | { readonly doing: string; readonly queued: number }
        | undefined;
      if (says === undefined || says.doing !== 'idle' || says.queued > 0 || queued === 0 || left > 0) continue;
      world.oracle.violate(
        'I12',
        `${queued} items wait at ${path} of ${machine.name} for reducer ${reducer}, which is idle and withholds credit`,
      );
    }
  }
}
