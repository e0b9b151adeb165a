// Drawn reducers that emit into a drawn pipe, with what a naive model says about them: a record is done when each value that its calls must
// emit has reached the sink. A value of several items names them all.
import type { FlushContext, Item, ReducerContext, ReducerDefinition, ItemToken } from '../../src/api/reducer.js';
import type { Pipe } from '../../src/api/pipe.js';
import { pipe } from '../../src/pipes/pipe.js';

export const kindsOfEmitting = [
  'reduce',
  'flush',
  'by shard',
  'collectsOnly',
  'process',
  'concurrent',
  'manual',
  'manual flush',
  'raw',
] as const;
export type KindOfEmitting = (typeof kindsOfEmitting)[number];
export const chains = ['sink', 'aggregate', 'routes', 'two aggregates'] as const;
export type ChainKind = (typeof chains)[number];

/** A value stands for `of`, and is one of so many `parts`. */
export interface Emitted {
  readonly of: readonly number[];
  readonly key: string;
  readonly fence: number;
  readonly part: number;
  readonly parts: number;
  readonly from: 'item' | 'call';
}

export interface Setting {
  readonly kind: KindOfEmitting;
  readonly chain: ChainKind;
  /** How many values item n emits, and a call. */
  readonly ofItem: (n: number) => number;
  readonly ofCall: number;
  readonly batch: number;
  /** Throws now and then. */
  readonly mayFail: () => void;
  readonly pause: () => Promise<void>;
}

interface Folded {
  readonly items: readonly Item[];
}

export const numberOf = ({ value }: Item): number => Number(value.toString());

/** What has reached the sink. */
export class Arrived {
  /** By item, and by call: which parts of which value have come. */
  readonly #parts = new Map<string, Set<number>>();
  readonly #done = { item: new Set<number>(), call: new Set<number>() };
  readonly #last = new Map<string, number>();
  readonly complaints: string[] = [];

  note({ of, key, fence, part, parts, from }: Emitted): void {
    const name = `${from} ${of.join(' ')} of ${parts}`;
    const known = this.#parts.get(name) ?? new Set();
    this.#parts.set(name, known.add(part));
    if (known.size === parts) for (const n of of) this.#done[from].add(n);
    if (from !== 'item') return;
    const place = (of[0] as number) * 1_000 + part;
    const lane = `${key} ${fence}`;
    if (place < (this.#last.get(lane) ?? -1)) this.complaints.push(`${name}, part ${part}, came after a later one`);
    this.#last.set(lane, place);
  }

  isDone(n: number, { kind, ofItem, ofCall }: Setting): boolean {
    const emitsByItem = kind !== 'process' && kind !== 'concurrent' && kind !== 'raw';
    const emitsByCall = kind !== 'reduce' && kind !== 'manual' && kind !== 'manual flush';
    return (
      (!emitsByItem || ofItem(n) === 0 || this.#done.item.has(n)) &&
      (!emitsByCall || ofCall === 0 || this.#done.call.has(n))
    );
  }
}

function emitItem(item: Item, { emit }: ReducerContext<Emitted>, { ofItem }: Setting): void {
  const n = numberOf(item);
  const parts = ofItem(n);
  for (let part = 0; part < parts; part += 1)
    emit({ of: [n], key: item.key, fence: item.fence, part, parts, from: 'item' });
}

function emitCall(items: readonly Item[], { emit }: ReducerContext<Emitted>, { ofCall }: Setting): void {
  const of = items.map(numberOf);
  for (let part = 0; part < ofCall; part += 1) emit({ of, key: '', fence: 0, part, parts: ofCall, from: 'call' });
}

/** `acknowledgeLater`: calls back some time after the call. */
export function drawnEmitting(
  setting: Setting,
  acknowledgeLater: (acknowledge: () => void) => void,
): ReducerDefinition<Buffer, unknown, Emitted> {
  const { kind, mayFail, pause, batch: size } = setting;
  const batch = { size, intervalMs: 200 };
  const reduce = (state: Folded, item: Item, context: ReducerContext<Emitted>): Folded => {
    emitItem(item, context, setting);
    mayFail();
    return { items: [...state.items, item] };
  };
  const flush = async ({ items }: Folded, context: FlushContext<Emitted>): Promise<Folded> => {
    emitCall(items, context, setting);
    await pause();
    mayFail();
    return { items: [] };
  };
  const process = async (items: readonly Item[], context: FlushContext<Emitted>): Promise<void> => {
    await pause();
    emitCall(items, context, setting);
    mayFail();
  };
  const init = (): Folded => ({ items: [] });
  const manual = (state: Folded, item: Item, context: ReducerContext<Emitted>): Folded => {
    const next = reduce(state, item, context);
    acknowledgeLater(() => context.ack(item.token));
    return kind === 'manual' ? init() : next;
  };
  const raw = async (
    tokens: ItemToken[],
    message: { type: string; items?: readonly Item[] },
    context: ReducerContext<Emitted>,
  ) => {
    await pause();
    if (message.items === undefined) return tokens;
    emitCall(message.items, context, setting);
    mayFail();
    for (const { token } of message.items) acknowledgeLater(() => context.ack(token));
    return tokens;
  };
  const definitions: Readonly<Record<KindOfEmitting, object>> = {
    reduce: {
      init,
      reduce: (_: Folded, item: Item, context: ReducerContext<Emitted>) => (reduce(init(), item, context), init()),
    },
    flush: { init, reduce, flush, batch },
    'by shard': { init, reduce, flush, batch, stateBy: 'shard' },
    collectsOnly: { init, reduce, flush, batch, collectsOnly: true },
    process: { process, batch },
    concurrent: { process, concurrency: 3 },
    manual: { init, reduce: manual, acknowledge: 'manual' },
    'manual flush': { init, reduce: manual, flush, batch, acknowledge: 'manual' },
    raw: { init: () => [], behaviour: raw },
  };
  return definitions[kind] as ReducerDefinition<Buffer, unknown, Emitted>;
}

/** The same values come to the sink, whatever the chain. Each key has one route. */
export function drawnPipe({ chain, mayFail, pause }: Setting, arrived: (value: Emitted) => void): Pipe<Emitted> {
  const sink = async (value: Emitted): Promise<void> => {
    await pause();
    mayFail();
    arrived(value);
  };
  const begun = pipe<Emitted>();
  if (chain === 'sink') return begun.to(sink);
  const unfolded = (batch: readonly Emitted[]): readonly Emitted[] => batch;
  if (chain === 'aggregate') return begun.aggregate({ count: 7, intervalMs: 300 }).unfold(unfolded).to(sink);
  if (chain === 'routes')
    return begun
      .demux(({ key }) => key)
      .aggregate({ count: 3, intervalMs: 400 })
      .join()
      .unfold(unfolded)
      .to(sink);
  return begun
    .aggregate({ count: 3, intervalMs: 150 })
    .unfold(unfolded)
    .tap(mayFail)
    .aggregate({ count: 8, intervalMs: 250 })
    .unfold(unfolded)
    .to(sink);
}
