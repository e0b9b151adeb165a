// The application of the simulation. It notes each item when it gets the item, and as done when kinact may count the item as done.
// It is slow, fails or never answers, as the settings of the world demand. An item that it lets kinact skip counts as done too, but
// an event must name it.
import {
  defineReducer,
  type Extracted,
  type Item,
  type ReducerContext,
  type ReducerDefinition,
} from '../../src/api/reducer.js';
import type { FailedItem } from '../../src/api/failed-item.js';
import type { FailurePolicy, OnFailure } from '../../src/api/failure-policy.js';
import { park } from '../../src/options/park-policy.js';
import { retry } from '../../src/options/retry-policy.js';
import type { UserRecord } from '../../src/api/ports.js';
import type { Dice } from './dice.js';
import type { Incarnations } from './incarnations.js';
import type { Machine } from './machine.js';
import { createSink } from './sink.js';
import type { Tenures } from './tenures.js';
import type { World } from './world.js';

interface Work {
  readonly dice: Dice;
  readonly slow: boolean;
  /** Whether this call takes seconds (`world.lingering`). */
  lingers(): boolean;
  note(item: Item<string>): void;
  /** These items count as done from now on. */
  finish(items: readonly Item<string>[]): void;
  /** Throws if the call is poisoned (`world.poison`): these items then fail. */
  fail(items: readonly Item<string>[]): void;
  /** Computes for a while if the world demands it (`world.blocking`): nothing else in this process runs in that time. */
  compute(): void;
  /** Waits in this process's time. It never ends if the process dies, or if the call hangs (`world.hangs`). */
  pause(ms: number): Promise<void>;
  /** Runs a call with these items, for which kinact waits. */
  call<Result>(items: readonly Item<string>[], run: () => Promise<Result>): Promise<Result>;
}

/** The error of a failed call, with the items or the record that fail with it. */
class Poisoned extends Error {
  readonly items: readonly Item<string>[];
  readonly record: UserRecord | undefined;
  constructor(items: readonly Item<string>[], record?: UserRecord) {
    super(`poisoned ${record?.sequenceNumber ?? items.map(({ value }) => value).join(' ')}`);
    this.items = items;
    this.record = record;
  }
}

/** How much later the messages about an end arrive, counted from when no mail is held up and the machine runs. */
const newsMs = 1;

interface Watched {
  readonly incarnations: Incarnations;
  readonly tenures: Tenures;
  /** A failure has been injected. */
  hurt(): void;
  /** A call of the application will never end. */
  hung(): void;
  /** A computing call has kept everything else from running for a while. */
  blocked(): void;
}

export interface Application {
  readonly reducer: ReducerDefinition;
  readonly extract: (record: UserRecord) => readonly Extracted<string>[];
  readonly onFailure: OnFailure;
}

