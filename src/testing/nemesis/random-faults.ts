// Random faults at random intervals, all from one seed, until stopped.
import type { Runtime } from '../../../supervision/index.js';
import type { Dice } from '../dice.js';
import type { Nemesis, NemesisStartOptions } from './types.js';
import type { Later } from './fault-timers.js';
import { isTarget, livingActors } from './targets.js';

/** The actors that get the faults, and what decides which fault happens when. */
export interface FaultContext {
  readonly runtime: Runtime;
  readonly dice: Dice;
  readonly later: Later;
}

/** Starts random faults. Returns a function that starts no more of them; faults under way end by themselves. */
export function startRandomFaults(
  nemesis: Nemesis,
  { runtime, dice, later }: FaultContext,
  { everyMs, acts, kinds }: Required<NemesisStartOptions>,
): () => void {
  let cancel = (): void => {};

  /** Ends a fault that has no duration of its own after a random time. */
  const forAWhile = (end: () => void): void => void later(dice.between(1, 2 * everyMs), end);

  const act = (): void => {
    const meant = livingActors(runtime).filter(({ path }) => kinds.some((kind) => isTarget(kind, path)));
    // No actor is running while a start or a restart is under way.
    if (meant.length === 0) return;
    const { path } = dice.pick(meant);
    const ms = dice.between(1, everyMs);
    const what = dice.pick(acts);
    if (what === 'kill') nemesis.kill(path);
    else if (what === 'pause') nemesis.pause(path, { ms });
    else if (what === 'delay') forAWhile(nemesis.delay({ to: path, ms }));
    else if (what === 'duplicate') forAWhile(nemesis.duplicate({ to: path, probability: 0.5 }));
    else if (what === 'fail') forAWhile(nemesis.failNext(path));
    else forAWhile(nemesis.hang(path));
  };

  const scheduleNext = (): void => {
    cancel = later(everyMs * (0.5 + dice.next()), () => {
      act();

      scheduleNext();
    });
  };
  scheduleNext();

  return () => cancel();
}
