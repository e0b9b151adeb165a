// A consumer over three streams whose sources are added and removed in a drawn order, while actors are killed and the table fails. Virtual
// time. Two streams share a lease table. `complaints` has what must never happen.
import fc from 'fast-check';
import { createConsumer, type Consumer } from '../../src/consumer/consumer.js';
import { defineReducer, type Item } from '../../src/api/reducer.js';
import type { LeaseStore } from '../../src/api/ports.js';
import type { AnySource } from '../../src/api/source.js';
import { fakeStream, type FakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { memoryLeaseStore, type MemoryLeaseStore } from '../../src/testing/memory-lease-store.js';
import { actorsOf, crash } from '../../supervision/index.js';
import { openQuestions } from '../../supervision/ask.js';
import { inVirtualTime } from './virtual.js';
import { seeded } from './virtual-consumer.js';

const names = ['a', 'b', 'c'] as const;
type Name = (typeof names)[number];
const tableOf = (name: Name): string => (name === 'c' ? 'apart' : 'shared');
const kinds = [
  ...['lease-coordinator', 'lease-keeper', 'shard-worker', 'reducer', 'stage', 'shard-worker-supervisor'],
  'coordinators',
] as const;

export type Step =
  | { readonly type: 'add' | 'remove' | 'put'; readonly name: Name }
  | { readonly type: 'kill'; readonly kind: (typeof kinds)[number]; readonly which: number }
  | { readonly type: 'outage'; readonly name: Name; readonly ms: number }
  /** Added while the coordinators are dead, removed after `ms`, and added again as soon as the removal has ended. */
  | { readonly type: 'again'; readonly name: Name; readonly ms: number }
  | { readonly type: 'stop' };

export interface Drawn {
  readonly seed: number;
  readonly steps: readonly { readonly step: Step; readonly afterMs: number; readonly deadlineMs: number }[];
}

const name = fc.constantFrom(...names);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constantFrom('add' as const, 'remove' as const), name }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('put' as const), name }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('kill' as const), kind: fc.constantFrom(...kinds), which: fc.nat(9) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('outage' as const), name, ms: fc.integer({ min: 10, max: 4_000 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('again' as const), name, ms: fc.integer({ min: 0, max: 40 }) }),
  },
);

export const drawn: fc.Arbitrary<Drawn> = fc.record({
  seed: fc.nat(1e9),
  steps: fc
    .array(
      fc.record({
        step,
        afterMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 60 }), fc.integer({ min: 60, max: 3_000 })),
        deadlineMs: fc.constantFrom(0, 200, 5_000),
      }),
      { minLength: 3, maxLength: 14 },
    )
    .chain((steps) =>
      fc
        .record({ stops: fc.boolean(), afterMs: fc.integer({ min: 0, max: 50 }) })
        .map(({ stops, afterMs }) =>
          stops ? [...steps, { step: { type: 'stop' } as const, afterMs, deadlineMs: 5_000 }] : steps,
        ),
    ),
});

/** A source that is added again at once, once or twice, in a consumer that is quiet otherwise. */
export const drawnAgain: fc.Arbitrary<Drawn> = fc.record({
  seed: fc.nat(1e9),
  steps: fc
    .array(fc.record({ name, ms: fc.integer({ min: 0, max: 40 }), putMs: fc.integer({ min: 0, max: 60 }) }), {
      minLength: 1,
      maxLength: 2,
    })
    .map((all) =>
      all.flatMap(({ name: of, ms, putMs }) => [
        { step: { type: 'put', name: of } as const, afterMs: 3_000, deadlineMs: 5_000 },
        { step: { type: 'again', name: of, ms } as const, afterMs: putMs, deadlineMs: 5_000 },
        { step: { type: 'put', name: of } as const, afterMs: 3_000, deadlineMs: 5_000 },
      ]),
    ),
});

interface Laws {
  readonly complaints: string[];
  readonly missing: () => readonly string[];
}

interface Scene extends Laws {
  readonly clock: ManualClock;
  readonly consumer: Consumer;
  readonly streams: Readonly<Record<Name, FakeStream>>;
  readonly stores: ReadonlyMap<string, MemoryLeaseStore>;
  readonly down: Set<string>;
  put(name: Name): void;
  source(name: Name): AnySource;
  /** Names of sources whose removal has ended, and that nobody has begun to add again. */
  readonly removed: Set<string>;
  /** The leases that a removal has reported as not released, with their counters then. */
  readonly notReleased: Map<string, number>;
  /** Names of sources that were added, and that nobody has begun to remove since the addition began. */
  readonly added: Set<string>;
}

const wayMs = 3;

