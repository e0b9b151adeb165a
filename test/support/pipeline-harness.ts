// A random harness for the pipeline: streams of plain and aggregated records, an extract that makes any number of items, and reducers
// with every kind of acknowledgement. It checks the laws from outside, by the items in user code and the messages to keepers.
import fc from 'fast-check';
import { envelope, message } from './aggregate-bytes.js';
import { startPipeline, type Pipeline } from './pipeline.js';
import type { Position } from '../../src/core/position.js';
import { comparePositions } from '../../src/core/sequence-number.js';
import {
  defineReducer,
  type Extracted,
  type Item,
  type ReducerContext,
  type ReducerDefinition,
} from '../../src/api/reducer.js';
import { fakeStream, type FakeStream } from '../../src/testing/fake-stream/fake-stream.js';

const shard = 'shardId-000000000000';

/** A raw record: the number of items of each of its user records. More than one user record makes an aggregate. */
type Raw = readonly number[];

export interface Harness {
  /** The raw records of each stream. Each stream has one shard. */
  readonly streams: readonly (readonly Raw[])[];
  readonly keys: number;
  readonly credit: number;
  readonly batchSize: number;
  readonly reducers: number;
  readonly stages: number;
  readonly spread: 'by-shard' | 'round-robin';
  readonly maxPending: number;
  readonly maxPendingBytes: number;
  readonly mode: 'auto' | 'flush' | 'manual' | 'raw';
  /** How many milliseconds the calls of user code take, in turn; 0 makes a synchronous call. */
  readonly delays: readonly number[];
  /** Raw records per put, and per read. */
  readonly burst: number;
  /** Share of `maxPending` that each reducer's manual acknowledgements wait for. */
  readonly patience: readonly number[];
}

const raw = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.integer({ min: 0, max: 4 })) },
  { weight: 1, arbitrary: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 2, maxLength: 12 }) },
  { weight: 1, arbitrary: fc.tuple(fc.integer({ min: 20, max: 40 })) },
);

export const harness: fc.Arbitrary<Harness> = fc.record({
  streams: fc.array(fc.array(raw, { maxLength: 60 }), { minLength: 1, maxLength: 3 }),
  keys: fc.integer({ min: 1, max: 12 }),
  credit: fc.integer({ min: 1, max: 12 }),
  batchSize: fc.integer({ min: 1, max: 15 }),
  reducers: fc.integer({ min: 1, max: 5 }),
  stages: fc.integer({ min: 1, max: 3 }),
  spread: fc.constantFrom('by-shard', 'round-robin'),
  maxPending: fc.integer({ min: 1, max: 30 }),
  maxPendingBytes: fc.oneof(fc.constant(1_000_000), fc.integer({ min: 1, max: 200 })),
  mode: fc.constantFrom('auto', 'flush', 'manual', 'raw'),
  delays: fc.array(fc.constantFrom(0, 0, 0, 1, 7, 40), { minLength: 1, maxLength: 10 }),
  burst: fc.integer({ min: 1, max: 40 }),
  patience: fc.array(fc.integer({ min: 0, max: 10 }), { minLength: 5, maxLength: 5 }),
});

interface Unit {
  readonly position: Position;
  readonly items: readonly string[];
}

export interface Outcome {
  /** The violations of laws, in words. */
  readonly complaints: readonly string[];
  readonly crashes: readonly any[];
}

