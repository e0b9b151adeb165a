// A stream, a lease table and a few consumers in virtual time. Everything is real except the services. An oracle sees every
// delivery and every write. A scenario drives the world, a strike kills actors in it, and `laws.ts` checks the end.
import { consumerOf, type Consumer, type StopReport } from '../../src/consumer/consumer.js';
import { actors, type Actors } from '../../src/consumer/wiring.js';
import type { ConsumerOptions } from '../../src/api/options.js';
import type { FailurePolicy, OnFailure } from '../../src/api/failure-policy.js';
import type { AnySource } from '../../src/api/source.js';
import type { StreamSource } from '../../src/api/ports.js';
import type { Item } from '../../src/api/reducer.js';
import { park } from '../../src/options/park-policy.js';
import { fakeStream, type FakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { memoryLeaseStore, type MemoryLeaseStore } from '../../src/testing/memory-lease-store.js';
import type { TraceEntry } from '../../supervision/intercept.js';
import { createDice } from '../sim/dice.js';
import { createIncarnations, type Incarnations } from '../sim/incarnations.js';
import { createOracle, type Oracle } from '../sim/oracle.js';
import { watchedStore } from '../sim/watched-store.js';
import type { Workplace } from '../sim/workload.js';
import { application, type Form, type Work } from './application.js';
import { hooksOf, type Hooks, type HookTrouble } from './hooks.js';
import { sinkOf } from './parking.js';
import { emittingOf } from './emitting.js';
import { pipeOf } from './piping.js';

export const failoverMs = 3_000;
/** The signature of another process with the same worker id. */
export const twin = 'another/1';
/** How long a call to a service takes, each way. */
const wayMs = 2;

/** What the services and the application do wrong now. Scenarios set it. */
export interface Trouble {
  /** These calls of the stream or the table fail; `children`: the service names no children of a closed shard. */
  readonly fails: Set<
    'describe' | 'listShards' | 'children' | 'ensureTable' | 'scan' | 'get' | 'create' | 'update' | 'wish' | 'delete'
  >;
  /** How many of the next reads report that they were throttled. */
  notices: number;
  /** By function of the application: how many of its next calls throw, and the message. */
  readonly throws: Map<'extract' | 'reduce' | 'flush', { times: number; readonly message: string }>;
  /** How long calls of `reduce` and `flush` take, if above 0. */
  callMs: number;
  /** How long a call of the sink takes, and how many of the next ones it refuses. */
  readonly sink: { ms: number; refuses: number };
  readonly hooks: HookTrouble;
  /** Whether mail may come late. Then an item of a worker that has just ended may still be handed out. */
  lateMail: boolean;
}

export interface Member {
  readonly name: string;
  readonly consumer: Consumer;
  readonly seen: string[];
  /** Under which fence each item was last handed out, and the last fence of each shard. */
  readonly handedOut: Map<string, { readonly shardId: string; readonly fence: number }>;
  readonly fences: Map<string, number>;
  /** Why the consumer ended by itself. */
  ended: Error | undefined;
  stopping: Promise<StopReport> | undefined;
  /** Steps of the life of each actor: `start`, `stopping`, `stopped`. */
  readonly lives: Map<string, string[]>;
  /** How often each actor's stop hook has run. */
  readonly hooks: Map<string, number>;
  /** User and I/O effects under way. */
  effects: number;
}

export interface World extends Workplace {
  readonly clock: ManualClock;
  readonly stream: FakeStream;
  readonly leases: MemoryLeaseStore;
  readonly oracle: Oracle;
  readonly trouble: Trouble;
  readonly members: Member[];
  readonly ids: Set<string>;
  /** The shard of each item, and the shards whose `onShardEnded` has succeeded. */
  readonly shardOf: Map<string, string>;
  readonly endedByHook: Set<string>;
  /** The items that a sink keeps. */
  readonly parked: Set<string>;
  /** Calls `act` when `ms` have passed from now. */
  at(ms: number, act: () => void): void;
  /** Makes and starts a consumer. `attach` sees it before the start. */
  start(name: string, attach?: (member: Member) => void): Member;
  stop(member: Member, deadlineMs?: number): void;
  /** The source that a consumer of this name has at its start. */
  source(name: string): AnySource;
}

export interface Setting {
  readonly form: Form;
  readonly shards?: number;
  readonly options?: Partial<ConsumerOptions>;
  /** A sink keeps what fails. */
  readonly parks?: true;
  /** The application has hooks for shards. */
  readonly hooks?: true;
  readonly actors?: Actors;
}

export function createWorld(setting: Setting): World {
  const clock = new ManualClock();
  const stream = fakeStream({ shards: setting.shards ?? 2, clock, maxRecords: 10 });
  const leases = memoryLeaseStore();
  const parents = async (): Promise<void> => {
    const { shards } = await stream.port.listShards({ type: 'all' }, new AbortController().signal);
    for (const { shardId, parentShardId, adjacentParentShardId } of shards)
      lineage.set(
        shardId,
        [parentShardId, adjacentParentShardId].filter((id) => id !== undefined),
      );
  };
  const lineage = new Map<string, readonly string[]>();
  const ids = new Set<string>();
  const shardOf = new Map<string, string>();
  const oracle = createOracle({
    now: () => clock.now(),
    failoverMsOf: () => failoverMs,
    longestFailoverMs: failoverMs,
    parentsOf: (shardId) => lineage.get(shardId) ?? [],
    rowOf: (leaseKey) => leases.rows.get(leaseKey),
    onViolation: () => {},
  });
  const told = (record: Parameters<Oracle['put']>[0]): void => {
    oracle.put(record);
    for (const { id } of record.items.flat()) {
      ids.add(id);
      shardOf.set(id, record.shardId);
    }
    void parents();
  };
  const world: World = {
    clock,
    stream,
    leases,
    oracle: { ...oracle, put: told },
    trouble: {
      fails: new Set(),
      notices: 0,
      throws: new Map(),
      callMs: 0,
      lateMail: false,
      sink: { ms: 20, refuses: 0 },
      hooks: { ms: 20, fails: 0 },
    },
    members: [],
    ids,
    shardOf,
    endedByHook: new Set(),
    parked: new Set(),
    dice: createDice(42),
    kinesis: { put: (_, record) => stream.put(record)[0] as { shardId: string; sequenceNumber: string } },
    written: 0,
    items: 0,
    raw: new Map(),
    at: (ms, act) => void clock.after(ms, act),
    start: (name, attach) => startMember(world, setting, name, attach),
    stop: (member, deadlineMs = 5_000) => stopMember(world, member, deadlineMs),
    source: (name) => sourceOf(world, name),
  };
  return world;
}

function startMember(world: World, setting: Setting, name: string, attach?: (member: Member) => void): Member {
  const { clock, oracle } = world;
  const incarnations = createIncarnations(
    () => clock.now(),
    (text) => oracle.violate('I26', `${name}: ${text}`),
  );
  const parts: Omit<Member, 'consumer'> = {
    name,
    seen: [],
    handedOut: new Map(),
    fences: new Map(),
    ended: undefined,
    stopping: undefined,
    lives: new Map(),
    hooks: new Map(),
    effects: 0,
  };
  const hooks = setting.hooks === true ? hooksOf(world, world.endedByHook, (ms) => pause(clock, ms)) : undefined;
  const consumer = consumerOf(
    {
      logger: false,
      application: 'moments',
      workerId: name,
      source: sourceOf(world, name),
      reducers: 2,
      extract: (record) => {
        fail(world, 'extract');
        return JSON.parse(Buffer.from(record.data).toString()) as { key: string; value: string }[];
      },
      ...applicationOf(world, setting.form, incarnations, { ...parts, hooks }),
      flushIntervalMs: 300,
      callDeadlineMs: 2_000,
      restart: { intensity: 5, periodMs: 10_000 },
      onCheckpoint: () => pause(clock, 5),
      ...(hooks === undefined ? {} : { onShardStarted: hooks.onShardStarted, onShardEnded: hooks.onShardEnded }),
      ...(setting.parks === true
        ? { onFailure: parkingOf(setting, park(sinkOf(world, name, (ms) => pause(clock, ms)))) }
        : {}),
      ...setting.options,
      leases: { failoverMs, ...setting.options?.leases },
      runtime: runtimeOf(world, incarnations, parts.lives, (result) => counted(member, result)),
    },
    countingHooks(setting.actors ?? actors, parts.hooks),
  );
  const member: Member = Object.assign(parts, { consumer });
  world.members.push(member);
  consumer.on('orphaned', ({ actor }) => incarnations.orphaned(actor));
  consumer.on('shardStarted', ({ shardId, fence }) => void member.fences.set(shardId, fence));
  consumer.on('checkpoint', (at) => oracle.told(at.shardId, at.sequenceNumber, at.subSequenceNumber));
  if (hooks !== undefined) consumer.on('shardEnded', ({ shardId }) => hooks.rowEnded(shardId));
  attach?.(member);
  const failed = (error: unknown): void => void (member.ended ??= error as Error);
  consumer.start().catch((error: unknown) => {
    if (member.stopping === undefined) failed(error);
  });
  consumer.closed.catch(failed);
  return member;
}

function runtimeOf(
  { clock, dice }: World,
  incarnations: Incarnations,
  lives: Member['lives'],
  count: (result: unknown) => unknown,
): ConsumerOptions['runtime'] {
  return {
    clock,
    timers: clock,
    random: dice.split(),
    trace: (entry: TraceEntry) => {
      incarnations.traced(entry);
      note(lives, entry);
    },
    intercept: {
      deliver: (delivery: { message: unknown }, deliver: () => void) => {
        const { type, tenure, shardWorkerRef } = (delivery.message ?? {}) as Partial<Notify>;
        if (type === 'notify') incarnations.works(tenure?.shardWorkerNumber ?? -1, shardWorkerRef?.path ?? '');
        deliver();
      },
      startEffect: (actor: { path: string }, info: { name: string }, start: () => unknown) =>
        count(incarnations.start(actor.path, info.name, start)),
    },
  };
}

interface Notify {
  readonly type: string;
  readonly tenure: { readonly shardWorkerNumber: number };
  readonly shardWorkerRef: { readonly path: string };
}

function note(lives: Member['lives'], { what, to }: TraceEntry): void {
  if (what !== 'start' && what !== 'stopping' && what !== 'stopped') return;
  const life = lives.get(to) ?? [];
  life.push(what);
  lives.set(to, life);
}

function counted(member: Member, result: unknown): unknown {
  if (typeof (result as Partial<PromiseLike<unknown>> | undefined)?.then !== 'function') return result;
  member.effects += 1;
  const over = (): void => void (member.effects -= 1);
  (result as PromiseLike<unknown>).then(over, over);
  return result;
}

function isOfLast({ handedOut, fences }: Member, id: string): boolean {
  const last = handedOut.get(id);
  return last !== undefined && fences.get(last.shardId) === last.fence;
}

function stopMember({ oracle, leases, members }: World, member: Member, deadlineMs: number): void {
  const { name } = member;
  const drained = (): void => {
    const held = [...leases.rows.values()].filter(
      ({ checkpoint, leaseOwner, kinactWriter }) =>
        leaseOwner === name && kinactWriter !== twin && checkpoint !== 'SHARD_END',
    );
    if (held.length > 0) oracle.violate('I22', `${name} says it has drained, and ${held.length} leases are its own`);
    // The last worker may not have read again what an earlier worker had handed out. This is replayed like any unread record.
    const open = oracle.missing().filter((id) => isOfLast(member, id));
    if (members.length === 1 && open.length > 0)
      oracle.violate('I22', `${name} says it has drained, and ${open.length} items that were handed out are not done`);
  };
  if (member.stopping !== undefined) return;
  member.stopping = member.consumer.stop({ deadlineMs });
  void member.stopping.then(
    (report) => {
      oracle.stopped(name, report.leases);
      if (report.drained) drained();
    },
    (error: unknown) => oracle.violate('I22', `stop of ${name} rejected: ${String(error)}`),
  );
}

function applicationOf(
  { clock, oracle, trouble }: World,
  form: Form,
  incarnations: Incarnations,
  { name, seen, handedOut, hooks }: Pick<Member, 'name' | 'seen' | 'handedOut'> & { readonly hooks: Hooks | undefined },
): { readonly reducer: ReturnType<typeof application> } {
  const hasEnded = (shardWorker: number): boolean => {
    const at = incarnations.endedAt(shardWorker);
    return at !== undefined && clock.now() > at + 1 && !trouble.lateMail;
  };
  let calls = 0;
  const work: Work = {
    note: (item: Item<string>) => {
      const { tenure } = item as unknown as { tenure: { ended: boolean; shardWorkerNumber: number } };
      const { value: id, shardId, fence, attempt } = item;
      oracle.delivered({
        process: name,
        id,
        shardId,
        fence,
        attempt,
        isOver: tenure.ended || hasEnded(tenure.shardWorkerNumber),
      });
      seen.push(id);
      handedOut.set(id, { shardId, fence });
      hooks?.delivered(shardId, fence);
      fail({ trouble }, 'reduce');
    },
    acknowledged: (done) => oracle.acknowledged(done),
    pause: (ms) => pause(clock, ms),
    callMs: (of) => {
      calls += 1;
      if (trouble.callMs > 0) return trouble.callMs;
      return of === 'flush' ? 15 : calls % 7 === 0 ? 20 : 0;
    },
    beforeFlush: () => fail({ trouble }, 'flush'),
  };
  // The declaration of the options wants a reducer or a pipe.
  if (form === 'emits') return emittingOf(work) as never;
  return form === 'pipe' ? ({ pipe: pipeOf(work) } as never) : { reducer: application(form, work) };
}

/** With a pipe, only a function may say `park`. */
function parkingOf({ form }: Setting, policy: FailurePolicy): OnFailure {
  return form === 'pipe' || form === 'emits' ? () => policy : policy;
}

function fail({ trouble }: Pick<World, 'trouble'>, what: 'extract' | 'reduce' | 'flush'): void {
  const thrown = trouble.throws.get(what);
  if (thrown === undefined || thrown.times === 0) return;
  thrown.times -= 1;
  throw new Error(thrown.message);
}

export function pause(clock: ManualClock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.after(ms, resolve));
}

