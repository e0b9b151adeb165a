// The end of a seed: calm weather, everybody at work. Within some minutes nothing may be left undone, the table says what was
// done and who has what stays, and nothing of what stops lives on.
import { watchdogMs } from './cluster.js';
import { setWeather } from './faults.js';
import { sample } from './samples.js';
import { isAtWork, noTimerLeft, stopProcess } from './stopping.js';
import { calm } from './wire.js';
import { putRecords } from './workload.js';
import { neverBlocks } from './world.js';
import type { World } from './world.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { CoordinatorStatus } from '../../actors/lease-coordinator/status.js';

/** Rare enough seeds are watched for this long at rest: what happens every some minutes happens again then. */
const longMs = 10 * 60_000;
const longOnes = 1 / 8;
const settleMs = 8 * 60_000;
/** A shard that stands still for longer, in calm weather, has to be named by somebody: by the watchdog, where a call hangs. */
const stallMs = watchdogMs + 15_000;
/** From the last item done, or the last worker started, until everything rests: a few renewals, some scans. */
const restMs = 60_000;
const scanMs = 1_000;
const lastRecords = 100;
const lookMs = 10_000;
/** Until a stream that was made again has been noticed and its rows mended. */
const mendingMs = 300_000;

/** `records`: so many are to be put in all; a stream that was gone has taken none meanwhile. */
export async function settle(world: World, records: number): Promise<void> {
  const { clock, oracle, processes } = world;
  await clock.advance(45_000);
  world.java?.end();
  calmDown(world);
  if (world.lostStreams.size > 0) await clock.advanceUntil(() => world.lostStreams.size === 0, mendingMs);
  putRecords(world, Math.max(0, records - world.written));
  if (world.dice.chance(0.3)) {
    world.say('everybody is killed');
    for (const process of processes) {
      process.machine.kill();
      process.stopped = true;
    }
  }
  world.say(`start p${processes.length}`);
  world.start();
  const calmAt = clock.now();
  const allDone = (): boolean => oracle.missing().length === 0;
  let done = await clock.advanceUntil(allDone, stallMs - restMs);
  const openBefore = openShards(world);
  done ||= await clock.advanceUntil(allDone, restMs);
  if (!done) {
    noSilentStall(world, calmAt, openBefore);
    done = await clock.advanceUntil(allDone, settleMs - stallMs);
  }
  if (!done) stuck(world);
  await clock.advance(Math.max(restMs, calmAt + restMs - clock.now()));
  if (await callsWereOpen(world)) await clock.advance(restMs);
  if (done) await askersAreDone(world);
  const switches = oracle.switches();
  if (done) {
    atRest(world);
    oracle.allNamed(world.events);
    await nobodySleeps(world);
  }
  sample(world);
  const isLong = world.dice.chance(longOnes);
  await clock.advance(isLong ? longMs : restMs / 2);
  // Who could not hand over because of a call that hung is asked again when the pause of those who asked is over, minutes later.
  if (done && !world.hasHung && oracle.switches() > switches)
    oracle.violate('I33', `${oracle.switches() - switches} leases changed hands although nothing had happened`);
  sample(world);
  await stopAll(world, done);
}

/**
 * Whether calls were open when everybody had a lease. What waits behind them may be done already, by a process before. Its rows say so
 * when they are over: while they get on, that lasts as long as they do (seed 770444); where one hangs, until the watchdog has found the
 * record that waits for longest (seed 21).
 */
async function callsWereOpen({ clock, oracle, processes }: World): Promise<boolean> {
  const isOpen = (): boolean =>
    processes.some(
      (process) => isAtWork(process) && process.consumer.status().shards.some(({ openRecords }) => openRecords > 0),
    );
  if (!isOpen()) return false;
  let before = oracle.deliveries();
  for (let [ms, standsMs] = [0, 0]; ms < settleMs && standsMs < watchdogMs && isOpen(); ms += lookMs) {
    await clock.advance(lookMs);
    standsMs = oracle.deliveries() > before ? 0 : standsMs + lookMs;
    before = oracle.deliveries();
  }
  return true;
}

