// A reducer in front of a simulated pipe: it emits the pieces that go through the nodes. A call that fails may have emitted before, and
// what it has emitted must come to no node (I72).
import {
  defineReducer,
  type FlushContext,
  type Item,
  type ReducerContext,
  type ReducerDefinition,
} from '../../../src/api/reducer.js';
import type { Dice } from '../dice.js';
import type { Work } from '../work.js';
import { combined, divided, finish, Piece, type Grain, type GrainItem } from './grain.js';

interface EmittingOptions {
  readonly dice: Dice;
  readonly work: Work;
  /** Notes that the reducer has the item, and returns it as the laws know it. */
  readonly arrived: (grain: Grain, item: Item<Piece>) => GrainItem;
}

type Context = ReducerContext<Piece>;

/** Nodes have the numbers below: they make calls beside the reducer. */
const firstReducer = 1_000_000;

export function drawEmitting({ dice, work, arrived }: EmittingOptions): ReducerDefinition {
  const slowness = dice.pick([0, 0.02, 0.1]);
  const values = dice.pick([1, 1, 2, 3]);
  const finishPiece = (piece: Piece): void => finish(piece, (item) => work.finish([item]));
  /** Fails, perhaps, after it has emitted what must go nowhere. */
  const fail = (items: readonly GrainItem[], grains: readonly Grain[], { emit }: Context): void => {
    const isEarly = dice.chance(0.5);
    const lost = new Piece(grains);
    lost.isOfFailedCall = true;
    try {
      work.compute();
      work.fail(items);
    } catch (error) {
      if (isEarly) emit(lost);
      throw error;
    }
  };
  /** Nothing may be emitted, and then the items are done with the call. */
  const emitAll = (piece: Piece, { emit }: Context): void => {
    const count = dice.chance(0.2) ? 0 : dice.chance(0.01) ? 300 : values;
    if (count === 0) finishPiece(piece);
    else for (const each of divided(piece, count)) emit(each);
  };
  const called = <Result>(
    items: readonly GrainItem[],
    context: Context,
    result: () => Result,
  ): Result | Promise<Result> => {
    if (!dice.chance(slowness)) return result();
    const { reducer, signal } = context;
    return work.call(items, { reducer: firstReducer + reducer, signal }, async (pause) => {
      await pause(dice.between(1, 400));
      return result();
    });
  };
  const noted = (item: Item<Piece>): readonly [Grain, GrainItem] => {
    const [grain] = item.value.grains as readonly [Grain];
    return [grain, arrived(grain, item)];
  };

  const atOnce = (): ReducerDefinition =>
    defineReducer({
      init: () => 0,
      reduce: (count: number, item: Item<Piece>, context: Context) => {
        const [grain, known] = noted(item);
        return called([known], context, () => {
          fail([known], [grain], context);
          emitAll(item.value, context);
          return count + 1;
        });
      },
    });
  const inBatches = (isByShard: boolean): ReducerDefinition =>
    defineReducer({
      init: (): readonly Grain[] => [],
      ...(isByShard ? { stateBy: 'shard' } : {}),
      reduce: (state: readonly Grain[], item: Item<Piece>, context: Context) => {
        const [grain, known] = noted(item);
        fail([known], [grain], context);
        return [...state, grain];
      },
      batch: { size: dice.pick([1, 7, 60]), intervalMs: dice.pick([100, 1_000]) },
      flush: (state: readonly Grain[], context: FlushContext<Piece>) =>
        called(
          state.map(({ item }) => item as GrainItem),
          context,
          () => {
            fail(
              state.map(({ item }) => item as GrainItem),
              state,
              context,
            );
            emitAll(combined(state.map((grain) => new Piece([grain]))), context);
            return [];
          },
        ),
    });
  const byHand = (): ReducerDefinition =>
    defineReducer({
      init: () => 0,
      acknowledge: 'manual',
      reduce: (count: number, item: Item<Piece>, context: Context) => {
        const [grain, known] = noted(item);
        fail([known], [grain], context);
        grain.isByHand = true;
        const [own, ...emitted] = divided(item.value, 1 + dice.between(0, 3));
        for (const piece of emitted) context.emit(piece);
        void work.pause(dice.between(1, 500)).then(() => {
          finishPiece(own as Piece);
          context.ack(item.token);
        });
        return count + 1;
      },
    });
  return dice.pick([
    atOnce,
    atOnce,
    () => inBatches(false),
    () => inBatches(false),
    () => inBatches(true),
    byHand,
    byHand,
  ])();
}