export function application(world: World, machine: Machine, watched: Watched, dice: Dice): Application {
  const { oracle, clock } = world;
  const { incarnations, tenures, hurt, hung, blocked } = watched;
  const hasEnded = (worker: number): boolean => {
    const at = incarnations.endedAt(worker);
    const known = Math.max(machine.mailHeldAt(), machine.resumedAt(), at ?? Infinity) + newsMs;
    return clock.now() > known;
  };
  const isPoisoned = (): boolean => {
    if (!dice.chance(world.poison)) return false;
    hurt();
    return true;
  };
  const compute = (): void => {
    const { chance, leastMs, mostMs } = world.blocking;
    if (chance === 0 || !dice.chance(chance)) return;
    machine.spend(dice.between(leastMs, mostMs));
    blocked();
  };
  const work: Work = {
    dice,
    compute,
    slow: dice.chance(0.5),
    lingers: () => world.lingering > 0 && dice.chance(world.lingering),
    note: (item) => {
      const { tenure } = item as unknown as { tenure: { dead: boolean; worker: number } };
      const { value: id, source, sequenceNumber, fence, attempt } = item;
      const shardId = world.layout.nameOf(source, item.shardId, sequenceNumber);
      const isOver = tenure.dead || hasEnded(tenure.worker);
      oracle.delivered({ process: machine.name, id, shardId, fence, attempt, isOver, at: machine.worldNow() });
    },
    finish: (items) => {
      oracle.acknowledged(items.map(({ value }) => value));
      tenures.acknowledged(items);
    },
    fail: (items) => {
      if (isPoisoned()) throw new Poisoned(items);
    },
    pause: (ms) => {
      if (!dice.chance(world.hangs)) return new Promise((resolve) => clock.after(ms, () => machine.run(resolve)));
      hurt();
      hung();
      return new Promise(() => {});
    },
    call: (items, run) => run().finally(world.calls.begins(machine.name, items)),
  };
  const retries = {
    attempts: dice.pick([Infinity, Infinity, 3, 20]),
    minMs: dice.pick([10, 100, 1_000]),
    maxMs: dice.pick([1_000, 5_000]),
    then: dice.pick(['crash', 'skip', 'stopShard', 'park', 'park'] as const),
  };
  const { attempts, minMs, maxMs } = retries;
  const thenOfPark = dice.pick(['retry', 'retry', 'retry', 'crash', 'skip', 'stopShard'] as const);
  const sink = createSink({ world, dice: dice.split(), tenures, then: thenOfPark, pause: (ms) => work.pause(ms) });
  const toPark = park(sink.park, { then: thenOfPark });
  const then = retries.then === 'park' ? toPark : retries.then;
  const policyOf = (attempt: number): FailurePolicy => {
    if (world.onFailure === 'any')
      return dice.pick<FailurePolicy>(['crash', 'skip', 'stopShard', retry({ minMs, maxMs }), toPark]);
    if (world.onFailure === 'park') return toPark;
    if (world.onFailure !== 'retry') return world.onFailure;
    return attempt < attempts ? retry({ minMs, maxMs }) : then;
  };
  const answerLater = (policy: FailurePolicy): Promise<FailurePolicy> =>
    new Promise((resolve) => clock.after(dice.between(1, 2_000), () => machine.run(() => resolve(policy))));
  const judge = (error: unknown, { at }: FailedItem, attempt: number): FailurePolicy | Promise<FailurePolicy> => {
    const policy = policyOf(attempt);
    if (error instanceof Poisoned) {
      const { items, record } = error;
      sink.failed(record === undefined ? [] : itemsOf(record).map(({ value }) => value), items);
    }
    if (typeof policy === 'object' && error instanceof Poisoned && at !== 'flush') {
      for (const { value: id, shardId, source, sequenceNumber, fence } of error.items) {
        const name = world.layout.nameOf(source, shardId, sequenceNumber);
        oracle.comesAgain({ process: machine.name, id, shardId: name, fence });
      }
    }
    // Only answers that end nothing may be late: a lease may be lost before they count.
    const isLate = typeof policy === 'object' && dice.chance(0.2);
    const waits = isLate || policy === toPark;
    if (waits && error instanceof Poisoned && error.record !== undefined)
      oracle.leftBehind(
        machine.name,
        itemsOf(error.record).map(({ value }) => value),
      );
    if (isLate) return answerLater(policy);
    if (policy !== 'skip' || !(error instanceof Poisoned)) return policy;
    const { items, record } = error;
    if (record === undefined) {
      oracle.skipped(items.map(({ value }) => value));
      tenures.acknowledged(items);
    } else {
      oracle.notMade(
        machine.name,
        itemsOf(record).map(({ value }) => value),
      );
      tenures.skipped(record.sequenceNumber, record.subSequenceNumber ?? 0);
    }
    return policy;
  };
  return {
    reducer: dice.pick([atOnce, inBatches, perShard, byHand, early, raw])(work),
    extract: (record) => {
      compute();
      if (dice.chance(0.2) && isPoisoned()) throw new Poisoned([], record);
      return itemsOf(record);
    },
    onFailure: world.onFailure === 'crash' || world.onFailure === 'stopShard' ? world.onFailure : judge,
  };
}

function itemsOf(record: UserRecord): readonly Extracted<string>[] {
  return JSON.parse(Buffer.from(record.data).toString()) as Extracted<string>[];
}

const lingerMs = (dice: Dice): number => dice.between(500, 6_000);

function atOnce({ dice, slow, lingers, note, fail, finish, pause, compute, call }: Work): ReducerDefinition {
  return defineReducer({
    init: () => 0,
    reduce: (count: number, item: Item<string>) => {
      note(item);
      compute();
      fail([item]);
      const lasts = lingers();
      if (lasts || (slow && dice.chance(0.05))) {
        const ms = lasts ? lingerMs(dice) : dice.between(1, dice.chance(0.1) ? 15_000 : 3_000);
        return call([item], async () => {
          await pause(ms);
          compute();
          fail([item]);
          finish([item]);
          return count + 1;
        });
      }
      finish([item]);
      return count + 1;
    },
  });
}

