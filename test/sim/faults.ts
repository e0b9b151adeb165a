// The faults of a world, one function per kind. Each one depends on the world's dice alone, logs what it does, and heals by itself
// after a while.
import type { ScriptedShard } from '../../src/testing/scripted-server/scripted-shards.js';
import { recreateStream } from './recreating.js';
import { crashActor } from '../../supervision/system.js';
import { walk } from '../../src/api/status.js';
import { errorNames, type Service } from './sdk-answers.js';
import { drawn, passingErrors, type Mishap, type Rule } from './service-faults.js';
import { calm } from './wire.js';
import { putRecords, trimRecords } from './workload.js';
import { badItems, block, hang, outage, overdue, poison, sinkRefuses } from './call-faults.js';
import { isAtWork, stopProcess } from './stopping.js';
import type { Process, World } from './world.js';

/** The most open shards, and the fewest: no seed begins with fewer. */
const mostShards = 14;
const fewestShards = 4;

export function strike(world: World): void {
  const { dice } = world;
  const victim = pickVictim(world);
  if (victim === undefined) {
    world.say(`start p${world.processes.length}`);
    world.start();
    return;
  }
  const kinds = world.provisional ? [...faults, ...provisional.map(({ fault }) => fault)] : faults;
  dice.pick(kinds)(world, victim);
}

type Fault = (world: World, victim: Process) => void;

function pickVictim({ processes, dice }: World): Process | undefined {
  const living = processes.filter(isAtWork);
  return living.length === 0 ? undefined : dice.pick(living);
}

export const startAnother = (world: World): void => {
  world.say(`start p${world.processes.length}`);
  world.start();
};

export const kill: Fault = (world, victim) => {
  world.say(`kill ${victim.machine.name}`);
  victim.machine.kill();
  victim.stopped = true;
  startAnother(world);
};

const pause: Fault = ({ clock, dice, say }, victim) => {
  const ms = dice.between(1_000, 40_000);
  say(`pause ${victim.machine.name} for ${ms}`);
  victim.machine.pause();
  victim.disturbed = true;
  clock.after(ms, () => victim.machine.resume());
};

/** The machine sleeps: its wall clock continues, but its monotonic clock stands still. */
const suspend: Fault = ({ clock, dice, failoverMs, say }, victim) => {
  const { machine } = victim;
  // A machine whose wall clock has just been set back cannot know how long it slept.
  if (clock.now() - machine.setBackAt() < 2 * failoverMs) return;
  const ms = dice.between(3_000, 40_000);
  say(`suspend ${machine.name} for ${ms}`);
  machine.suspend();
  victim.disturbed = true;
  clock.after(ms, () => machine.resume());
};

/** Within this time after waking, a machine has looked at its clocks. */
const wakingMs = 5_000;

const jumpWall: Fault = ({ clock, dice, say }, { machine }) => {
  const ms = dice.between(-30_000, 30_000);
  if (ms < 0 && machine.paused) return;
  // Nor can a machine whose clock is set back before it has done anything after waking (seed 450712).
  if (ms < 0 && clock.now() - machine.resumedAt() < wakingMs) return;
  say(`wall clock of ${machine.name} by ${ms}`);
  machine.jumpWall(ms);
};

export const stop: Fault = (world, victim) => {
  void stopProcess(world, victim, world.dice.pick([100, 5_000, 20_000]));
  startAnother(world);
};

/** Calls take seconds, their process is told to stop, and an actor in it crashes while they run. */
const crashInStop: Fault = (world, victim) => {
  const { dice, clock } = world;
  const before = world.lingering;
  world.lingering = 0.2;
  clock.after(1_000, () => {
    world.lingering = before;
    if (!isAtWork(victim)) return;
    stop(world, victim);
    clock.after(dice.between(1, 500), () => crashOne(world, victim, dice.pick(kinds.slice(0, 6))));
  });
};

