// A whole cluster in one process and virtual time: one stream, one lease table, several machines each with a consumer of its
// own, an application that notes what it does, and an oracle that is told everything.
import { createConsumer } from '../../src/consumer.js';
import type { Consumer } from '../../src/consumer.js';
import { kinesisPollingSource } from '../../src/aws/kinesis-polling.js';
import { encodeAggregate } from '../../src/aws/aggregate-encoder.js';
import { KinactError } from '../../src/errors.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { LeaseStore } from '../../src/ports.js';
import { defineReducer } from '../../src/reducer.js';
import type { Item, ReducerDefinition } from '../../src/reducer.js';
import type { SourceSpec } from '../../src/source.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { memoryLeaseStore } from '../../src/testing/memory-lease-store.js';
import type { MemoryLeaseStore } from '../../src/testing/memory-lease-store.js';
import { ScriptedKinesis } from '../../src/testing/scripted-kinesis.js';
import { answerOf, awsError } from '../support/model-kinesis-client.js';
import { createDice } from './dice.js';
import type { Dice } from './dice.js';
import { createMachine } from './machine.js';
import type { Machine } from './machine.js';
import { createOracle } from './oracle.js';
import type { Oracle } from './oracle.js';
import { calm, createWire } from './wire.js';
import type { Weather, Wire } from './wire.js';

export interface Process {
  readonly machine: Machine;
  readonly consumer: Consumer;
  readonly wires: readonly Wire[];
  /** Set when it ended by itself. */
  ended: Error | undefined;
  stopped: boolean;
}

export interface World {
  readonly dice: Dice;
  readonly clock: ManualClock;
  readonly kinesis: ScriptedKinesis;
  readonly leases: MemoryLeaseStore;
  readonly oracle: Oracle;
  readonly processes: Process[];
  /** Probability that Kinesis throttles a call. */
  throttled: number;
  weather: Weather;
  /** Probability that a call of the application's code throws once, for a record's first attempt in a process. */
  poison: number;
  /** Items made so far. */
  written: number;
  readonly log: string[];
  readonly trace: { hash: number };
  start(): Process;
  put(count: number): void;
}

const streamName = 'sim';
const failoverMs = 10_000;

export function createWorld(seed: number, shards: number): World {
  const dice = createDice(seed);
  const clock = new ManualClock({ restlessAfter: 5_000_000 });
  const kinesis = new ScriptedKinesis({
    now: () => clock.wallNow(),
    enforceReadLimits: true,
    missingRecord: 'nextRecord',
  });
  kinesis.createStream(streamName, shards);
  const leases = memoryLeaseStore();
  const oracle = createOracle();
  const world: World = {
    dice,
    clock,
    kinesis,
    leases,
    oracle,
    processes: [],
    throttled: 0,
    weather: calm,
    poison: 0,
    written: 0,
    log: [],
    trace: { hash: 0 },
    start: () => startProcess(world),
    put: (count) => putRecords(world, count),
  };
  return world;
}

function startProcess(world: World): Process {
  const { clock, dice, processes } = world;
  const name = `p${processes.length}`;
  const machine = createMachine(name, clock, 1 + (dice.next() - 0.5) * 0.002);
  const mine = dice.fork();
  const wires = [createWire(machine, clock, mine.fork()), createWire(machine, clock, mine.fork())] as const;
  for (const wire of wires) wire.weather = world.weather;
  const consumer = createConsumer({
    application: 'sim',
    source: sourceOf(world, wires, mine),
    reducers: mine.between(1, 4),
    stages: mine.chance(0.2) ? 2 : 1,
    credit: mine.pick([1, 7, 1_024]),
    maxPending: mine.pick([16, 128, 1_024]),
    extract: (record) => JSON.parse(Buffer.from(record.data).toString()) as { key: string; value: string }[],
    reducer: application(world, machine, mine),
    onFailure: 'crash',
    restart: { intensity: 20, periodMs: 60_000 },
    stopDeadlineMs: 5_000,
    watchdogMs: 120_000,
    workerId: name,
    leases: { failoverMs, startDeadlineMs: 600_000 },
    runtime: {
      clock: machine.clock,
      timers: machine.timers,
      random: { next: () => mine.next() },
      intercept: machine.intercept,
      trace: (entry: { at: number; what: string; to: string; type?: string }) => {
        world.trace.hash = hash(world.trace.hash, `${name} ${entry.at} ${entry.what} ${entry.to} ${entry.type ?? ''}`);
      },
    },
  });
  const process: Process = { machine, consumer, wires, ended: undefined, stopped: false };
  processes.push(process);
  consumer.start().catch((error: unknown) => (process.ended ??= error as Error));
  consumer.closed.catch((error: unknown) => (process.ended ??= error as Error));
  return process;
}

function hash(before: number, text: string): number {
  let value = before | 0;
  for (let index = 0; index < text.length; index += 1) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return value >>> 0;
}

function sourceOf(world: World, wires: readonly [Wire, Wire], dice: Dice): SourceSpec {
  return {
    name: streamName,
    initialPosition: 'TRIM_HORIZON',
    open: ({ clock, timers, random }) =>
      kinesisPollingSource(
        { streamName, client: clientOf(world, wires[0], dice), idleMs: 1_000, maxRecords: dice.pick([50, 1_000]) },
        { clock, timers, random },
      ),
    openLeases: () => storeOf(world, wires[1]),
  };
}