/**
 * Who was refused while there was much to do asks again when the pause that grew then is over (seed 612456), and then no more. A wish
 * that stands is answered first, by a drain perhaps (seed 630879): the planner's promise of leases / 4 + 5 scans and drains.
 */
async function askersAreDone({ clock, oracle, processes, leases: table, failoverMs }: World): Promise<void> {
  const pauses = processes.filter(isAtWork).flatMap((process) =>
    process.consumer.status().leases.flatMap(({ state }) => {
      const { leases = [] } = (state ?? {}) as Partial<CoordinatorStatus>;
      return leases.map(({ notAskedMs = 0 }) => notAskedMs);
    }),
  );
  const isQuiet = (): boolean => clock.now() - oracle.wishedAt() >= restMs / 2;
  const longestMs = Math.max(0, ...pauses);
  if (longestMs === 0 && isQuiet()) return;
  const promisedMs = (table.rows().size / 4 + 5) * (scanMs + failoverMs);
  await clock.advanceUntil(isQuiet, longestMs + restMs + promisedMs);
}

function calmDown(world: World): void {
  setWeather(world, calm);
  world.throttled = 0;
  world.poison = 0;
  world.hangs = 0;
  world.lingering = 0;
  world.blocking = neverBlocks;
  world.serviceFaults.clear();
  world.repeats = 0;
  for (const { machine, wires } of world.processes) {
    wires[1].longWay = undefined;
    Object.assign(machine.mischief, { delayed: 0, duplicated: 0 });
    if (machine.paused) machine.resume();
  }
}

/** I31: every row says what was done, that of a closed shard that it has ended, and every open shard has somebody. */
function atRest(world: World): void {
  const { oracle, leases, kinesis, layout } = world;
  oracle.atRest();
  const living = new Set(world.processes.filter(isAtWork).map(({ machine }) => machine.name));
  const rows = leases.rows();
  balanced(world, rows, living);
  const shards = layout.streams.flatMap((stream) =>
    [...kinesis.stream(stream).shards.values()].map((shard) => ({
      ...shard,
      name: layout.nameOf(stream, shard.shardId),
    })),
  );
  for (const { name: shardId, closedAt } of shards) {
    const row = rows.get(shardId);
    if (closedAt === undefined && !living.has(row?.leaseOwner ?? ''))
      oracle.violate('I31', `nobody reads the open shard ${shardId}: its lease is ${row?.leaseOwner ?? 'nobody'}'s`);
    if (closedAt !== undefined && row !== undefined && row.checkpoint !== 'SHARD_END')
      oracle.violate('I31', `${shardId} is closed and read to its end, but its row says ${row.checkpoint}`);
  }
}

/**
 * I46: nobody asks for anything any more, and every worker has as many leases as any other, or one more. `living` are those at work;
 * what an application makes no progress with is left alone for a while. Who has lost a source of a table has a part of that table only,
 * and is not compared (seed 809645).
 */
function balanced(world: World, rows: ReadonlyMap<string, LeaseRow>, living: ReadonlySet<string>): void {
  const { oracle, layout, hasHung } = world;
  const counts = new Map<string, Map<string, number>>();
  for (const row of rows.values()) {
    if (row.checkpoint === 'SHARD_END' || row.leaseOwner === undefined) continue;
    const table = layout.tableOfShard(row.leaseKey);
    const of = counts.get(table) ?? new Map([...living].map((name) => [name, 0]));
    counts.set(table, of.set(row.leaseOwner, (of.get(row.leaseOwner) ?? 0) + 1));
  }
  if (hasHung) return;
  const quietMs = Math.round(world.clock.now() - oracle.wishedAt());
  if (quietMs < restMs / 2) oracle.violate('I46', `somebody has asked for a lease ${quietMs} ms ago`);
  const lost = new Set(
    world.events.flatMap(({ name, process, data }) =>
      name === 'sourceFailed' ? [`${process} ${layout.tableOf((data as { readonly source: string }).source)}`] : [],
    ),
  );
  for (const [table, of] of counts) {
    const held = [...of].flatMap(([name, count]) => (lost.has(`${name} ${table}`) ? [] : [count]));
    if (held.length === 0) continue;
    if (Math.max(...held) - Math.min(...held) > 1)
      oracle.violate('I46', `leases are not shared evenly: ${JSON.stringify(Object.fromEntries(of))}`);
  }
}