/** An existing stream, with its shards. */
function streamIn({ dice, kinesis, streams }: World): { stream: string; shards: ScriptedShard[] } | undefined {
  const there = streams();
  if (there.length === 0) return undefined;
  const stream = there.length === 1 ? (there[0] as string) : dice.pick(there);
  return { stream, shards: [...kinesis.stream(stream).shards.values()] };
}

const split: Fault = (world) => {
  const { dice, kinesis, layout, say } = world;
  const { stream, shards } = streamIn(world) ?? { stream: '', shards: [] };
  const open = shards.filter(({ closedAt }) => closedAt === undefined);
  if (open.length === 0 || open.length >= mostShards / layout.streams.length) return;
  const shard = dice.pick(open);
  say(`split ${stream}/${shard.shardId}`);
  kinesis.split(stream, shard.shardId);
};

const merge: Fault = (world) => void mergeTwo(world);

/** Returns the names of the two merged shards. */
function mergeTwo(world: World): readonly string[] {
  const { dice, kinesis, layout, nameOf, say } = world;
  const { stream, shards } = streamIn(world) ?? { stream: '', shards: [] };
  const open = shards
    .filter(({ closedAt }) => closedAt === undefined)
    .toSorted((a, b) => (a.startingHashKey < b.startingHashKey ? -1 : 1));
  if (open.length <= fewestShards / layout.streams.length) return [];
  const at = dice.between(0, open.length - 2);
  const [low, high] = open.slice(at, at + 2).map(({ shardId }) => shardId) as [string, string];
  say(`merge ${stream}/${low} ${high}`);
  kinesis.merge(stream, low, high);
  return [nameOf(stream, low), nameOf(stream, high)];
}

const badWeather: Fault = (world) => {
  const ms = world.dice.between(2_000, 30_000);
  world.say(`bad weather for ${ms}`);
  setWeather(world, { lost: 0.1, unanswered: 0.15, slow: 0.1 });
  world.clock.after(ms, () => setWeather(world, calm));
};

/** The table is slow with every call, but not slow enough to cost a lease. */
const slowTable: Fault = ({ clock, processes, say }) => {
  say('the lease table is slow');
  for (const { wires } of processes) wires[1].longWay = { leastMs: 150, mostMs: 500 };
  clock.after(20_000, () => {
    for (const { wires } of processes) wires[1].longWay = undefined;
  });
};

const throttle: Fault = (world) => {
  world.say('throttling');
  world.throttled = 0.4;
  world.clock.after(world.dice.between(2_000, 20_000), () => (world.throttled = 0));
};

const expire: Fault = ({ kinesis, say }) => {
  say('iterators expire');
  kinesis.expireIterators();
};

const trim: Fault = (world) => {
  const { dice, say } = world;
  const found = streamIn(world);
  if (found === undefined) return;
  const { stream, shards } = found;
  const shard = dice.pick(shards);
  const count = dice.between(1, Math.max(1, shard.records.length));
  say(`trim ${count} of ${stream}/${shard.shardId}`);
  trimRecords(world, stream, shard.shardId, count);
};

const repeat: Fault = (world) => {
  world.say('reads bring records again');
  world.repeats = 0.3;
  world.clock.after(world.dice.between(5_000, 40_000), () => (world.repeats = 0));
};

/** A service answers some calls with an error. */
const errors =
  (named: (service: Service) => readonly string[]): Fault =>
  ({ clock, dice, serviceFaults, say }) => {
    const service = dice.pick<Service>(['kinesis', 'dynamodb']);
    const name = dice.pick(named(service));
    const operation = dice.chance(0.5) ? undefined : dice.pick(serviceFaults.operations(service));
    const rule: Rule = { service, operation, mishap: { type: 'error', name }, ...drawn(dice, clock.now()) };
    say(`${service} answers ${operation ?? 'calls'} with ${name}, ${rule.times === 1 ? 'once' : `at ${rule.chance}`}`);
    serviceFaults.add(rule);
  };

