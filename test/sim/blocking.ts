// How likely a call of the application's code is to block its process by computing, and for how long.

export interface Blocking {
  readonly chance: number;
  readonly leastMs: number;
  readonly mostMs: number;
}

export const neverBlocks: Blocking = { chance: 0, leastMs: 0, mostMs: 0 };
