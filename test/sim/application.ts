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
import { callDeadlineMs } from './cluster.js';
import { inCalls, collectsOnly } from './batch-reducers.js';
import { park } from '../../src/options/park-policy.js';
import { retry } from '../../src/options/retry-policy.js';
import type { UserRecord } from '../../src/api/ports.js';
import type { Dice } from './dice.js';
import type { Incarnations } from './incarnations.js';
import type { Limits } from './limits.js';
import { createPiping } from './pipes/piping.js';
import type { Machine } from './machine.js';
import { createPartOrder } from './part-order.js';
import { createSink } from './sink.js';
import { createTimeouts } from './timeouts.js';
import type { SourceLaw } from './source-law.js';
import type { Tenures } from './tenures.js';
import { lingerMs, Poisoned, type Work } from './work.js';
import type { World } from './world.js';

/** How much later the messages about an end arrive, counted from when no mail is held up and the machine runs. */
const newsMs = 1;

/** Bad items stay bad for so long after the poison: a bisection begins after some tries. */
const badMs = 15_000;

interface Watched {
  readonly incarnations: Incarnations;
  readonly tenures: Tenures;
  readonly limits: Limits;
  readonly sources: SourceLaw;
  /** A failure has been injected. */
  hurt(): void;
  /** A call of the application will never end. */
  hung(): void;
  /** A computing call has kept everything else from running for a while. */
  blocked(): void;
}

export interface Application {
  /** Or a pipe in its place: the declaration of the options wants one of them. */
  readonly reducer: ReducerDefinition;
  readonly extract: (record: UserRecord) => readonly Extracted<unknown>[];
  readonly onFailure: OnFailure;
  /** Its calls wait between two items of one run. */
  readonly reducesSlowly: boolean;
  /** How many messages about calls may wait for a reducer. A pipe behind it tells it of each message that it has taken or settled. */
  readonly callsAtOnce: number;
}