/** Answers to this operation are incomplete or out of date. */
const misshapen =
  (operation: string, make: (dice: World['dice']) => Mishap): Fault =>
  ({ clock, dice, serviceFaults, say }) => {
    const rule: Rule = { service: 'kinesis', operation, mishap: make(dice), ...drawn(dice, clock.now()) };
    say(`answers to ${operation}: ${rule.mishap.type}, ${rule.times === 1 ? 'once' : `at ${rule.chance}`}`);
    serviceFaults.add(rule);
  };

const emptyPages = misshapen('GetRecords', () => ({ type: 'emptyPage' }));
const noIterators = misshapen('GetRecords', () => ({ type: 'noIterator' }));
const omittedShards = misshapen('ListShards', () => ({ type: 'omitsShards' }));
const olderListings = misshapen('ListShards', (dice) => ({ type: 'olderListing', ageMs: dice.between(500, 30_000) }));

/** All iterators expire at once, and some requests for new ones are answered as if the shard did not exist. */
const iteratorsNotFound: Fault = (world, victim) => {
  const { clock, dice, serviceFaults, say } = world;
  say('some iterators are not found');
  serviceFaults.add({
    service: 'kinesis',
    operation: 'GetShardIterator',
    mishap: { type: 'error', name: 'ResourceNotFoundException' },
    chance: dice.pick([0.03, 0.3, 1]),
    until: clock.now() + dice.between(500, 30_000),
    times: Infinity,
  });
  expire(world, victim);
};

const mischief: Fault = ({ clock, dice, say }, { machine }) => {
  say(`mail of ${machine.name} is late and repeated`);
  machine.mischief.delayed = dice.pick([0, 0.02, 0.1]);
  machine.mischief.duplicated = dice.pick([0, 0.3, 0.3]);
  clock.after(dice.between(2_000, 30_000), () => Object.assign(machine.mischief, { delayed: 0, duplicated: 0 }));
};

/**
 * Tenures end one after the other during bursts of records for few shards. When the next tenure begins, dispositions of earlier
 * tenures are still on their way, and their ordinals are in use again. Calls of the application outlast their tenures, too.
 */
const endTenures: Fault = (world, { machine }) => {
  const { clock, dice, say } = world;
  say(`wall clock of ${machine.name} jumps again and again, its mail is late`);
  machine.mischief.delayed = 0.1;
  world.lingering = dice.pick([0, 0.05, 0.3]);
  const times = dice.between(3, 8);
  let at = 0;
  for (let time = 0; time < times; time += 1) {
    at += dice.between(200, 3_000);
    clock.after(at, () => {
      putRecords(world, dice.between(20, 40), 3);
      machine.jumpWall(dice.between(1_500, 5_000));
    });
  }
  clock.after(at, () => {
    machine.mischief.delayed = 0;
    world.lingering = 0;
  });
};

/** A row is deleted by hand. Its holder, or a shard sync, creates it again. */
const deleteRow: Fault = (world) => {
  const { dice, leases, oracle, say } = world;
  // No shard sync would look again for a parent whose child has a row: kinact promises nothing for this parent.
  const all = [...leases.rows().values()];
  const hasChild = (leaseKey: string): boolean => all.some(({ parentShardIds }) => parentShardIds.includes(leaseKey));
  const rows = all.filter((row) => row.checkpoint !== 'SHARD_END' && !hasChild(row.leaseKey));
  if (rows.length === 0) return;
  const { leaseKey } = dice.pick(rows);
  say(`row ${leaseKey} is deleted`);
  oracle.tampered(leaseKey);
  leases.delete(leaseKey);
};

const garbleRow: Fault = (world) => {
  const { dice, leases } = world;
  const keys = [...leases.rows().keys()];
  if (keys.length === 0) return;
  const leaseKey = dice.pick(keys);
  garble(world, leaseKey, dice.between(2_000, 40_000));
};

function garble({ clock, garbled, say }: World, leaseKey: string, ms: number): void {
  say(`row ${leaseKey} is garbled`);
  if (!garbled.has(leaseKey)) garbled.set(leaseKey, clock.now());
  clock.after(ms, () => garbled.delete(leaseKey));
}

