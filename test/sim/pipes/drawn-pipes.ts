// Which processes of a world have a pipe in place of a reducer, or behind one. The dice are their own, so a seed without pipes means what
// it meant before there were pipes.
import { createDice, type Dice } from '../dice.js';
import type { Life } from './life.js';

export interface DrawnPipes {
  /** The dice for the pipe of this process; undefined if it has a reducer. */
  of(process: string): Dice | undefined;
  /** The dice for the reducer before it; undefined if there is none. */
  reducerOf(process: string): Dice | undefined;
  /** The states of nodes that have begun, by process. */
  readonly lives: Map<string, Set<Life>>;
}

const withPipes = 1 / 4;
const processes = 3 / 4;
const withReducers = 2 / 5;

/** Whether some processes of this seed have pipes. */
export const isPiped = (seed: number): boolean => createDice(seed ^ 0x9195).chance(withPipes);

export function drawPipes(seed: number): DrawnPipes {
  const lives = new Map<string, Set<Life>>();
  if (!isPiped(seed)) return { of: () => undefined, reducerOf: () => undefined, lives };
  const drawn = (process: string, chance: number, factor: number): Dice | undefined => {
    const dice = createDice(seed ^ ((Number(process.slice(1)) + 1) * factor));
    return dice.chance(chance) ? dice.split() : undefined;
  };
  return {
    of: (process) => drawn(process, processes, 0x9e3779b1),
    reducerOf: (process) => drawn(process, withReducers, 0x85ebca6b),
    lives,
  };
}
