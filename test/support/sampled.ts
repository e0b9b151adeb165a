// The cases of a suite that costs too much to run whole each time. Every run draws others, and names its seed, which repeats the draw.
import { createDice, type Dice } from '../sim/dice.js';

/** `KINACT_SAMPLE=all` runs the sampled suites whole. */
export const isWhole = process.env['KINACT_SAMPLE'] === 'all';

export interface Draw {
  readonly dice: Dice;
  /** For the title of the suite. */
  readonly named: string;
}

export function newDraw(): Draw {
  const seed = Number(process.env['KINACT_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  return { dice: createDice(seed), named: isWhole ? `(all, KINACT_SEED=${seed})` : `(drawn by KINACT_SEED=${seed})` };
}

/** The runs of a property that draws other inputs each time: half of `all`, unless the suites run whole. */
export const drawnRuns = (all: number): number => (isWhole ? all : Math.ceil(all / 2));

/** Half of the cases, in their order: of each two neighbors, which are most alike, one. */
export function drawnHalf<Case>({ dice }: Draw, cases: readonly Case[]): readonly Case[] {
  if (isWhole) return cases;
  const drawn: Case[] = [];
  for (let at = 0; at < cases.length; at += 2) drawn.push(dice.pick(cases.slice(at, at + 2)));
  return drawn;
}
