// What the callbacks of a simulated pipe do: they compute, wait and fail as the world demands, and count the values that are done.
import type { NodeContext } from '../../../src/api/pipe.js';
import type { Dice } from '../dice.js';
import { lingerMs, Poisoned, type Work } from '../work.js';
import { divided, finish, itemsOf, type Piece } from './grain.js';
import { indexOf, type NodeLaws } from './node-laws.js';

/** The error of a failed call, with the values that fail with it. */
export class Spoiled extends Error {
  readonly pieces: readonly Piece[];
  readonly pipe: number;
  /** A custom aggregate has folded them. */
  readonly isFolded: boolean;

  constructor(pieces: readonly Piece[], pipe: number, isFolded: boolean) {
    super(`spoiled ${pieces.flatMap(({ grains }) => grains.map(({ id }) => id)).join(' ')}`);
    this.pieces = pieces;
    this.pipe = pipe;
    this.isFolded = isFolded;
  }
}

export interface Steps {
  readonly dice: Dice;
  /** A call with these values. `result` is made when it succeeds, at once or later. */
  act<Result>(pieces: readonly Piece[], context: NodeContext, result: () => Result): Result | Promise<Result>;
  /** Like `act`, with values that a node has collected. */
  give<Result>(pieces: readonly Piece[], context: NodeContext, result: () => Result): Result | Promise<Result>;
  /** Like `give`, with values that a custom aggregate has folded. */
  fold<Result>(pieces: readonly Piece[], context: NodeContext, result: () => Result): Result | Promise<Result>;
  done(piece: Piece): void;
  divided(piece: Piece, into: number): readonly Piece[];
  /** Takes a while, or not. It fails never. */
  rest(): Promise<void> | undefined;
  /** Whether a callback asks for the end of the pipe now. */
  exits(): boolean;
}

interface StepsOptions {
  readonly dice: Dice;
  readonly work: Work;
  readonly laws: Pick<NodeLaws, 'given'>;
  readonly exits: () => boolean;
}

/** Nodes of one pipe may make calls at the same time: each counts as a reducer of its own. */
const nodesPerPipe = 16;

export function createSteps({ dice, work, laws, exits }: StepsOptions): Steps {
  const slowness = dice.pick([0, 0.02, 0.1, 0.4]);
  const fail = (pieces: readonly Piece[]): void => work.fail(itemsOf(pieces));
  const call = <Result>(
    pieces: readonly Piece[],
    { node, pipe, signal }: NodeContext,
    result: () => Result,
    isFolded: boolean,
  ): Result | Promise<Result> => {
    const spoiled = (error: unknown): never => {
      throw error instanceof Poisoned ? new Spoiled(pieces, pipe, isFolded) : error;
    };
    try {
      work.compute();
      fail(pieces);
      const lasts = work.lingers() && dice.chance(0.3);
      if (!lasts && !dice.chance(slowness)) return result();
      const ms = lasts ? lingerMs(dice) : dice.between(1, dice.chance(0.05) ? 3_000 : 300);
      return work
        .call(itemsOf(pieces), { reducer: pipe * nodesPerPipe + indexOf(node), signal }, async (pause) => {
          await pause(ms);
          work.compute();
          fail(pieces);
          return result();
        })
        .catch(spoiled);
    } catch (error) {
      return spoiled(error);
    }
  };
  return {
    dice,
    act: (pieces, context, result) => call(pieces, context, result, false),
    give: (pieces, context, result) => {
      laws.given(pieces, context);
      return call(pieces, context, result, false);
    },
    fold: (pieces, context, result) => {
      laws.given(pieces, context);
      return call(pieces, context, result, true);
    },
    done: (piece) => finish(piece, (item) => work.finish([item])),
    divided,
    rest: () => (dice.chance(slowness) ? work.pause(dice.between(1, 300)) : undefined),
    exits,
  };
}