export function application(world: World, machine: Machine, watched: Watched, dice: Dice): Application {
  const { oracle, clock } = world;
  const { incarnations, limits, sources, tenures, hurt, hung, blocked } = watched;
  const piped = world.pipes.of(machine.name);
  const hasEnded = (shardWorker: number): boolean => {
    const at = incarnations.endedAt(shardWorker);
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
  const timeoutMs = dice.pick([undefined, undefined, 300, 2_000, 8_000]) ?? (piped && callDeadlineMs);
  const timeouts = createTimeouts(machine, timeoutMs, (invariant, text) =>
    oracle.violate(invariant, `${machine.name}: ${text}, in ${kind.name}`),
  );
  const partOrder = createPartOrder((invariant, text) => oracle.violate(invariant, `${machine.name}: ${text}`));
  const bad = new Map<string, boolean>();
  let badUntil = -Infinity;
  const wait = (ms: number): Promise<void> => new Promise((resolve) => clock.after(ms, () => machine.run(resolve)));
  /** A wait in a call with these items that has a timeout. */
  const waitInCall = (items: readonly Item<string>[], signal: AbortSignal, ms: number): Promise<void> => {
    if (timeoutMs === undefined) return work.pause(ms);
    if (!dice.chance(world.overdue)) return work.pause(Math.min(ms, timeoutMs + callDeadlineMs / 2));
    hurt();
    if (dice.chance(0.5)) return wait(timeoutMs + dice.between(1, dice.pick([1_000, 2 * callDeadlineMs])));
    return new Promise((_resolve, reject) => {
      const obey = (): void => reject(new Poisoned(items));
      if (signal.aborted) obey();
      else signal.addEventListener('abort', obey, { once: true });
    });
  };
  const work: Work = {
    dice,
    compute,
    slow: dice.chance(0.5),
    isToGo: ({ source, shardId, sequenceNumber }) =>
      world.processes.some(({ machine: { name }, stopped }) => stopped && name === machine.name) ||
      world.kinesis.streams.get(source)?.shards.get(shardId)?.closedAt !== undefined ||
      world.leases.row(world.layout.nameOf(source, shardId, sequenceNumber))?.kinactWish !== undefined,
    lingers: () => world.lingering > 0 && dice.chance(world.lingering),
    isBadForAll: ({ value }) => {
      if (!world.badItems.has(value)) return false;
      hurt();
      return true;
    },
    isBad: (item) => {
      if (world.poison > 0) badUntil = clock.now() + badMs;
      if (clock.now() > badUntil) bad.clear();
      else if (world.poison > 0 && !bad.has(item.value)) bad.set(item.value, dice.chance(world.poison / 4));
      if (bad.get(item.value) !== true) return false;
      hurt();
      return true;
    },
    note: (item, together) => {
      const { tenure } = item as unknown as { tenure: { ended: boolean; shardWorkerNumber: number } };
      const { value: id, source, sequenceNumber, fence, attempt } = item;
      const shardId = world.layout.nameOf(source, item.shardId, sequenceNumber);
      const isOver = tenure.ended || hasEnded(tenure.shardWorkerNumber);
      const of = { process: machine.name, id, shardId, fence };
      oracle.delivered({ ...of, attempt, isOver, at: machine.worldNow(), together });
      limits.handedOut();
      sources.handedOut(source, id);
    },
    finish: (items) => {
      oracle.acknowledged(items.map(({ value }) => value));
      tenures.acknowledged(items);
    },
    fail: (items, all = items) => {
      if (isPoisoned() || items.some(work.isBadForAll)) throw new Poisoned(all);
    },
    pause: (ms) => {
      if (!dice.chance(world.hangs)) return wait(ms);
      hurt();
      hung();
      return new Promise(() => {});
    },
    call: (items, { reducer, signal }, run, slots) => {
      const end = world.calls.begins(machine.name, items, { reducer, slots });
      const endTimed = timeouts.begins(signal);
      const endPart = kind === inCalls ? partOrder.begins(reducer, items) : undefined;
      const ended = (hasFailed: boolean): void => {
        end();
        endTimed();
        endPart?.(hasFailed);
      };
      const failed = (error: unknown): never => {
        ended(true);
        throw error;
      };
      try {
        return run((ms) => waitInCall(items, signal, ms)).then((result) => {
          ended(false);
          return result;
        }, failed);
      } catch (error) {
        return failed(error);
      }
    },
  };
  const retries = {
    attempts: dice.pick([Infinity, Infinity, 3, 20]),
    minMs: dice.pick([10, 100, 1_000]),
    maxMs: dice.pick([1_000, 5_000]),
    then: dice.pick(['crash', 'skip', 'stopShard', 'park', 'park'] as const),
  };
  const { attempts, minMs, maxMs } = retries;
  const thenOfPark = dice.pick(['retry', 'retry', 'retry', 'crash', 'skip', 'stopShard'] as const);
  const sink = createSink({
    process: machine.name,
    world,
    dice: dice.split(),
    tenures,
    then: thenOfPark,
    pause: (ms) => work.pause(ms),
  });
  const toPark = park(sink.park, { then: thenOfPark });
  const then = retries.then === 'park' ? toPark : retries.then;
  const policyOf = (attempt: number): FailurePolicy => {
    if (world.onFailure === 'any')
      return dice.pick<FailurePolicy>(['crash', 'skip', 'stopShard', retry({ minMs, maxMs }), toPark]);
    if (world.onFailure === 'park') return toPark;
    if (world.onFailure !== 'retry') return world.onFailure;
    return attempt < attempts ? retry({ minMs, maxMs }) : then;
  };
  const comeAgain = (items: readonly Item<string>[]): void => {
    for (const { value: id, shardId, source, sequenceNumber, fence } of items) {
      const name = world.layout.nameOf(source, shardId, sequenceNumber);
      oracle.comesAgain({ process: machine.name, id, shardId: name, fence });
    }
  };
  /** A batch has failed. No policy but `crash` ends any of its items: all of them come again, in parts. */
  const judgeBatch = (
    items: readonly Item<string>[],
    policy: FailurePolicy,
  ): FailurePolicy | Promise<FailurePolicy> => {
    if (policy !== 'crash') comeAgain(items);
    return typeof policy === 'object' && dice.chance(0.2) ? answerLater(policy) : policy;
  };
  /** What is not retried goes to `then` at once. A part that cannot be decoded must come to an end some time. */
  const policyOfPart = (): FailurePolicy => {
    if (world.onFailure === 'any')
      return dice.pick<FailurePolicy>(['skip', toPark, toPark, toPark, 'stopShard', 'crash']);
    return world.onFailure === 'retry' ? retry({ minMs, maxMs, then: toPark }) : policyOf(1);
  };
  const judgePart = ({ sequenceNumber }: FailedItem, policy: FailurePolicy): FailurePolicy | Promise<FailurePolicy> => {
    hurt();
    const ids = [world.undecodable.of.get(sequenceNumber) ?? `the rest of ${sequenceNumber}`];
    sink.failed(ids);
    if (typeof policy === 'object' && dice.chance(0.2)) return answerLater(policy);
    if (policy === 'skip') oracle.skipped(ids);
    return policy;
  };
  const answerLater = (policy: FailurePolicy): Promise<FailurePolicy> =>
    new Promise((resolve) => clock.after(dice.between(1, 2_000), () => machine.run(() => resolve(policy))));
  // The plainest kind is the commonest: most laws, and most mutants, need no other.
  const kinds = [atOnce, atOnce, inBatches, perShard, byHand, early, raw, inCalls, inCalls, collectsOnly];
  const kind = piped === undefined ? dice.pick(kinds) : atOnce;
  const isolates = kind === inCalls || kind === collectsOnly;
  const judge = (thrown: unknown, failed: FailedItem, attempt: number): FailurePolicy | Promise<FailurePolicy> => {
    const policy = failed.at === 'decode' ? policyOfPart() : policyOf(attempt);
    const { at } = failed;
    if (at === 'node' && piping !== undefined) return piping.judge(thrown, failed, policy);
    if (at === 'decode') return judgePart(failed, policy);
    if (failed.items === 1 && failed.key !== undefined) partOrder.failedAlone(failed.key);
    const error = isolates && thrown instanceof Poisoned ? aloneOf(thrown, failed) : thrown;
    if (kind === inCalls && error !== thrown)
      oracle.violate('I50', `${String(failed.value)} of ${machine.name} counts as failed, because its neighbours have`);
    if (isolates && error instanceof Poisoned && error.items.length > 1) return judgeBatch(error.items, policy);
    if (error instanceof Poisoned) {
      const { items, record } = error;
      sink.failed(record === undefined ? [] : itemsOf(record).map(({ value }) => value), items);
    }
    if (typeof policy === 'object' && error instanceof Poisoned && (isolates || at !== 'flush')) comeAgain(error.items);
    // Only answers that end nothing may be late: a lease may be lost before they count.
    if (error instanceof Poisoned && (policy === 'skip' || policy === toPark))
      piping?.setAside(error.items, policy === toPark);
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
  const piping = piped && createPiping({ world, machine, dice: piped, work, tenures, sink, timeoutMs, hasEnded, hurt });
  const extract = (record: UserRecord): readonly Extracted<string>[] => {
    compute();
    // While a sink refuses, it must often be a record that goes to it.
    if (dice.chance(world.sinkRefuses > 0 ? 1 : 0.2) && isPoisoned()) throw new Poisoned([], record);
    return itemsOf(record);
  };
  if (piping !== undefined) {
    const { pipe, extracted } = piping;
    const { reducer } = piping;
    const inPlace = { pipe, ...(reducer === undefined ? {} : { reducer }) } as unknown as {
      readonly reducer: ReducerDefinition;
    };
    return {
      ...inPlace,
      reducesSlowly: false,
      callsAtOnce: reducer === undefined ? 0 : 10_000,
      extract: (record) => extracted(extract(record)),
      onFailure: judge,
    };
  }
  const definition = kind(work);
  return {
    reducer: timeoutMs === undefined ? definition : ({ ...definition, timeoutMs } as ReducerDefinition),
    reducesSlowly: kind === atOnce || kind === early,
    callsAtOnce: definition.concurrency ?? 0,
    extract,
    onFailure: world.onFailure === 'crash' || world.onFailure === 'stopShard' ? world.onFailure : judge,
  };
}

/** Of an error that says which item has failed alone, the error with this item. */
function aloneOf(error: Poisoned, { items, value }: FailedItem): Poisoned {
  if (items !== 1 || error.items.length < 2) return error;
  return new Poisoned(error.items.filter((item) => item.value === value));
}

function itemsOf(record: UserRecord): readonly Extracted<string>[] {
  return JSON.parse(Buffer.from(record.data).toString()) as Extracted<string>[];
}

function atOnce({ dice, slow, lingers, note, fail, finish, compute, call }: Work): ReducerDefinition {
  return defineReducer({
    init: () => 0,
    reduce: (count: number, item: Item<string>, ctx: ReducerContext) => {
      note(item);
      compute();
      fail([item]);
      const lasts = lingers();
      if (lasts || (slow && dice.chance(0.05))) {
        const ms = lasts ? lingerMs(dice) : dice.between(1, dice.chance(0.1) ? 15_000 : 3_000);
        return call([item], ctx, async (pause) => {
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

function inBatches({ dice, slow, lingers, note, fail, finish, compute, call }: Work): ReducerDefinition {
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
    flush: (batch, ctx) =>
      call(batch, ctx, async (pause) => {
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
  const { dice, note, fail, finish, compute } = work;
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
    flush: (batch, ctx) =>
      work.call(batch, ctx, async (pause) => {
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
function early({ dice, slow, lingers, isToGo, note, fail, finish, compute, call }: Work): ReducerDefinition {
  return defineReducer({
    init: () => 0,
    acknowledge: 'manual',
    reduce: (count: number, item: Item<string>, ctx: ReducerContext) => {
      note(item);
      compute();
      fail([item]);
      finish([item]);
      ctx.ack(item.token);
      // What gives a lease away must often meet a call that has acknowledged, and runs.
      const lasts = lingers() || (isToGo(item) && dice.chance(0.3));
      if (!lasts && !(slow && dice.chance(0.02))) return count + 1;
      return call([item], ctx, async (pause) => {
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
function raw({ dice, slow, lingers, note, fail, finish, compute, call }: Work): ReducerDefinition {
  return defineReducer({
    init: (): Item<string>[] => [],
    behaviour: async (kept: Item<string>[], message, ctx) => {
      if (message.type === 'items') {
        const items = message.items as readonly Item<string>[];
        for (const item of items) note(item);
        compute();
        fail(items);
        return [...kept, ...items];
      }
      if (message.type === 'revoked') return kept.filter((item) => !isOf(item, message));
      return await call(kept, ctx, async (pause) => {
        if (lingers()) await pause(lingerMs(dice));
        else if (slow) await pause(dice.between(1, 300));
        finish(kept);
        for (const { token } of kept) ctx.ack(token);
        return [];
      });
    },
  });
}
