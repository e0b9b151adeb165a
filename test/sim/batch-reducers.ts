// The reducers of the simulated application whose batches kinact bisects after a failure: `process`, also with `concurrency`, and
// `collectsOnly: true`. A bad item fails each call that it is in, so a bisection goes down to it.
import { defineReducer, type FlushContext, type Item, type ReducerDefinition } from '../../src/api/reducer.js';
import { lingerMs, Poisoned, type Pause, type Work } from './work.js';

/** Waits, and fails as the world demands. Returns the items that are done, and those that fail alone. */
type Deal = (
  items: readonly Item<string>[],
  pause: Pause,
) => Promise<{ readonly done: readonly Item<string>[]; readonly bad: readonly Item<string>[] }>;

/** `names`: a bad item is named, and does not fail its neighbours. */
function dealing(
  { dice, slow, lingers, fail, isBad, isBadForAll, compute }: Work,
  mostMs: number,
  names: boolean,
): Deal {
  const hasBadItems = names || dice.chance(0.6);
  return async (items, pause) => {
    if (lingers()) await pause(lingerMs(dice));
    else if (slow && dice.chance(0.5)) await pause(dice.between(1, mostMs));
    compute();
    const bad = items.filter((item) => isBadForAll(item) || (hasBadItems && isBad(item)));
    if (bad.length > 0 && !(names && dice.chance(0.8))) throw new Poisoned(items);
    const done = bad.length === 0 ? items : items.filter((item) => !bad.includes(item));
    if (!hasBadItems || dice.chance(0.2)) fail(done, items);
    return { done, bad };
  };
}

export function inCalls(work: Work): ReducerDefinition {
  const { dice, note, fail, finish, compute, call } = work;
  const concurrency = dice.pick([undefined, undefined, 1, 3, 16]);
  const size = dice.pick(concurrency === undefined ? [1, 7, 50, 200] : [1, 1, 4, 20]);
  const deal = dealing(work, dice.pick([20, 200, 20 * size]), dice.chance(0.4));
  const failsAtOnce = dice.chance(0.2);
  return defineReducer({
    ...(concurrency === undefined ? {} : { concurrency }),
    batch: { size, intervalMs: dice.pick([100, 1_000]) },
    process: (items: readonly Item<string>[], ctx: FlushContext) => {
      const together: string[] = [];
      for (const item of items) {
        note(item, together);
        together.push(item.value);
      }
      if (concurrency !== undefined && new Set(items.map(({ key }) => key)).size < items.length)
        throw new Error('a call has two items of a key');
      compute();
      const go = async (pause: Pause): Promise<void> => {
        const { done, bad } = await deal(items, pause);
        for (const item of bad) ctx.fail(item.token, new Poisoned([item]));
        finish(done);
      };
      const begin = (pause: Pause): Promise<void> => {
        if (failsAtOnce) fail(items);
        return go(pause);
      };
      return call(items, ctx, begin, concurrency);
    },
  });
}

export function collectsOnly(work: Work): ReducerDefinition {
  const { dice, note, fail, finish, compute, call } = work;
  const size = dice.pick([1, 10, 100]);
  const deal = dealing(work, dice.pick([20, 10 * size]), false);
  return defineReducer({
    init: (): Item<string>[] => [],
    collectsOnly: true,
    reduce: (batch: Item<string>[], item: Item<string>) => {
      note(
        item,
        batch.map(({ value }) => value),
      );
      compute();
      if (dice.chance(0.3)) fail([item]);
      return [...batch, item];
    },
    batch: { size, intervalMs: dice.pick([100, 2_000]) },
    flush: (batch, ctx) =>
      call(batch, ctx, async (pause) => {
        const { done } = await deal(batch, pause);
        finish(done);
        return [];
      }),
  });
}
