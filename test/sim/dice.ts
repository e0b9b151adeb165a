// The dice that users' faults are thrown with: see src/testing/dice.ts.
export { createDice } from '../../src/testing/dice.js';
export type { Dice } from '../../src/testing/dice.js';
