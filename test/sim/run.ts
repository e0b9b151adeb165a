// One seed, from start to verdict: a workload, a schedule of faults, calm, and then everything must have been done.
import { actors } from '../../src/consumer/wiring.js';
import { createDice } from './dice.js';
import { isAtWork, setWeather, strike } from './faults.js';
import { sample } from './samples.js';
import { noTimerLeft, stopProcess } from './stopping.js';
import { calm } from './wire.js';
import { putRecords } from './workload.js';
import { createWorld } from './world.js';
import type { MakeActors, World } from './world.js';
import type { Violation } from './oracle.js';

/** How much of a seed is run: shrinking makes these smaller. */
export interface Size {
  readonly shards: number;
  readonly records: number;
  readonly faults: number;
}

export interface Outcome {
  readonly seed: number;
  readonly size: Size;
  readonly violations: readonly Violation[];
  readonly faults: number;
  /** Faults that hit while records were open. */
  readonly hits: number;
  readonly checkpoints: number;
  readonly deliveries: number;
  readonly records: number;
  readonly virtualMs: number;
  readonly hash: number;
  readonly log: readonly string[];
  /** What happened just before the first violation. */
  readonly events: readonly string[];
}

const leastMs = 10 * 60_000;
const leastFaults = 10;
const firstFaultMs = 20_000;
const settleMs = 8 * 60_000;

/** The size a seed has by itself. */
export function sizeOf(seed: number): Size {
  const dice = createDice(seed ^ 0x5eed);
  return { shards: dice.between(4, 9), records: 2_000 + dice.between(0, 400), faults: dice.between(leastFaults, 24) };
}

export interface RunOptions {
  readonly size?: Size;
  readonly makeActors?: MakeActors;
}

const production: MakeActors = () => actors;

export async function runSeed(seed: number, options: RunOptions = {}): Promise<Outcome> {
  const { size = sizeOf(seed), makeActors = production } = options;
  const world = createWorld(seed, size.shards, makeActors);
  const { clock, oracle } = world;
  const tally = { faults: 0, hits: 0 };
  const stray = (reason: unknown): void => oracle.violate('I25', `unhandled rejection: ${String(reason)}`);
  process.on('unhandledRejection', stray);
  clock.install();
  try {
    await live(world, size, tally);
    await settle(world);
  } finally {
    clock.uninstall();
    process.off('unhandledRejection', stray);
  }
  return {
    seed,
    size,
    violations: oracle.violations,
    ...tally,
    checkpoints: oracle.checkpoints(),
    deliveries: oracle.deliveries(),
    records: world.written,
    virtualMs: clock.now(),
    hash: world.trace.hash,
    log: world.log,
    events: world.trace.atViolation,
  };
}

/** Faults, with records arriving all the time. */
async function live(world: World, size: Size, tally: { faults: number; hits: number }): Promise<void> {
  const { clock, dice, oracle, leases } = world;
  putRecords(world, Math.ceil(size.records / 10));
  if (world.initialPosition === 'LATEST') {
    // What came before anybody looked for LATEST is nobody's: the first row says that somebody has.
    world.start();
    await clock.advanceUntil(() => leases.rows().size > 0, 60_000);
    oracle.excuseAll();
  } else world.start();
  for (let more = 0; more < 2; more += 1) world.start();
  await clock.advance(firstFaultMs);
  const step = Math.ceil((size.records - world.written) / Math.max(1, size.faults));
  for (let fault = 0; fault < size.faults; fault += 1) {
    putRecords(world, Math.min(step, Math.max(0, size.records - world.written)));
    await clock.advance(dice.between(10, dice.chance(0.8) ? 1_500 : 15_000));
    tally.faults += 1;
    if (oracle.hasOpen()) tally.hits += 1;
    strike(world);
    while (world.processes.filter(isAtWork).length < 3) world.start();
    sample(world);
    await clock.advance(dice.between(10, 15_000));
    sample(world);
  }
  putRecords(world, Math.max(0, size.records - world.written));
}

/** Calm weather, everybody at work: within some minutes nothing may be left, and nothing of what stops may live on. */
async function settle(world: World): Promise<void> {
  const { clock, oracle, processes } = world;
  await clock.advance(45_000);
  setWeather(world, calm);
  world.throttled = 0;
  world.poison = 0;
  world.repeats = 0;
  for (const { machine } of processes) {
    Object.assign(machine.mischief, { delayed: 0, duplicated: 0 });
    if (machine.paused) machine.resume();
  }
  if (world.dice.chance(0.3)) {
    world.say('everybody is killed');
    for (const process of processes) {
      process.machine.kill();
      process.stopped = true;
    }
  }
  world.say(`start p${processes.length}`);
  world.start();
  const done = await clock.advanceUntil(() => oracle.missing().length === 0, settleMs);
  if (!done) stuck(world);
  await clock.advance(Math.max(10_000, leastMs - clock.now()));
  sample(world);
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
