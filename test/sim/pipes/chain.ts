// Draws a pipe: up to six nodes of the library and one of its own, in any order, and a sink or an open end behind them.
import { createHash } from 'node:crypto';
import type { Pipe } from '../../../src/api/pipe.js';
import { batchSink } from '../../../src/pipes/batch-sink.js';
import { map, sink } from '../../../src/pipes/single-nodes.js';
import { pipe, type PipeBuilder } from '../../../src/pipes/pipe.js';
import { combined, type Grain, type Piece } from './grain.js';
import { keeping } from './keeping-node.js';
import type { Steps } from './steps.js';

export interface Drawn {
  readonly pipe: Pipe<Piece>;
  /** By node: whether the items of one key come to it in order, within a tenure and a route. */
  readonly ordered: readonly boolean[];
  readonly kinds: readonly string[];
}

type Builder = PipeBuilder<Piece, Piece>;

interface Shape {
  ordered: boolean;
  /** A value may stand for several items, of several leases. */
  hasMany: boolean;
  /** By head of the route: whether all items of a key have the same. */
  readonly heads: boolean[];
}

interface Step {
  readonly steps: Steps;
  readonly shape: Shape;
  readonly timeoutMs: number;
}

type Add = (builder: Builder, step: Step) => Builder;

const digest = (text: string): number => createHash('md5').update(text).digest().readUInt32BE(0);
const first = ({ grains }: Piece): Grain => grains[0] as Grain;

const queues = [undefined, undefined, 1, 3, 20] as const;

const optionsOf = ({ steps: { dice }, timeoutMs }: Step): { timeoutMs: number; maxQueueLen?: number } => {
  const maxQueueLen = dice.pick(queues);
  return { timeoutMs, ...(maxQueueLen === undefined ? {} : { maxQueueLen }) };
};

const mapped: Add = (builder, step) =>
  builder.map((piece, _, context) => step.steps.act([piece], context, () => piece), optionsOf(step));

const tapped: Add = (builder, step) =>
  builder.tap((piece, _, context) => step.steps.act([piece], context, () => 0), optionsOf(step));

const filtered: Add = (builder, step) => {
  const { act, dice, done } = step.steps;
  const isWanted = (piece: Piece) => (): boolean => {
    if (dice.chance(0.9)) return true;
    done(piece);
    return false;
  };
  return builder.filter((piece, _, context) => act([piece], context, isWanted(piece)), optionsOf(step));
};

const mapFiltered: Add = (builder, step) => {
  const { act, dice, done } = step.steps;
  const made = (piece: Piece) => (): Piece | undefined => {
    if (dice.chance(0.9)) return piece;
    done(piece);
    return undefined;
  };
  return builder.mapFilter((piece, _, context) => act([piece], context, made(piece)), optionsOf(step));
};

const unfolded: Add = (builder, step) => {
  const { act, dice, divided, done } = step.steps;
  const made = (piece: Piece) => (): readonly Piece[] => {
    const into = dice.pick([0, 1, 2, 3]);
    if (into === 0) done(piece);
    return into === 0 ? [] : divided(piece, into);
  };
  return builder.unfold((piece, _, context) => act([piece], context, made(piece)), optionsOf(step));
};

const demuxed: Add = (builder, step) => {
  const { shape } = step;
  const { dice } = step.steps;
  const isByKey = dice.chance(0.7);
  const routes = dice.pick([2, 5, 30]);
  const depth = shape.heads.length;
  const route = (piece: Piece): string => {
    const { id, key } = first(piece);
    return `${depth}:${digest(isByKey ? key : id) % routes}`;
  };
  if (shape.heads.includes(false)) shape.ordered = false;
  shape.heads.push(isByKey && !shape.hasMany);
  const maxRoutes = dice.pick([undefined, 1, 4]);
  const routeIdleMs = dice.pick([undefined, 200]);
  return builder.demux(route, { ...optionsOf(step), maxRoutes, routeIdleMs });
};

const joined: Add = (builder, step) => {
  const { shape } = step;
  if (shape.heads.length === 0) return mapped(builder, step);
  if (shape.heads.pop() === false) shape.ordered = false;
  return builder.join(optionsOf(step));
};