export function setWeather(world: World, weather: World['weather']): void {
  world.weather = weather;
  for (const { wires } of world.processes) for (const wire of wires) wire.weather = weather;
}

const kinds = [
  'stage',
  'reducer',
  'shard-worker',
  'shard-worker-supervisor',
  'lease-keeper',
  'lease-coordinator',
  'pipeline',
  'coordinators',
];

export function crashOne(world: World, process: Process, kind: string): void {
  const { machine, consumer } = process;
  if (!machine.alive) return;
  const { pipes, dice } = world;
  // A process with pipes has reducers only before them.
  const isInstead = pipes.of(machine.name) !== undefined;
  const isBefore = isInstead && pipes.reducerOf(machine.name) !== undefined && dice.chance(0.3);
  if (kind === 'reducer' && isInstead && !isBefore)
    return crashOne(world, process, dice.pick(['pipe', 'pipe-node', 'pipe-node']));
  const living = new Set(walk(consumer.status().tree).map(({ path }) => path));
  const targets = [...machine.actors.values()].filter(
    ({ path }) => living.has(path) && (path.startsWith(`${kind}/`) || path.startsWith(`${kind}#`)),
  );
  if (targets.length === 0) return;
  const target = world.dice.pick(targets);
  world.say(`crash ${target.path} of ${machine.name}`);
  process.hurt += 1;
  machine.run(() => crashActor(target, new Error('nemesis')));
}

const crashActorOf: Fault = (world, victim) => crashOne(world, victim, world.dice.pick(kinds.slice(0, 6)));
const crashSupervisor: Fault = (world, victim) => crashOne(world, victim, world.dice.pick(kinds.slice(6)));

/** One crash after the other, during the restarts for earlier ones: sometimes more than `restart` allows. */
const crashOften: Fault = (world, victim) => {
  const times = world.dice.between(2, 25);
  const everyMs = world.dice.pick([1, 50, 400]);
  for (let time = 0; time < times; time += 1) {
    world.clock.after(time * everyMs, () => crashOne(world, victim, world.dice.pick(kinds.slice(0, 6))));
  }
};

const reshardInAKill: Fault = (world, victim) => {
  crashOne(world, victim, world.dice.pick(kinds.slice(0, 6)));
  world.dice.pick([split, merge])(world, victim);
  kill(world, victim);
};

const reshardInBadWeather: Fault = (world, victim) => {
  badWeather(world, victim);
  world.dice.pick([split, merge])(world, victim);
};

/**
 * A merge. One parent loses its holder, and its row cannot be read: the child has to wait for this parent. The row is garbled from
 * the start, or once the other parent has ended and the child is held. In the second case the child's holder dies, too.
 */
const reshardInTheDark: Fault = (world) => {
  const { dice, leases } = world;
  const parents = mergeTwo(world);
  if (parents.length === 0) return;
  const [unread, other] = (dice.chance(0.5) ? parents : parents.toReversed()) as [string, string];
  if (leases.row(unread)?.leaseOwner === leases.row(other)?.leaseOwner || dice.chance(1 / 3)) darken(world, unread);
  else darkenLater(world, unread, other, mostLooks);
  killHolder(world, unread);
};

const lookMs = 100;
const mostLooks = 200;

function darkenLater(world: World, unread: string, other: string, tries: number): void {
  const { clock, dice, failoverMs, layout, leases } = world;
  const isOver = tries === 0 || leases.row(unread)?.checkpoint === 'SHARD_END';
  if (isOver || world.lostStreams.size > 0) return;
  const child = layout.childrenOf(other).find((name) => leases.row(name)?.leaseOwner !== undefined);
  if (child === undefined || leases.row(other)?.checkpoint !== 'SHARD_END')
    return void clock.after(lookMs, () => darkenLater(world, unread, other, tries - 1));
  darken(world, unread);
  killHolder(world, unread);
  killHolder(world, child);
  // The worker that takes the child next must find records in it.
  clock.after(failoverMs, () => putRecords(world, dice.between(20, 40)));
}