/** Runs a harness to its end, and returns the violations of laws and the crashes. */
export async function live(setting: Harness, watchdogMs = 600_000): Promise<Outcome> {
  const { maxPending, maxPendingBytes, reducers, stages, credit, spread, batchSize, burst } = setting;
  const streams = setting.streams.map((_, index) => fakeStream({ name: `s${index}`, maxRecords: burst }));
  const watch = createWatch(setting);
  const pipeline: Pipeline = startPipeline({
    reducers,
    stages,
    credit,
    batchSize,
    batchIntervalMs: 300,
    stage: { extract: ({ data }, { source }) => itemsOf(source, Buffer.from(data).toString(), setting.keys) },
    shardWorker: { maxPending, maxPendingBytes, spread, watchdogMs },
    definition: definitionOf(setting, watch, (ms) => pipeline.sleep(ms)),
    runtime: {
      intercept: {
        deliver: ({ message: mail, to }, go) => {
          const { type, frontier } = mail as { type: string; frontier?: { position: Position } };
          if (type === 'frontier') watch.frontier(watch.nameOf(to.path), frontier!.position);
          go();
        },
      },
    },
  });
  try {
    const readers = streams.map((stream) => pipeline.read(stream.port, shard));
    readers.forEach(({ keeper }, index) => watch.names.set(keeper.ref.path, `s${index}`));
    const units = setting.streams.map(() => [] as Unit[]);
    const longest = Math.max(...setting.streams.map(({ length }) => length));
    for (let from = 0; from < longest; from += burst) {
      setting.streams.forEach((records, index) => {
        for (const each of records.slice(from, from + burst))
          put(streams[index]!, `s${index}`, each, units[index]!, setting);
      });
      setting.streams.forEach((_, index) => watch.units.set(`s${index}`, units[index]!));
      await pipeline.clock.advance(1);
      for (const { shardWorker } of readers) watch.bounds(pipeline.status(shardWorker));
    }
    await pipeline.clock.advance(watchdogMs < 600_000 ? watchdogMs * 3 : 60_000);
    const crashes = pipeline.events.flatMap((event) => (event.name === 'actorCrashed' ? [event.data.error] : []));
    if (crashes.length > 0) return { complaints: watch.complaints, crashes };
    watch.delivered('before the last acknowledgements');
    watch.release();
    await pipeline.clock.advance(2_000);
    readers.forEach(({ keeper, shardWorker }, index) => {
      const last = units[index]!.at(-1)?.position;
      const reported = keeper.frontiers.at(-1)?.position;
      watch.same(`frontier of s${index}`, reported, last);
      watch.same(`open records of s${index}`, (pipeline.status(shardWorker) as { openRecords: number }).openRecords, 0);
    });
    for (const ref of pipeline.stages) {
      for (const queue of (pipeline.status(ref) as { queues: { queued: number; credit: number }[] }).queues) {
        watch.same('credit of a queue', [queue.queued, queue.credit], [0, credit]);
      }
    }
    return { complaints: watch.complaints, crashes };
  } finally {
    await pipeline.stop();
  }
}

/** Puts one raw record. The data of each user record are its ordinal and its number of items. */
function put(stream: FakeStream, source: string, each: Raw, units: Unit[], { keys }: Harness): void {
  const names = each.map((items, sub) => `${units.length + sub}:${items}`);
  const single = names.length === 1;
  const data = single
    ? names[0]!
    : envelope(
        message(
          ['k'],
          names.map((name) => ({ pk: 0, data: name })),
        ),
      );
  const { sequenceNumber } = stream.put({ partitionKey: 'k', data })[0]!;
  names.forEach((name, sub) => {
    const items = itemsOf(source, name, keys).map(({ value }) => value as string);
    units.push({ position: { sequenceNumber, subSequenceNumber: sub }, items });
  });
}

function itemsOf(source: string, name: string, keys: number): Extracted[] {
  const [ordinal, items] = name.split(':').map(Number) as [number, number];
  return Array.from({ length: items }, (_, index) => ({
    key: `k${(ordinal * 7 + index * 3) % keys}`,
    value: `${source}/${ordinal}/${index}`,
  }));
}

interface Watch {
  readonly complaints: string[];
  readonly units: Map<string, readonly Unit[]>;
  readonly names: Map<string, string>;
  nameOf(path: string): string;
  saw(item: Item<string>): void;
  acked(id: string): void;
  frontier(source: string, position: Position): void;
  bounds(status: object | undefined): void;
  delivered(when: string): void;
  hold(release: () => void): void;
  release(): void;
  same(what: string, got: unknown, expected: unknown): void;
}

function createWatch({ spread, maxPending, maxPendingBytes }: Harness): Watch {
  const complaints: string[] = [];
  const units = new Map<string, readonly Unit[]>();
  const names = new Map<string, string>();
  const seen = new Set<string>();
  const acked = new Set<string>();
  const lastOfKey = new Map<string, number>();
  const passed = new Map<string, number>();
  const held: (() => void)[] = [];
  const complain = (text: string): void => void complaints.push(text);
  return {
    complaints,
    units,
    names,
    nameOf: (path) => names.get(path) ?? '?',
    saw: ({ key, value }) => {
      if (seen.has(value)) complain(`I5: ${value} was delivered twice`);
      seen.add(value);
      const [source, ordinal, index] = value.split('/') as [string, string, string];
      const place = Number(ordinal) * 1_000 + Number(index);
      const keyOfSource = `${source}/${key}`;
      if (spread === 'by-shard' && place < (lastOfKey.get(keyOfSource) ?? -1))
        complain(`I6: ${value} came late for its key`);
      lastOfKey.set(keyOfSource, place);
    },
    acked: (id) => acked.add(id),
    frontier: (source, position) => {
      const all = units.get(source) ?? [];
      let next = passed.get(source) ?? 0;
      for (; next < all.length && comparePositions(all[next]!.position, position) <= 0; next += 1) {
        for (const id of all[next]!.items) if (!acked.has(id)) complain(`I1: the frontier passed ${id}, which is open`);
      }
      passed.set(source, next);
    },
    bounds: (status) => {
      const { openRecords, openBytes } = status as { openRecords: number; openBytes: number };
      if (openRecords > maxPending) complain(`I11: ${openRecords} records open, of ${maxPending}`);
      if (openBytes > maxPendingBytes && openRecords > 1)
        complain(`I11: ${openBytes} bytes open, of ${maxPendingBytes}`);
    },
    delivered: (when) => {
      for (const each of units.values())
        for (const { items } of each)
          for (const id of items) if (!seen.has(id)) complain(`I12: ${id} was not delivered ${when}`);
    },
    hold: (release) => held.push(release),
    release: () => {
      for (const release of held) release();
    },
    same: (what, got, expected) => {
      if (JSON.stringify(got) !== JSON.stringify(expected))
        complain(`${what}: ${JSON.stringify(got)} instead of ${JSON.stringify(expected)}`);
    },
  };
}

