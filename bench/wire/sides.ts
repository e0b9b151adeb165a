// The sides of the benchmark. Each reads the same answers. A side that does not exist here is left out, with its reason.
import { floor } from './floor-side.js';
import { kinactSides } from './kinact-side.js';
import { lifion } from './lifion-side.js';
import { fast, stock } from './loop-side.js';
import { installPeers } from './peers.js';
import type { Side } from './side.js';

/** The slot of reducers in worker threads: they do not exist yet. */
const twoThreads: Side = () => Promise.reject(new TypeError(noThreads));
const noThreads = 'this version of kinact has no threads';

export const sides = { stock, fast, lifion, floor, ...kinactSides, 'kinact, 2 threads': twoThreads } as const;

export type SideName = keyof typeof sides;

/** Why a side cannot run. Undefined if it can. Installs what the side needs. */
export async function missing(side: SideName): Promise<string | undefined> {
  if (side === 'kinact, 2 threads') return noThreads;
  return side === 'lifion' ? await installPeers() : undefined;
}
