// Chains of library nodes, drawn by fast-check. A value is a list of leaves: which items went into it, and by which copies.
import fc from 'fast-check';
import { NonRetryableError } from '../../src/api/failure-policy.js';
import type { AnyNode, MessageLease, NodeDefinition } from '../../src/api/pipe.js';
import { aggregate } from '../../src/pipes/aggregate.js';
import { assembleChunks } from '../../src/pipes/assemble-chunks.js';
import { batchSink } from '../../src/pipes/batch-sink.js';
import type { Aggregation } from '../../src/pipes/folded-parts.js';
import { routeDependent } from '../../src/pipes/route-dependent.js';
import { demux, join } from '../../src/pipes/routes.js';
import { filter, map, mapFilter, sink, tap, unfold } from '../../src/pipes/single-nodes.js';

export interface Leaf {
  readonly id: number;
  /** Unique among the leaves of a layer: the item, and the copies that were made of it. */
  readonly path: string;
  readonly lease: MessageLease;
}

export interface Value {
  readonly leaves: readonly Leaf[];
  readonly chunk?: number;
}

const kinds = [
  'map',
  'filter',
  'mapFilter',
  'tap',
  'unfold',
  'list',
  'fold',
  'merge',
  'demux',
  'join',
  'routeDependent',
  'chunks',
] as const;
export type Kind = (typeof kinds)[number] | 'explode' | 'sink' | 'batchSink';

export interface Spec {
  readonly kind: Kind;
  readonly count: number;
  readonly perLease: boolean;
  readonly once: boolean;
  readonly isFlaky: boolean;
  readonly isLater: boolean;
}

export const spec: fc.Arbitrary<Spec> = fc.record({
  // Nodes that hold something twice as often.
  kind: fc.constantFrom<Kind>(...kinds, 'list', 'fold', 'merge', 'merge', 'chunks'),
  count: fc.integer({ min: 1, max: 5 }),
  perLease: fc.boolean(),
  once: fc.boolean(),
  isFlaky: fc.boolean(),
  isLater: fc.boolean(),
});

/** At most eight nodes. A join needs a demux before it, and no value is copied more than 27 times. */
export const chain: fc.Arbitrary<readonly Spec[]> = fc
  .tuple(fc.array(spec, { minLength: 1, maxLength: 7 }), fc.constantFrom<Kind>('sink', 'batchSink', 'map'), spec)
  .map(([specs, last, how]) => {
    let depth = 0;
    let unfolds = 0;
    const wanted: Spec[] = [];
    for (const each of specs) {
      const isAlone = ['join', 'routeDependent'].includes(each.kind) && depth === 0;
      const isTooMany = each.kind === 'unfold' && ++unfolds > 3;
      if (each.kind === 'demux') depth += 1;
      if (each.kind === 'join' && !isAlone) depth -= 1;
      if (each.kind === 'chunks') wanted.push({ ...each, kind: 'explode' });
      wanted.push(isAlone || isTooMany ? { ...each, kind: 'map' } : each);
    }
    const kept = wanted.slice(0, 7);
    if (kept.at(-1)?.kind === 'explode') kept.pop();
    return [...kept, { ...how, kind: last }];
  });

const numberOf = ({ leaves }: Value): number => {
  let sum = 0;
  for (const letter of leaves[0]?.path ?? '') sum = (sum * 31 + letter.charCodeAt(0)) % 1_009;
  return sum;
};

const joined = (values: readonly Value[]): Value => ({ leaves: values.flatMap(({ leaves }) => leaves) });

interface Fold {
  values: Value[];
}

const folding = (
  output: (values: readonly Value[]) => Value | Promise<Value>,
  most: number,
): Aggregation<Fold, Value, Value> => ({
  init: () => ({ values: [] }),
  push: (fold, value) => {
    if (fold.values.length >= most) return 'reject';
    fold.values.push(value);
    return numberOf(value) % 7 === 0 ? 'flush' : 'keep';
  },
  output: ({ values }) => output(values),
});

/** `fails` is asked at each call of a flaky function. */
export function nodesOf(specs: readonly Spec[], fails: () => boolean): AnyNode[] {
  return specs.map((each) => nodeOf(each, fails));
}

/** `unitMs`: intervals are multiples of it. */
export function nodeOf(
  { kind, count, perLease, once, isFlaky, isLater }: Spec,
  fails: () => boolean,
  unitMs = 50,
): AnyNode {
  const f =
    <Args extends readonly unknown[], Returned>(call: (...args: Args) => Returned) =>
    (...args: Args): Returned => {
      if (isFlaky && fails()) throw count === 1 ? new NonRetryableError('flaky') : new Error('flaky');
      return isLater ? (Promise.resolve(call(...args)) as Returned) : call(...args);
    };
  const bounds = { count: count + 1, intervalMs: unitMs * count, perLease, once };
  const copy = (value: Value): Value => ({ ...value });
  switch (kind) {
    case 'map':
      return map(f(copy));
    case 'filter':
      return filter(f((value: Value) => numberOf(value) % 5 !== 0));
    case 'mapFilter':
      return mapFilter(f((value: Value) => (numberOf(value) % 5 === 1 ? undefined : value)));
    case 'tap':
      return tap(f((value: Value) => value.leaves.length));
    case 'unfold':
      return unfold(
        f((value: Value): readonly Value[] =>
          Array.from({ length: numberOf(value) % 4 }, (_, copy) => ({
            leaves: value.leaves.map((leaf) => ({ ...leaf, path: `${leaf.path}.${copy}` })),
          })),
        ),
      );
    case 'list':
      return aggregate(bounds, f(joined));
    case 'fold':
      return aggregate({ intervalMs: unitMs * count, once }, folding(f(joined), count));
    case 'merge':
      return aggregate(
        { intervalMs: unitMs * count, once, perLease },
        { ...folding(f(joined), count), merge: (parts) => ({ values: parts.flatMap(({ values }) => values) }) },
      );
    case 'demux':
      return demux((value: Value) => String(numberOf(value) % 3));
    case 'join':
      return join();
    case 'routeDependent':
      return routeDependent((route): NodeDefinition<unknown, Value, Value> =>
        route === '0' ? map(f(copy)) : aggregate({ ...bounds, count: bounds.count + Number(route) }, f(joined)),
      );
    case 'explode':
      return unfold((value: Value): readonly Value[] => [1, 2, 3].map((chunk) => ({ leaves: value.leaves, chunk })));
    case 'chunks':
      return assembleChunks({
        chunk: ({ leaves, chunk }: Value) => ({ id: leaves[0]!.path, index: chunk!, total: 3 }),
        maxAgeMs: 20 * unitMs,
        concat: f(([first]: readonly Value[]): Value => ({ leaves: first!.leaves })),
      });
    case 'sink':
      return sink(f((value: Value) => value.leaves.length));
    case 'batchSink':
      return batchSink({ size: count, intervalMs: 2 * unitMs }, async (values: readonly Value[]) => f(joined)(values));
  }
}