function scene({ seed }: Drawn): Scene {
  const clock = new ManualClock();
  clock.install();
  const random = seeded(seed);
  const streams = Object.fromEntries(
    names.map((each) => [each, fakeStream({ name: each, clock, shards: 2 })]),
  ) as Scene['streams'];
  const stores = new Map(['shared', 'apart'].map((each) => [each, memoryLeaseStore([], each)]));
  const down = new Set<string>();
  const removed = new Set<string>();
  const added = new Set<string>();
  const open = new Set<string>();
  const complaints: string[] = [];
  const put = new Set<string>();
  const done = new Set<string>();
  const pause = (ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve));

  const storeOf = (table: string): LeaseStore => {
    const store = stores.get(table) as MemoryLeaseStore;
    let closed = false;
    const called =
      (key: keyof LeaseStore) =>
      async (...given: never[]) => {
        if ((given.at(-1) as unknown as AbortSignal | undefined)?.aborted === true) throw new Error('aborted');
        if (closed) complaints.push(`${String(key)} of the table ${table} is called after it was closed`);
        await pause(wayMs);
        if (down.has(table)) throw new Error(`the table ${table} is down`);
        return (store[key] as (...of: never[]) => unknown)(...given);
      };
    const calls = ['ensureTable', 'scan', 'get', 'create', 'update', 'wish', 'updateMeta', 'delete'] as const;
    return {
      ...(Object.fromEntries(calls.map((key) => [key, called(key)])) as unknown as LeaseStore),
      tableName: table,
      close: () => {
        closed = true;
      },
    };
  };

  const source = (of: Name): AnySource => {
    const { port, source: spec } = streams[of];
    return {
      ...spec,
      application: tableOf(of),
      open: () => {
        if (open.has(of)) complaints.push(`${of} is opened twice`);
        open.add(of);
        return {
          ...port,
          describe: async (signal) => (await pause(wayMs), port.describe(signal)),
          close: () => void open.delete(of),
        };
      },
      openLeases: (_, { tableName }) => storeOf(tableName),
    };
  };

  const consumer = createConsumer({
    logger: false,
    application: 'unused',
    workerId: 'me',
    source: names.slice(0, 1).map(source),
    reducers: 2,
    leases: { multiStream: true, failoverMs: 2_000, startDeadlineMs: 20_000 },
    restart: { intensity: 1_000, periodMs: 1_000 },
    callDeadlineMs: 3_000,
    reducer: defineReducer({
      init: () => 0,
      reduce: async (count: number, { source: of, value, signal }: Item<Buffer>) => {
        if (removed.has(of)) complaints.push(`a record of ${of} is handed out after the source was removed`);
        if (random.next() < 0.3) await pause(Math.floor(random.next() * 300));
        if (!signal.aborted) done.add(value.toString());
        return count + 1;
      },
    }),
    runtime: { clock, timers: clock, random },
  }) as unknown as Consumer;

  return {
    clock,
    consumer,
    streams,
    stores,
    down,
    removed,
    added,
    notReleased: new Map(),
    complaints,
    source,
    put: (of) => {
      for (let index = 0; index < 5; index += 1) {
        const data = `${of}-${put.size}`;
        put.add(data);
        streams[of].put({ partitionKey: data, data });
      }
    },
    missing: () => [...put].filter((each) => !done.has(each)),
  };
}

/** Makes one change, and checks what its promise says when it settles. */
async function change(
  world: Scene,
  { type, name: of }: Extract<Step, { type: 'add' | 'remove' | 'put' }>,
  deadlineMs: number,
): Promise<void> {
  const { consumer, complaints, removed, stores, notReleased } = world;
  const allowed = ['INVALID_OPTION', 'STOPPED', 'START_TIMEOUT', 'REFUSED'];
  const refused = (error: unknown): undefined => {
    const { code = String(error) } = error as { readonly code?: string };
    if (!allowed.includes(code)) complaints.push(`${type} ${of} is rejected with ${code}: ${String(error)}`);
    return undefined;
  };
  if (type === 'add') {
    removed.delete(of);
    const before = removalsOf(world, of);
    const note = (): void => {
      if (removalsOf(world, of) === before) world.added.add(of);
    };
    return consumer.addSource(world.source(of)).then(note, refused);
  }
  removals.set(world, [...(removals.get(world) ?? []), of]);
  world.added.delete(of);
  const report = await consumer.removeSource(of, { deadlineMs }).catch(refused);
  if (report === undefined) return;
  for (const { leaseKey, released } of report.leases) {
    const row = (stores.get(tableOf(of)) as MemoryLeaseStore).rows.get(leaseKey);
    if (!released && row !== undefined) notReleased.set(leaseKey, row.leaseCounter);
  }
  if (adding.get(world)?.has(of) === true) return;
  const rows = [...(stores.get(tableOf(of)) as MemoryLeaseStore).rows.values()];
  const owned = rows.filter(({ leaseKey, leaseOwner }) => leaseOwner === 'me' && leaseKey.includes(`:${of}:`));
  // An earlier removal may have said so, if the source has not held the lease since.
  for (const { leaseKey, checkpoint, leaseCounter } of owned)
    if (checkpoint !== 'SHARD_END' && notReleased.get(leaseKey) !== leaseCounter)
      complaints.push(`${leaseKey} still has its owner`);
  if (!consumer.status().sources.some(({ source }) => source === of)) removed.add(of);
  else complaints.push(`${of} is still shown after its removal`);
}