/** I34: all is calm, and what is put now is read now: the holder of a shard reads it. */
async function nobodySleeps(world: World): Promise<void> {
  const { clock, oracle } = world;
  putRecords(world, lastRecords);
  // A call that hangs is the watchdog's to find; until it has, what waits behind it waits.
  const limitMs = world.hasHung ? watchdogMs + restMs : restMs;
  if (await clock.advanceUntil(() => oracle.missing().length === 0, limitMs)) return;
  const shards = new Set(oracle.missing().map((id) => oracle.shardOf(id)));
  oracle.violate('I34', `nobody has read ${[...shards].join(', ')} for ${limitMs} ms, although nothing had happened`);
}

/** Shards with items that nobody has dealt with, and how many. */
function openShards({ oracle }: World): ReadonlyMap<string, number> {
  return new Map(oracle.missing().map((id) => [oracle.shardOf(id), oracle.openIn(oracle.shardOf(id))]));
}

/**
 * I34: whatever stands still is in somebody's events, or somebody is not ready. A shard does not that has got on within the last
 * minute, however slowly (seed 612508), nor one behind a parent that has (seed 530015). `openBefore`: as it was a minute ago.
 */
function noSilentStall(world: World, since: number, openBefore: ReadonlyMap<string, number>): void {
  const { oracle, events, layout } = world;
  if (world.processes.some((process) => isAtWork(process) && !process.consumer.ready().ok)) return;
  const named = new Set(events.filter(({ at }) => at >= since).map(({ shardId }) => shardId));
  const open = openShards(world);
  const getsOn = (shardId: string): boolean =>
    (openBefore.get(shardId) ?? 0) > (open.get(shardId) ?? 0) || layout.parentsOf(shardId).some(getsOn);
  for (const [shardId, count] of open) {
    if (!named.has(shardId) && !getsOn(shardId))
      oracle.violate(
        'I34',
        `${shardId} has stood still for ${stallMs} ms of calm, with ${count} items, and nobody says so`,
      );
  }
}

async function stopAll(world: World, done: boolean): Promise<void> {
  const { clock, oracle, processes } = world;
  const stops = processes.filter(isAtWork).map((process) => stopProcess(world, process, 20_000, done));
  let stopped = false;
  void Promise.all(stops).then(() => (stopped = true));
  await clock.advance(60_000);
  if (!stopped) oracle.violate('I22', 'not every process has stopped after a minute');
  for (const process of processes) if (process.ended !== undefined || process.stopped) noTimerLeft(world, process);
  const pending = clock.pending();
  if (pending > 0) oracle.violate('I25', `${pending} timers are left after everything has stopped`);
}

/** What the table and the living processes look like when not everything was done. */
function stuck(world: World): void {
  const missing = world.oracle.missing();
  world.oracle.violate('I3', `${missing.length} items were never dealt with: ${missing.slice(0, 5).join(', ')}`);
  for (const row of world.leases.rows().values()) {
    const { leaseKey, leaseOwner, leaseCounter, checkpoint, parentShardIds } = row;
    world.say(
      `row ${leaseKey} owner ${leaseOwner ?? '-'} counter ${leaseCounter} at ${checkpoint.slice(-8)} parents ${parentShardIds.join(' ')}`,
    );
  }
  for (const { machine, consumer, ended, stopped } of world.processes) {
    if (!machine.alive) continue;
    const { state, shards } = consumer.status();
    world.say(`${machine.name} ${state} stopped ${stopped} ended ${ended?.message ?? '-'} paused ${machine.paused}`);
    for (const { shardId, doing, openRecords, oldestOpen } of shards) {
      world.say(`   ${shardId} ${doing} open ${openRecords} ${JSON.stringify(oldestOpen)}`);
    }
  }
}
