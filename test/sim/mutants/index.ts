// All mutants.
import type { Mutant } from './around.js';
import { batchingMutants } from './batching.js';
import { creditingMutants } from './crediting.js';
import { fencingMutants } from './fencing.js';
import { handingMutants } from './handing.js';
import { holdingMutants } from './holding.js';
import { leasingMutants } from './leasing.js';
import { parkingMutants } from './parking.js';
import { pipingMutants } from './piping.js';
import { readingMutants } from './reading.js';
import { restartingMutants } from './restarting.js';
import { retryingMutants } from './retrying.js';
import { settlingMutants } from './settling.js';
import { speakingMutants } from './speaking.js';
import { subscribingMutants } from './subscribing.js';
import { tableMutants } from './tables.js';

export const mutants: readonly Mutant[] = [
  ...settlingMutants,
  ...creditingMutants,
  ...readingMutants,
  ...leasingMutants,
  ...holdingMutants,
  ...handingMutants,
  ...restartingMutants,
  ...retryingMutants,
  ...parkingMutants,
  ...batchingMutants,
  ...fencingMutants,
  ...speakingMutants,
  ...subscribingMutants,
  ...pipingMutants,
  ...tableMutants,
];
