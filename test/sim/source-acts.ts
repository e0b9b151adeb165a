// In some worlds with two streams the application removes one of them from a running consumer, and adds it again. These acts have their
// own dice, so they do not change the rest of what a seed means.
import { createDice, type Dice } from './dice.js';
import { isAtWork } from './stopping.js';
import type { Process, World } from './world.js';

const changing = 1 / 2;
const againMs = 5_000;

/** Acts until the returned function is called, which adds what is missing. */
export function changeSources(world: World, seed: number): () => void {
  const { clock, layout } = world;
  const dice = createDice(seed ^ 0x50c1);
  let isOver = false;
  let cancel = (): void => {};
  const next = (): void => {
    cancel = clock.after(dice.between(3_000, 25_000), () => {
      const fit = world.processes.filter(
        (process) => isAtWork(process) && process.started && !process.sources.areAway(),
      );
      if (fit.length > 0 && !world.isShutDown && world.lostStreams.size === 0)
        remove(world, dice.pick(fit), dice, () => isOver);
      next();
    });
  };
  if (layout.streams.length > 1 && dice.chance(changing)) next();
  return () => {
    isOver = true;
    cancel();
    for (const process of world.processes)
      for (const source of layout.streams)
        if (process.sources.isAway(source) && !process.sources.isWanted(source)) add(world, process, source);
  };
}

function remove(world: World, process: Process, dice: Dice, isOver: () => boolean): void {
  const { clock, layout, oracle } = world;
  const { machine, consumer, sources } = process;
  const source = dice.pick(layout.streams);
  const deadlineMs = dice.pick([100, 5_000, 20_000]);
  world.say(`${source} is removed from ${machine.name} within ${deadlineMs}`);
  sources.removing(source);
  // As in a stop, the rest of the deadline is kept for the writes that release the leases.
  const ended = world.calls.removing(machine.name, source, clock.now() + deadlineMs / 2);
  const awayMs = dice.pick([0, 1_000, 20_000]);
  const addOnce = (): void => {
    if (!sources.isWanted(source)) add(world, process, source);
  };
  machine.run(() => {
    consumer.removeSource(source, { deadlineMs }).then(
      ({ leases }) => {
        ended();
        if (!isAtWork(process)) return;
        const named = leases.map((lease) => ({ ...lease, leaseKey: world.nameOf(source, lease.shardId) }));
        const kept = new Set(named.flatMap(({ leaseKey, released }) => (released ? [] : [leaseKey])));
        const owned = [...world.leases.rows().values()].filter(
          ({ checkpoint, leaseKey, leaseOwner }) =>
            leaseKey.startsWith(`${source}/`) &&
            leaseOwner === machine.name &&
            checkpoint !== 'SHARD_END' &&
            !kept.has(leaseKey),
        );
        sources.removed(
          source,
          owned.map(({ leaseKey }) => leaseKey),
        );
        oracle.stopped(machine.name, named);
        const table = layout.tableOf(source);
        const isItsOwn = layout.streams.filter((each) => layout.tableOf(each) === table).length === 1;
        if (isItsOwn) world.refusals.closed(machine.name, table);
        clock.after(isOver() ? 0 : awayMs, addOnce);
      },
      (error: unknown) => {
        if (isAtWork(process)) oracle.violate('I64', `removeSource of ${machine.name} rejected: ${String(error)}`);
      },
    );
    // Sometimes it is added while it is still being removed.
    if (dice.chance(0.2)) clock.after(dice.between(1, 500), addOnce);
  });
}

/** Adds the source, again and again until that succeeds. */
function add(world: World, process: Process, source: string): void {
  const { clock } = world;
  const { machine, consumer, sources, specs } = process;
  const spec = specs.find(({ name }) => name === source);
  if (spec === undefined || !isAtWork(process) || !sources.isAway(source)) return;
  world.say(`${source} is added to ${machine.name}`);
  machine.run(() => {
    sources.adding(source);
    consumer.addSource(spec).then(
      () => sources.added(source),
      (error: unknown) => {
        world.say(`${source} was not added to ${machine.name}: ${String(error).slice(0, 120)}`);
        clock.after(againMs, () => add(world, process, source));
      },
    );
  });
}