function inBatches({ dice, slow, lingers, note, fail, finish, pause, compute, call }: Work): ReducerDefinition {
  const size = dice.pick([1, 10, 200]);
  return defineReducer({
    init: (): Item<string>[] => [],
    reduce: (batch: Item<string>[], item: Item<string>) => {
      note(item);
      compute();
      fail([item]);
      return [...batch, item];
    },
    batch: { size, intervalMs: dice.pick([100, 2_000]) },
    flush: (batch) =>
      call(batch, async () => {
        if (lingers()) await pause(lingerMs(dice));
        else if (slow) await pause(dice.between(1, 20 * size));
        compute();
        fail(batch);
        finish(batch);
        return [];
      }),
  });
}

/** Like `inBatches`, but with a state per shard, in which no item of another shard may be. */
function perShard(work: Work): ReducerDefinition {
  const { dice, note, fail, finish, pause, compute } = work;
  return defineReducer({
    init: (): Item<string>[] => [],
    stateBy: 'shard',
    reduce: (batch: Item<string>[], item: Item<string>) => {
      note(item);
      if (batch.some(({ source, shardId }) => source !== item.source || shardId !== item.shardId))
        throw new Error(`a state of ${item.shardId} has items of another shard`);
      compute();
      return [...batch, item];
    },
    batch: { size: dice.pick([5, 50]), intervalMs: 500 },
    flush: (batch) =>
      work.call(batch, async () => {
        if (work.lingers()) await pause(lingerMs(dice));
        else if (work.slow) await pause(dice.between(1, 400));
        fail(batch);
        finish(batch);
        return [];
      }),
  });
}

function byHand({ dice, slow, lingers, note, fail, finish, pause, compute }: Work): ReducerDefinition {
  return defineReducer({
    init: () => 0,
    acknowledge: 'manual',
    reduce: (count: number, item: Item<string>, ctx: ReducerContext) => {
      note(item);
      compute();
      fail([item]);
      void pause(lingers() ? lingerMs(dice) : slow ? dice.between(1, 1_500) : 1).then(() => {
        try {
          fail([item]);
        } catch (error) {
          ctx.fail(item.token, error);
          return;
        }
        finish([item]);
        ctx.ack(item.token);
      });
      return count;
    },
  });
}

/** Acknowledges before its call ends, like an application that stores an item and then sends it somewhere. */
function early({ dice, slow, lingers, note, fail, finish, pause, compute, call }: Work): ReducerDefinition {
  return defineReducer({
    init: () => 0,
    acknowledge: 'manual',
    reduce: (count: number, item: Item<string>, ctx: ReducerContext) => {
      note(item);
      compute();
      fail([item]);
      finish([item]);
      ctx.ack(item.token);
      const lasts = lingers();
      if (!lasts && !(slow && dice.chance(0.02))) return count + 1;
      return call([item], async () => {
        await pause(lasts ? lingerMs(dice) : dice.between(1, 3_000));
        return count + 1;
      });
    },
  });
}

interface Ended {
  readonly source: string;
  readonly shardId: string;
  readonly fence: number;
}

function isOf(item: Item<string>, { source, shardId, fence }: Ended): boolean {
  return item.source === source && item.shardId === shardId && item.fence === fence;
}

/** Keeps items until a punctuation asks for them, like an application with its own buffer. */
function raw({ dice, slow, lingers, note, fail, finish, pause, compute, call }: Work): ReducerDefinition {
  return defineReducer({
    init: (): Item<string>[] => [],
    behaviour: async (kept: Item<string>[], message, { ack }) => {
      if (message.type === 'items') {
        const items = message.items as readonly Item<string>[];
        for (const item of items) note(item);
        compute();
        fail(items);
        return [...kept, ...items];
      }
      if (message.type === 'revoked') return kept.filter((item) => !isOf(item, message));
      return await call(kept, async () => {
        if (lingers()) await pause(lingerMs(dice));
        else if (slow) await pause(dice.between(1, 300));
        finish(kept);
        for (const { token } of kept) ack(token);
        return [];
      });
    },
  });
}