type Sleep = (ms: number) => Promise<void>;

function definitionOf(setting: Harness, watch: Watch, sleep: Sleep): ReducerDefinition {
  const { mode } = setting;
  if (mode === 'manual') return manualDefinition(setting, watch, sleep);
  if (mode === 'raw') return rawDefinition(setting, watch, sleep);
  const pause = pauses(setting, sleep);
  return defineReducer<string[], string>({
    init: () => [],
    reduce: (state, item) => {
      watch.saw(item);
      const fold = (): string[] => {
        if (mode === 'auto') watch.acked(item.value);
        return [...state, item.value];
      };
      const wait = pause();
      return wait === undefined ? fold() : wait.then(fold);
    },
    ...(mode === 'auto' ? {} : { flush: (state: string[]) => flushed(state, watch, pause()) }),
  });
}

function pauses({ delays }: Harness, sleep: Sleep): () => Promise<void> | undefined {
  let turn = 0;
  return () => {
    const ms = delays[(turn += 1) % delays.length] as number;
    return ms === 0 ? undefined : sleep(ms);
  };
}

async function flushed(state: string[], watch: Watch, wait: Promise<void> | undefined): Promise<string[]> {
  await wait;
  for (const id of state) watch.acked(id);
  return [];
}

/** Each reducer waits for a quota of records of a shard. The quotas of all reducers together never exceed maxPending. */
function manualDefinition(setting: Harness, watch: Watch, sleep: Sleep): ReducerDefinition {
  const { maxPending, reducers, patience } = setting;
  const whole = patience.slice(0, reducers).reduce((sum, each) => sum + each, 1);
  const quota = patience.map((each) =>
    Math.max(1, Math.floor((each * Math.max(0, maxPending - reducers)) / whole) + 1),
  );
  const pause = pauses(setting, sleep);
  const held = new Map<string, { readonly items: Item<string>[]; readonly records: Set<string> }>();
  const ackAll = (name: string, ctx: ReducerContext): void => {
    for (const item of held.get(name)?.items ?? []) {
      watch.acked(item.value);
      ctx.ack(item.token);
    }
    held.delete(name);
  };
  return defineReducer<number, string>({
    init: () => 0,
    acknowledge: 'manual',
    reduce: (n, item, ctx) => {
      watch.saw(item);
      const name = `${ctx.reducer}/${item.source}`;
      let waiting = held.get(name);
      if (waiting === undefined) {
        held.set(name, (waiting = { items: [], records: new Set() }));
        watch.hold(() => ackAll(name, ctx));
      }
      waiting.items.push(item);
      waiting.records.add(item.value.split('/')[1]!);
      // If there may be fewer open records than reducers, no reducer may wait.
      if (maxPending < reducers || waiting.records.size >= (quota[ctx.reducer] as number)) ackAll(name, ctx);
      return pause()?.then(() => n) ?? n;
    },
  });
}

/** Acknowledges some items at once, and the rest at the next flush or heartbeat. */
function rawDefinition(setting: Harness, watch: Watch, sleep: Sleep): ReducerDefinition {
  const pause = pauses(setting, sleep);
  return defineReducer<Item<string>[], string>({
    init: () => [],
    behaviour: async (kept, received, ctx) => {
      await pause();
      const items = received.type === 'items' ? received.items : kept;
      const later: Item<string>[] = [];
      for (const item of items) {
        if (received.type === 'items') watch.saw(item);
        if (received.type === 'items' && item.value.length % 2 === 0) later.push(item);
        else {
          watch.acked(item.value);
          ctx.ack(item.token);
        }
      }
      return received.type === 'items' ? [...kept, ...later] : [];
    },
  });
}