const perRoute: Add = (builder, step) => {
  if (step.shape.heads.length === 0) return mapped(builder, step);
  const { act } = step.steps;
  return builder.routeDependent<Piece>(
    () => map<Piece, Piece>((piece, _, context) => act([piece], context, () => piece)),
    optionsOf(step),
  );
};

const aggregated: Add = (builder, step) => {
  const { dice, give } = step.steps;
  const perLease = dice.chance(0.2);
  const options = {
    ...optionsOf(step),
    ...{ count: dice.pick([undefined, 2, 9, 60]), bytes: dice.pick([undefined, undefined, 300]) },
    ...{ intervalMs: dice.pick([20, 300, 2_000, 8_000]), perLease, once: dice.chance(0.2) },
  };
  if (perLease && step.shape.hasMany) step.shape.ordered = false;
  step.shape.hasMany = true;
  return builder.aggregate<Piece>(options, (pieces, context) => give(pieces, context, () => combined(pieces)));
};

const folded: Add = (builder, step) => {
  const { dice, fold } = step.steps;
  const size = dice.pick([2, 7, 30]);
  const rejects = dice.chance(0.5);
  const options = { ...optionsOf(step), intervalMs: dice.pick([20, 300, 2_000, 8_000]), once: dice.chance(0.2) };
  if (step.shape.hasMany) step.shape.ordered = false;
  step.shape.hasMany = true;
  return builder.aggregate<Piece[], Piece>(options, {
    init: () => [],
    push: (pieces, piece) => {
      if (rejects && pieces.length >= size) return 'reject';
      pieces.push(piece);
      return !rejects && pieces.length >= size ? 'flush' : 'keep';
    },
    output: (pieces, context) => fold([...pieces], context, () => combined(pieces)),
    ...(dice.chance(0.6) ? { merge: (states: readonly Piece[][]) => states.flat() } : {}),
  });
};

const kept: Add = (builder, step) => builder.node(keeping(step.steps, optionsOf(step)));

const middle = {
  ...{ mapped, tapped, filtered, mapFiltered, unfolded, demuxed, joined, perRoute, aggregated, folded, kept },
} as const;

/** The nodes that hold something, or divide it, are the commonest. */
const likely: readonly (keyof typeof middle)[] = [
  ...(['mapped', 'tapped', 'filtered', 'mapFiltered', 'perRoute'] as const),
  ...(['unfolded', 'unfolded', 'demuxed', 'demuxed', 'joined', 'joined'] as const),
  ...(['aggregated', 'aggregated', 'aggregated', 'folded', 'folded', 'kept', 'kept'] as const),
];

const ends: Readonly<Record<string, (builder: Builder, step: Step) => Pipe<Piece>>> = {
  sink: (builder, step) => {
    const { act, done } = step.steps;
    return builder.to(sink<Piece>((piece, _, context) => act([piece], context, () => done(piece)), optionsOf(step)));
  },
  batchSink: (builder, step) => {
    const { dice, done, give } = step.steps;
    const options = { size: dice.pick([1, 6, 40]), intervalMs: dice.pick([20, 500, 4_000]), ...optionsOf(step) };
    return builder.to(
      batchSink<Piece>(options, (pieces, context) =>
        Promise.resolve(give(pieces, context, () => pieces.forEach(done))),
      ),
    );
  },
  open: (builder, step) => {
    const { act, done } = step.steps;
    return builder.map((piece, _, context) => act([piece], context, () => done(piece)), optionsOf(step)).end();
  },
};

export function drawChain(steps: Steps, timeoutMs: number): Drawn {
  const { dice } = steps;
  const shape: Shape = { ordered: true, hasMany: false, heads: [] };
  const step: Step = { steps, shape, timeoutMs };
  const ordered: boolean[] = [];
  const kinds: string[] = [];
  let builder: Builder = pipe<Piece>();
  for (let left = dice.between(1, 5); left > 0; left -= 1) {
    const kind = dice.pick(likely);
    kinds.push(kind);
    // A node that turns the law off does so for those behind it: it still gets its messages in order.
    ordered.push(shape.ordered);
    builder = middle[kind](builder, step);
  }
  const end = dice.pick(Object.keys(ends));
  kinds.push(end);
  ordered.push(shape.ordered);
  return { pipe: (ends[end] as (typeof ends)[string])(builder, step), ordered, kinds };
}