/** The names of the removals that have begun. */
const removals = new WeakMap<Scene, readonly Name[]>();
const removalsOf = (world: Scene, of: Name): number => removals.get(world)?.filter((each) => each === of).length ?? 0;

/** The sources that somebody is adding now. */
const adding = new WeakMap<Scene, Set<string>>();

function act(world: Scene, step: Step, deadlineMs: number): Promise<void> | undefined {
  const { consumer, clock, down } = world;
  switch (step.type) {
    case 'add': {
      const names = adding.get(world) as Set<string>;
      names.add(step.name);
      return change(world, step, deadlineMs).finally(() => names.delete(step.name));
    }
    case 'remove':
      return change(world, step, deadlineMs);
    case 'again':
      return changeAgain(world, step, deadlineMs);
    case 'put':
      world.put(step.name);
      return undefined;
    case 'kill': {
      const of = actorsOfKind(world, step.kind);
      const victim = of[step.which % Math.max(1, of.length)];
      if (victim !== undefined) crash(victim, new Error('killed'));
      return undefined;
    }
    case 'outage':
      down.add(tableOf(step.name));
      return void clock.after(step.ms, () => down.delete(tableOf(step.name)));
    case 'stop':
      return consumer.stop({ deadlineMs }).then(() => undefined);
  }
}

function actorsOfKind({ consumer }: Scene, kind: (typeof kinds)[number]): ReturnType<typeof actorsOf> {
  return actorsOf(consumer.runtime).filter(({ path }) => path.split(/[/#]/, 1)[0] === kind);
}

/** The first addition waits for a coordinator, and may notice its removal only after the second one has begun. */
async function changeAgain(
  world: Scene,
  { name: of, ms }: Extract<Step, { type: 'again' }>,
  deadlineMs: number,
): Promise<void> {
  for (const each of actorsOfKind(world, 'lease-coordinator')) crash(each, new Error('killed'));
  const first = act(world, { type: 'add', name: of }, deadlineMs);
  await new Promise<void>((resolve) => void world.clock.after(ms, resolve));
  await act(world, { type: 'remove', name: of }, deadlineMs);
  await Promise.all([first, act(world, { type: 'add', name: of }, deadlineMs)]);
}

/** Plays the steps, and returns what was wrong. */
export async function live(given: Drawn): Promise<readonly string[]> {
  const questions = openQuestions();
  const world = scene(given);
  const { clock, consumer, complaints, down } = world;
  adding.set(world, new Set());
  consumer.closed.catch((error: unknown) => complaints.push(`it ended by itself: ${String(error)}`));
  try {
    await inVirtualTime(clock, consumer.start());
    const changes: (Promise<void> | undefined)[] = [];
    for (const { step, afterMs, deadlineMs } of given.steps) {
      changes.push(act(world, step, deadlineMs));
      await clock.advance(afterMs);
    }
    await inVirtualTime(clock, Promise.all(changes), 120_000);
    if (given.steps.at(-1)?.step.type !== 'stop') await readAll(world);
    down.clear();
    await inVirtualTime(clock, consumer.stop());
    await clock.advance(5_000);
    if (openQuestions() !== questions) complaints.push(`${openQuestions() - questions} questions are open at the end`);
    if (clock.pending() > 0) complaints.push(`${clock.pending()} timers are left at the end`);
    return complaints;
  } finally {
    clock.uninstall();
  }
}

/** Adds what is not there, and waits for every record. */
async function readAll(world: Scene): Promise<void> {
  const { clock, consumer, complaints, missing, down, removed } = world;
  await clock.advance(5_000);
  down.clear();
  const there = new Set(consumer.status().sources.map(({ source }) => source));
  for (const each of world.added) if (!there.has(each)) complaints.push(`${each} was added, and is gone`);
  for (const each of names.filter((one) => !there.has(one))) {
    removed.delete(each);
    await inVirtualTime(clock, consumer.addSource(world.source(each)));
  }
  for (const each of names) world.put(each);
  await clock.advanceUntil(() => missing().length === 0, 60_000);
  if (missing().length > 0)
    complaints.push(`${missing().length} records were never done: ${missing().slice(0, 3).join()}`);
  const { sources } = consumer.status();
  if (sources.some(({ state }) => state !== 'running'))
    complaints.push(`not all sources run: ${JSON.stringify(sources)}`);
}
