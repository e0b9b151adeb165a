// Which processes of a world have a pipe in place of a reducer. The dice are their own, so a seed without pipes means what it meant before
// there were pipes.
import { createDice, type Dice } from '../dice.js';
import type { Life } from './life.js';

export interface DrawnPipes {
  /** The dice for the pipe of this process; undefined if it has a reducer. */
  of(process: string): Dice | undefined;
  /** The states of nodes that have begun, by process. */
  readonly lives: Map<string, Set<Life>>;
}

const withPipes = 1 / 4;
const processes = 3 / 4;

/** Whether some processes of this seed have pipes. */
export const isPiped = (seed: number): boolean => createDice(seed ^ 0x9195).chance(withPipes);

export function drawPipes(seed: number): DrawnPipes {
  const lives = new Map<string, Set<Life>>();
  if (!isPiped(seed)) return { of: () => undefined, lives };
  return {
    of: (process) => {
      const dice = createDice(seed ^ ((Number(process.slice(1)) + 1) * 0x9e3779b1));
      return dice.chance(processes) ? dice.split() : undefined;
    },
    lives,
  };
}
