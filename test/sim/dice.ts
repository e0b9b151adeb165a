// The dice of the simulation are those of `kinact/testing`: see src/testing/dice.ts.
export { createDice } from '../../src/testing/dice.js';
export type { Dice } from '../../src/testing/dice.js';
