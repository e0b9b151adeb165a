// The application: notes each item as it is handed out, and as done where kinact says that it counts as done; it is slow, or
// fails, when the world says so.
import { defineReducer } from '../../src/reducer.js';
import type { Item, ReducerContext, ReducerDefinition } from '../../src/reducer.js';
import type { Dice } from './dice.js';
import type { Incarnations } from './incarnations.js';
import type { Machine } from './machine.js';
import type { Tenures } from './tenures.js';
import type { World } from './world.js';

interface Work {
  readonly dice: Dice;
  readonly slow: boolean;
  note(item: Item<string>): void;
  /** These count as done from now on. */
  finish(items: readonly Item<string>[]): void;
  /** Throws when the world says so. */
  fail(what: string): void;
  /** Waits in this process's time; never over when it dies. */
  pause(ms: number): Promise<void>;
}

/** A crash is known to others this much later, in messages: as soon as none is held up, and the machine runs. */
const newsMs = 1;

export function application(
  world: World,
  machine: Machine,
  watched: { readonly incarnations: Incarnations; readonly tenures: Tenures; hurt(): void },
  dice: Dice,
): ReducerDefinition {
  const { oracle, clock } = world;
  const { incarnations, tenures } = watched;
  const hasEnded = (worker: number): boolean => {
    const at = incarnations.endedAt(worker);
    const known = Math.max(machine.mailHeldAt(), machine.resumedAt(), at ?? Infinity) + newsMs;
    return clock.now() > known;
  };
  const work: Work = {
    dice,
    slow: dice.chance(0.5),
    note: (item) => {
      const { tenure } = item as unknown as { tenure: { dead: boolean; worker: number } };
      const { value: id, shardId, fence } = item;
      const isOver = tenure.dead || hasEnded(tenure.worker);
      oracle.delivered({ process: machine.name, id, shardId, fence, isOver });
      work.fail(id);
    },
    finish: (items) => {
      oracle.acknowledged(items.map(({ value }) => value));
      tenures.acknowledged(items);
    },
    fail: (what) => {
      if (!dice.chance(world.poison)) return;
      watched.hurt();
      throw new Error(`poisoned ${what}`);
    },
    pause: (ms) => new Promise((resolve) => clock.after(ms, () => machine.run(resolve))),
  };
  return dice.pick([atOnce, inBatches, byHand])(work);
}

function atOnce({ dice, slow, note, finish, pause }: Work): ReducerDefinition {
  return defineReducer({
    init: () => 0,
    reduce: (count: number, item: Item<string>) => {
      note(item);
      if (slow && dice.chance(0.02)) {
        return pause(dice.between(1, dice.chance(0.1) ? 15_000 : 3_000)).then(() => {
          finish([item]);
          return count + 1;
        });
      }
      finish([item]);
      return count + 1;
    },
  });
}

function inBatches({ dice, slow, note, fail, finish, pause }: Work): ReducerDefinition {
  const size = dice.pick([1, 10, 200]);
  return defineReducer({
    init: (): Item<string>[] => [],
    reduce: (batch: Item<string>[], item: Item<string>) => {
      note(item);
      return [...batch, item];
    },
    batch: { size, intervalMs: dice.pick([100, 2_000]) },
    flush: async (batch) => {
      if (slow) await pause(dice.between(1, 20 * size));
      fail('flush');
      finish(batch);
      return [];
    },
  });
}

function byHand({ dice, slow, note, finish, pause }: Work): ReducerDefinition {
  return defineReducer({
    init: () => 0,
    acknowledge: 'manual',
    reduce: (count: number, item: Item<string>, ctx: ReducerContext) => {
      note(item);
      void pause(slow ? dice.between(1, 1_500) : 1).then(() => {
        finish([item]);
        ctx.ack(item.token);
      });
      return count;
    },
  });
}
