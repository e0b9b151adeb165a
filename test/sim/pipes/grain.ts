// What the values of a simulated pipe are made of: each delivery of an item is a grain of its own, and every value lists the grains that it
// embodies. A naive count of the values that embody a grain says when its item is done. It knows nothing of kinact's references.
import type { Item } from '../../../src/api/reducer.js';
import type { Tenure } from '../../../actors/protocol/tenure.js';

export class Grain {
  readonly id: string;
  readonly key: string;
  /** Set once the first node has it. */
  item: (Item<string> & { readonly tenure: Tenure; readonly ordinal: number; readonly index: number }) | undefined;
  /** How many values embody it, each as often as it has it, and are not done. */
  open = 1;
  isDone = false;
  /** It has failed, and goes to the sink of `park`. */
  mayBeParked = false;
  /** The reducer before the pipe acknowledges it by hand: a flush does not wait for that. */
  isByHand = false;

  constructor(id: string, key: string) {
    this.id = id;
    this.key = key;
  }
}

/** The value of a message. */
export class Piece {
  readonly grains: readonly Grain[];
  /** A call of the reducer before the pipe has emitted it, and has failed. */
  isOfFailedCall = false;

  constructor(grains: readonly Grain[]) {
    this.grains = grains;
  }
}

export type GrainItem = NonNullable<Grain['item']>;

/** The items that these pieces embody, each once. */
export function itemsOf(pieces: readonly Piece[]): readonly GrainItem[] {
  const items = new Set<GrainItem>();
  for (const { grains } of pieces) for (const { item } of grains) if (item !== undefined) items.add(item);
  return [...items];
}

/** One value of many. */
export const combined = (pieces: readonly Piece[]): Piece => new Piece(pieces.flatMap(({ grains }) => grains));

/** Several values of one. */
export function divided({ grains }: Piece, into: number): readonly Piece[] {
  for (const grain of grains) grain.open += into - 1;
  return Array.from({ length: into }, () => new Piece(grains));
}

/** A value is done. `done` gets each item of which nothing is open any more. */
export function finish({ grains }: Piece, done: (item: GrainItem) => void): void {
  for (const grain of grains) {
    grain.open -= 1;
    if (grain.open > 0 || grain.isDone || grain.item === undefined) continue;
    grain.isDone = true;
    done(grain.item);
  }
}
