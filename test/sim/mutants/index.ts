// Every mutant there is.
import type { Mutant } from './around.js';
import { leasingMutants } from './leasing.js';
import { restartingMutants } from './restarting.js';
import { settlingMutants } from './settling.js';

export const mutants: readonly Mutant[] = [...settlingMutants, ...leasingMutants, ...restartingMutants];
