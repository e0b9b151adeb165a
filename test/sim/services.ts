// The services as one process reaches them: Kinesis and the lease table behind a network, throttled, read eventually
// consistently, their rows garbled by hand now and then; and every write passes the oracle as it takes effect.
import { kinesisPollingSource } from '../../src/aws/kinesis-polling.js';
import { KinactError } from '../../src/errors.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { LeaseStore, RawRecord, StreamSource } from '../../src/ports.js';
import type { SourceSpec } from '../../src/source.js';
import { answerOf, awsError } from '../support/model-kinesis-client.js';
import { streamName } from './cluster.js';
import type { Dice } from './dice.js';
import type { Machine } from './machine.js';
import { watchedStore } from './watched-store.js';
import type { Wire } from './wire.js';
import type { World } from './world.js';

export function sourceOf(world: World, machine: Machine, wires: readonly [Wire, Wire], dice: Dice): SourceSpec {
  const maxRecords = dice.pick([50, 1_000]);
  return {
    name: streamName,
    initialPosition: world.initialPosition,
    open: ({ clock, timers, random }) => {
      const service = clientOf(world, wires[0], dice.fork());
      const source = kinesisPollingSource(
        { streamName, client: service.client, idleMs: 1_000, maxRecords },
        { clock, timers, random },
      );
      // The model has no `Date` header, and a machine's own wall clock may be wrong.
      const listShards: typeof source.listShards = async (filter, signal) => {
        const { shards } = await source.listShards(filter, signal);
        return { shards, serviceTimeMs: service.listedAt() };
      };
      return { ...source, listShards, open: repeating(world, source, dice.fork()) };
    },
    openLeases: () => storeOf(world, machine, wires[1], dice.fork()),
  };
}

/** Now and then a read brings the last records again: at least once is all that a stream promises. */
function repeating(world: World, source: StreamSource, dice: Dice): StreamSource['open'] {
  return (shardId, start, notice) => {
    const reader = source.open(shardId, start, notice);
    let last: readonly RawRecord[] = [];
    return {
      read: async (signal) => {
        const result = await reader.read(signal);
        if (result.type !== 'records') return result;
        const again = dice.chance(world.repeats) ? last.slice(-dice.between(1, 20)) : [];
        if (result.records.length > 0) last = result.records;
        return { ...result, records: [...again, ...result.records] };
      },
      close: () => reader.close(),
    };
  };
}

function clientOf(world: World, wire: Wire, dice: Dice): { readonly client: never; readonly listedAt: () => number } {
  let listedAt = 0;
  const send = (command: { readonly input: Record<string, unknown> }): Promise<object> => {
    const operation = command.constructor.name.replace(/Command$/, '');
    return wire.call(() => {
      if (dice.chance(world.throttled)) throw awsError('ProvisionedThroughputExceededException', 'Rate exceeded');
      if (operation === 'ListShards') listedAt = world.clock.wallNow();
      return answerOf(world.kinesis, operation, command.input);
    });
  };
  return { client: { config: { region: 'us-east-1' }, send } as never, listedAt: () => listedAt };
}

/** What rows looked like a moment ago, for reads that may see that. */
export interface RowHistory {
  note(leaseKey: string, row: LeaseRow | undefined): void;
  /** The row as it was `ageMs` ago. */
  at(leaseKey: string, ageMs: number): LeaseRow | undefined;
  keys(): Iterable<string>;
}

const longestAgeMs = 1_000;

export function createHistory(now: () => number): RowHistory {
  const versions = new Map<string, { readonly since: number; readonly row: LeaseRow | undefined }[]>();
  return {
    note: (leaseKey, row) => {
      const list = versions.get(leaseKey) ?? [];
      list.push({ since: now(), row });
      while ((list[1]?.since ?? Infinity) < now() - longestAgeMs) list.shift();
      versions.set(leaseKey, list);
    },
    at: (leaseKey, ageMs) => versions.get(leaseKey)?.findLast(({ since }) => since <= now() - ageMs)?.row,
    keys: () => versions.keys(),
  };
}

function storeOf(world: World, machine: Machine, wire: Wire, dice: Dice): LeaseStore {
  const { leases, oracle, history, clock } = world;
  const unreadable = (leaseKey: string): never => {
    throw new KinactError('MALFORMED_LEASE', `${leaseKey} was garbled by hand`, { data: { leaseKey } });
  };
  const call = <T>(effect: () => Promise<T>): Promise<T> =>
    wire
      .call(() => {
        if (dice.chance(world.throttled / 2)) throw awsError('ProvisionedThroughputExceededException', 'Rate exceeded');
        return effect();
      })
      .then(
        (result) => result,
        (cause: unknown) => {
          if (cause instanceof KinactError) throw cause;
          throw new KinactError('AWS_ERROR', 'the table cannot be reached', { cause, retryable: true });
        },
      ) as Promise<T>;
  return {
    ...watchedStore(leases, {
      process: machine.name,
      oracle,
      now: () => clock.now(),
      call,
      changed: (leaseKey, row) => history.note(leaseKey, row),
    }),
    tableName: 'sim',
    scan: () => call(async () => ({ ...pictureOf(world, dice), serviceTimeMs: clock.wallNow() })),
    get: (leaseKey, signal) =>
      call(async () => (world.garbled.has(leaseKey) ? unreadable(leaseKey) : leases.get(leaseKey, signal))),
  };
}

/** An eventually consistent read: each row as it was up to a second ago. */
function pictureOf(world: World, dice: Dice): { rows: LeaseRow[]; malformed: { leaseKey: string; reason: string }[] } {
  const isStale = dice.chance(world.staleScans);
  const rows: LeaseRow[] = [];
  const malformed: { leaseKey: string; reason: string }[] = [];
  for (const leaseKey of world.history.keys()) {
    const row = isStale ? world.history.at(leaseKey, dice.next() * longestAgeMs) : world.leases.rows.get(leaseKey);
    if (row === undefined) continue;
    if (world.garbled.has(leaseKey)) malformed.push({ leaseKey, reason: 'garbled by hand' });
    else rows.push(row);
  }
  return { rows, malformed };
}
