// The end of a seed: calm weather, and every process at work. Within some minutes everything must be done, the table must show it,
// and leases must stay with their owners. After the stop, nothing of a process may live on.
import { watchdogMs } from './cluster.js';
import { setWeather } from './faults.js';
import { sample } from './samples.js';
import { isAtWork, noTimerLeft, stopProcess } from './stopping.js';
import { endThrottling } from './throttling.js';
import { calm } from './wire.js';
import { putRecords } from './workload.js';
import { everyLifeEnds } from './pipes/life.js';
import { neverBlocks } from './blocking.js';
import type { World } from './world.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { CoordinatorStatus } from '../../actors/lease-coordinator/status.js';

/** A few seeds are watched for this long at rest, so that actions with a period of some minutes happen again. */
const longMs = 10 * 60_000;
const longOnes = 1 / 8;
const settleMs = 8 * 60_000;
/** If a shard stands still for longer in calm weather, an event must name it. If a call hangs, the watchdog sends this event. */
const stallMs = watchdogMs + 15_000;
/** The time from the last done item, or the last started worker, until everything rests: a few renewals, some scans. */
const restMs = 60_000;
const scanMs = 1_000;
const lastRecords = 100;
const lookMs = 10_000;
/** The time until workers have noticed a recreated stream, and its rows have been mended. */
const mendingMs = 300_000;

/** `records`: how many the seed puts in all. While its stream was deleted, none were put: they follow here. */
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
  // A holder that could not hand over because a call hung is asked again minutes later, after the pause of the workers that asked.
  if (done && !world.hasHung && oracle.switches() > switches)
    oracle.violate('I33', `${oracle.switches() - switches} leases changed hands although nothing had happened`);
  sample(world);
  await stopAll(world, done);
}

/**
 * Returns whether records were still open at rest, after waiting for them. Records behind a running call may be done already, by an
 * earlier process, but the rows show this only after the call. That takes as long as the calls make progress (seed 770444). If a call
 * hangs, it takes until the watchdog has found the record that waits for longest (seed 21). The end of a shard waits as long for a
 * call that has acknowledged early and hangs (seed 827795).
 */
async function callsWereOpen({ clock, hasHung, oracle, processes }: World): Promise<boolean> {
  const isOpen = (): boolean =>
    processes.some(
      (process) =>
        isAtWork(process) &&
        process.consumer
          .status()
          .shards.some(({ doing, openRecords }) => openRecords > 0 || (hasHung && doing === 'draining')),
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
 * Waits until no worker makes or raises a wish. A worker that was refused under load asks again once its pause, which grew then, is
 * over (seed 612456), and then no more. An open wish is answered first, perhaps by a drain (seed 630879). The planner promises that
 * all this takes at most leases / 4 + 5 scans and drains.
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
  world.overdue = 0;
  endThrottling(world);
  world.sinkRefuses = 0;
  world.badItems.clear();
  world.ambush = () => false;
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

/** I31: every row shows what was done, the row of a closed shard is at SHARD_END, and every open shard has a live owner. */
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
 * I46: no worker asks for a lease any more, and the workers' numbers of leases differ by at most one. `living` names the processes
 * at work. The law is left out if a call has hung: leases without progress are then left alone for a while. A worker that has lost a
 * source of a table holds only a part of that table, and is not compared (seed 809645).
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

/** I34: in calm weather, the holder of a shard reads new records soon. */
async function nobodySleeps(world: World): Promise<void> {
  const { clock, oracle } = world;
  // A part that cannot be decoded fails in any weather, and a policy may then give the lease back (I33, seed 880004).
  world.undecodable.end();
  putRecords(world, lastRecords);
  // Only the watchdog ends a call that hangs. Until then, the records behind it wait.
  const limitMs = world.hasHung ? watchdogMs + restMs : restMs;
  if (await clock.advanceUntil(() => oracle.missing().length === 0, limitMs)) return;
  const shards = new Set(oracle.missing().map((id) => oracle.shardOf(id)));
  oracle.violate('I34', `nobody has read ${[...shards].join(', ')} for ${limitMs} ms, although nothing had happened`);
}

/** The shards with open items, and how many each has. */
function openShards({ oracle }: World): ReadonlyMap<string, number> {
  return new Map(oracle.missing().map((id) => [oracle.shardOf(id), oracle.openIn(oracle.shardOf(id))]));
}

/**
 * I34: an event names every shard that stands still, or some process is not ready. A shard does not stand still if it has made
 * progress in the last minute, however slowly (seed 612508), or if a parent has (seed 530015). `openBefore`: the state a minute ago.
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
  for (const process of processes) everyLifeEnds(world, process);
  const pending = clock.pending();
  if (pending > 0) oracle.violate('I25', `${pending} timers are left after everything has stopped`);
}

/** Reports items that were never done (I3), and logs the state of the table and of the living processes. */
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