function clientOf(world: World, wire: Wire, dice: Dice): never {
  return {
    config: { region: 'us-east-1' },
    send: (command: { readonly input: Record<string, unknown> }) => {
      const operation = command.constructor.name.replace(/Command$/, '');
      return wire.call(() => {
        if (dice.chance(world.throttled)) throw awsError('ProvisionedThroughputExceededException', 'Rate exceeded');
        return answerOf(world.kinesis, operation, command.input);
      });
    },
  } as never;
}

/** Every write to the table passes the oracle at the moment it takes effect. */
function storeOf(world: World, wire: Wire): LeaseStore {
  const { leases, oracle } = world;
  const watched = async <T>(leaseKey: string, write: () => Promise<T>): Promise<T> => {
    const before = leases.rows.get(leaseKey);
    const outcome = write();
    // The store in memory takes effect before its promise does.
    const after = leases.rows.get(leaseKey);
    if (after !== undefined && after !== before) oracle.wrote(before, after);
    return outcome;
  };
  const call = <T>(effect: () => Promise<T>): Promise<T> =>
    wire.call(effect).then(
      (result) => result,
      (cause: unknown) => {
        throw new KinactError('AWS_ERROR', 'the table cannot be reached', { cause, retryable: true });
      },
    ) as Promise<T>;
  return {
    tableName: 'sim',
    ensureTable: (signal) => call(() => leases.ensureTable(signal)),
    scan: (signal) => call(() => leases.scan(signal)),
    get: (leaseKey, signal) => call(() => leases.get(leaseKey, signal)),
    create: (row: LeaseRow, signal) => call(() => watched(row.leaseKey, () => leases.create(row, signal))),
    update: (leaseKey, ...rest) => call(() => watched(leaseKey, () => leases.update(leaseKey, ...rest))),
    describeLease: (leaseKey, ...rest) => call(() => leases.describeLease(leaseKey, ...rest)),
    delete: (leaseKey, ...rest) => call(() => leases.delete(leaseKey, ...rest)),
    close: () => {},
  };
}

interface Noted {
  readonly item: Item<string>;
}

/** The application: notes each item as it is handed out, and as done where kinact says that it counts as done. */
function application(world: World, machine: Machine, dice: Dice): ReducerDefinition {
  const { oracle } = world;
  const pause = (ms: number): Promise<void> => new Promise((resolve) => machine.timers.after(ms, resolve));
  const note = (item: Item<string>): void => {
    const { tenure } = item as unknown as { tenure: { dead: boolean; deadline: number } };
    const isOver = tenure.dead || machine.clock.now() >= tenure.deadline;
    const { value: id, key, shardId, fence } = item;
    oracle.delivered({ process: machine.name, id, key, shardId, fence, isOver });
    if (dice.chance(world.poison)) throw new Error(`poisoned ${id}`);
  };
  const slow = dice.chance(0.4);
  switch (dice.between(0, 2)) {
    case 0:
      return defineReducer({
        init: () => 0,
        reduce: (count: number, item: Item<string>) => {
          note(item);
          if (slow && dice.chance(0.02)) {
            return pause(dice.between(1, 3_000)).then(() => {
              oracle.acknowledged([item.value]);
              return count + 1;
            });
          }
          oracle.acknowledged([item.value]);
          return count + 1;
        },
      });
    case 1: {
      const size = dice.pick([1, 10, 200]);
      return defineReducer({
        init: (): string[] => [],
        reduce: (batch: string[], item: Item<string>) => {
          note(item);
          return [...batch, item.value];
        },
        batch: { size, intervalMs: dice.pick([100, 2_000]) },
        flush: async (batch) => {
          if (slow) await pause(dice.between(1, 20 * size));
          if (dice.chance(world.poison)) throw new Error('flush poisoned');
          oracle.acknowledged(batch);
          return [];
        },
      });
    }
    default:
      return defineReducer({
        init: (): Noted[] => [],
        acknowledge: 'manual',
        reduce: (open: Noted[], item: Item<string>, ctx) => {
          note(item);
          void pause(slow ? dice.between(1, 1_500) : 1).then(() => {
            oracle.acknowledged([item.value]);
            ctx.ack(item.token);
          });
          return open;
        },
      });
  }
}

/** Records of every kind: plain and aggregated, of none, one and several items. */
function putRecords(world: World, count: number): void {
  const { dice, kinesis, oracle } = world;
  for (let left = count; left > 0;) {
    const users = dice.chance(0.3) ? dice.between(2, 12) : 1;
    left -= users;
    const partitionKey = `k${dice.between(0, 60)}`;
    const records = Array.from({ length: users }, () => {
      const key = users === 1 ? partitionKey : `k${dice.between(0, 60)}`;
      const made = dice.chance(0.1) ? 0 : dice.chance(0.1) ? dice.between(2, 5) : 1;
      const items = Array.from({ length: made }, (_, index) => ({
        key: `${key}/${index}`,
        value: `r${(world.written += 1)}`,
      }));
      return { partitionKey: key, data: Buffer.from(JSON.stringify(items)), items };
    });
    const [only] = records;
    const data = users === 1 && only !== undefined ? only.data : encodeAggregate(records);
    const { shardId, sequenceNumber } = kinesis.put(streamName, { partitionKey, data });
    oracle.put({
      shardId,
      sequenceNumber,
      items: records.map(({ items }) => items.map(({ value }) => value)),
      keys: records.map(({ partitionKey: key }) => key),
    });
  }
}