function sourceOf(world: World, process: string): AnySource {
  const { clock, stream, leases, oracle, trouble } = world;
  const call = async <T>(name: string, effect: () => Promise<T>): Promise<T> => {
    await pause(clock, wayMs);
    if ((trouble.fails as ReadonlySet<string>).has(name)) throw new Error(`scripted: ${name} fails`);
    const result = effect();
    await Promise.all([result, pause(clock, wayMs)]);
    return result;
  };
  const port: StreamSource = {
    ...stream.port,
    describe: (signal) => call('describe', () => stream.port.describe(signal)),
    listShards: async (filter, signal) => {
      const listing = await call('listShards', () => stream.port.listShards(filter, signal));
      const shards = listing.shards.filter(({ parentShardId }) => parentShardId === undefined);
      return trouble.fails.has('children') ? { ...listing, shards } : listing;
    },
    open: (shardId, start, notice) => {
      const reader = stream.port.open(shardId, start, notice);
      return {
        read: async (signal) => {
          await pause(clock, wayMs);
          if (trouble.notices > 0) {
            trouble.notices -= 1;
            notice({ type: 'throttled', shardId, delayMs: 1 });
          }
          const result = await reader.read(signal);
          return result.type === 'shardEnd' && trouble.fails.has('children') ? { type: 'shardEnd' } : result;
        },
        close: () => reader.close(),
      };
    },
  };
  const store = watchedStore(leases, { process, oracle, now: () => clock.now(), call: (effect) => call('', effect) });
  const named = <Name extends 'ensureTable' | 'scan' | 'get' | 'create' | 'update' | 'wish' | 'delete'>(
    name: Name,
  ): (typeof store)[Name] =>
    ((...args: never[]) => {
      leases.serviceTimeMs = clock.wallNow();
      if (trouble.fails.has(name)) return Promise.reject(new Error(`scripted: ${name} fails`));
      return (store[name] as (...given: never[]) => unknown)(...args);
    }) as (typeof store)[Name];
  return {
    ...stream.source,
    open: () => port,
    openLeases: () => ({
      ...store,
      ensureTable: named('ensureTable'),
      scan: named('scan'),
      get: named('get'),
      create: named('create'),
      update: named('update'),
      wish: named('wish'),
      delete: named('delete'),
    }),
  };
}

/** The same parts. Their stop hooks are counted by the path of each incarnation. */
function countingHooks(base: Actors, hooks: Map<string, number>): Actors {
  const counting =
    (make: (options: never) => object) =>
    (options: never): object => {
      const inner = make(options) as AnyBehaviour;
      let path = '';
      return {
        ...inner,
        initial: (self: { readonly path: string }) => {
          path = self.path;
          hooks.set(path, 0);
          return inner.initial(self);
        },
        stopped: (state: unknown, reason: unknown) => {
          hooks.set(path, (hooks.get(path) ?? 0) + 1);
          return inner.stopped?.(state, reason) ?? [];
        },
      };
    };
  return Object.fromEntries(
    Object.entries(base).map(([kind, make]) => [kind, counting(make as (options: never) => object)]),
  ) as unknown as Actors;
}

interface AnyBehaviour {
  readonly initial: (self: unknown) => unknown;
  readonly stopped?: (state: unknown, reason: unknown) => readonly unknown[];
}