function darken(world: World, leaseKey: string): void {
  garble(world, leaseKey, world.failoverMs + world.dice.between(10_000, 50_000));
}

function killHolder(world: World, leaseKey: string): void {
  const owner = world.leases.row(leaseKey)?.leaseOwner;
  const holder = world.processes.find(({ machine }) => machine.name === owner);
  if (holder !== undefined && isAtWork(holder)) kill(world, holder);
}

const recreate: Fault = (world) => {
  const { dice, layout, lostStreams, streams } = world;
  // A Java worker continues to read under the rows of the old stream. kinact promises nothing about that.
  if (world.java !== undefined) return;
  // Only one stream at a time, and only once workers read it.
  if (lostStreams.size > 0 || streams().length < layout.streams.length || world.leases.rows().size === 0) return;
  recreateStream(world, dice.pick(layout.streams));
};

/** A table is deleted with all its rows. The holder of a lease creates its row again. */
const deleteTable: Fault = ({ dice, dynamoDb, initialPosition, layout, leases, oracle, say }) => {
  const rows = [...leases.rows().values()];
  const parents = new Set(rows.flatMap(({ parentShardIds }) => parentShardIds));
  // As in `deleteRow`, kinact promises nothing for a parent whose child has a row. And without a row, LATEST means now.
  const isUnpromised = rows.some(({ leaseKey, checkpoint }) => checkpoint !== 'SHARD_END' && parents.has(leaseKey));
  if (isUnpromised || initialPosition !== 'TRIM_HORIZON') return;
  const tableName = dice.pick(layout.tables);
  say(`table ${tableName} is deleted`);
  for (const { leaseKey } of rows) oracle.tampered(leaseKey);
  dynamoDb.deleteTable(tableName);
};

/** Records older than `horizon` pass out of retention, and so do the shards that were closed before it. */
const retention: Fault = (world) => {
  const { clock, dice, kinesis, say } = world;
  const found = streamIn(world);
  if (found === undefined) return;
  const { stream, shards } = found;
  const horizon = clock.wallNow() - dice.between(30_000, 200_000);
  say(`retention of ${stream} passes`);
  for (const { shardId, records, closedAt = Infinity } of shards) {
    const old = records.findIndex(({ arrivedAt }) => arrivedAt >= horizon);
    const count = old < 0 ? records.length : old;
    if (count > 0) trimRecords(world, stream, shardId, count);
    if (closedAt < horizon) kinesis.dropShard(stream, shardId);
  }
};

/** A fault that is listed several times is as many times as likely. */
const faults: readonly Fault[] = [
  kill,
  kill,
  pause,
  pause,
  suspend,
  jumpWall,
  jumpWall,
  stop,
  stop,
  crashInStop,
  split,
  split,
  merge,
  badWeather,
  badWeather,
  slowTable,
  throttle,
  expire,
  trim,
  repeat,
  poison,
  outage,
  badItems,
  badItems,
  sinkRefuses,
  overdue,
  overdue,
  mischief,
  mischief,
  endTenures,
  endTenures,
  deleteRow,
  garbleRow,
  crashActorOf,
  crashActorOf,
  crashActorOf,
  crashActorOf,
  crashSupervisor,
  hang,
  block,
  block,
  errors(passingErrors),
  errors(errorNames),
  errors(errorNames),
  emptyPages,
  iteratorsNotFound,
  iteratorsNotFound,
  noIterators,
  noIterators,
  omittedShards,
  olderListings,
  retention,
  deleteTable,
  recreate,
  crashOften,
  reshardInAKill,
  reshardInBadWeather,
  reshardInBadWeather,
  reshardInTheDark,
  reshardInTheDark,
];

/** Faults that only `--faults all` draws, until main has the change that each waits for (`waitsFor`). There are none now. */
const provisional: readonly { readonly fault: Fault; readonly waitsFor: string }[] = [];
