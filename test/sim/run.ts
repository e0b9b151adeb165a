// Runs one seed from start to verdict: a workload, a schedule of faults, then calm, after which everything must be done.
import { actors } from '../../src/consumer/wiring.js';
import { createDice } from './dice.js';
import { dieEarly } from './early-death.js';
import { layAmbush } from './ambush.js';
import { badItems, hang, poison, sinkRefusesAt, sinkRefusesBy } from './call-faults.js';
import { strike } from './faults.js';
import { forget } from './forgetting.js';
import { meddle } from './meddling.js';
import { misplace } from './misplacing.js';
import { sample } from './samples.js';
import { changeSources } from './source-acts.js';
import { disturb } from './fan-out-acts.js';
import { settle } from './settling.js';
import { isAtWork } from './stopping.js';
import { throttle } from './throttling-acts.js';
import { putRecords } from './workload.js';
import { createWorld, type MakeActors, type World } from './world.js';
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
  /** The events just before the first violation. */
  readonly events: readonly string[];
}

const leastFaults = 10;
const firstFaultMs = 20_000;
const firstStepMs = 2_500;

const production: MakeActors = () => actors;

/** The size of a seed that is not shrunk. */
export function sizeOf(seed: number): Size {
  const dice = createDice(seed ^ 0x5eed);
  const shards = dice.chance(0.04) ? dice.between(20, 40) : dice.between(4, 9);
  return { shards, records: 2_000 + dice.between(0, 400), faults: dice.between(leastFaults, 24) };
}

/** Whether Java workers share the table of a seed. */
export function isBesideJava(seed: number): boolean {
  return createWorld(seed, sizeOf(seed).shards, production, false).java !== undefined;
}

export interface RunOptions {
  readonly size?: Size;
  readonly makeActors?: MakeActors;
  /** Also draws the faults that wait for production code. */
  readonly provisional?: boolean;
}

export async function runSeed(seed: number, options: RunOptions = {}): Promise<Outcome> {
  const { size = sizeOf(seed), makeActors = production, provisional = false } = options;
  const world = createWorld(seed, size.shards, makeActors, provisional);
  const { clock, oracle } = world;
  const tally = { faults: 0, hits: 0 };
  const stray = (reason: unknown): void => oracle.violate('I25', `unhandled rejection: ${String(reason)}`);
  process.on('unhandledRejection', stray);
  clock.install();
  try {
    const endMeddling = meddle(world, seed);
    const endActs = [throttle, disturb, changeSources, misplace].map((begin) => begin(world, seed));
    await live(world, seed, size, tally);
    endMeddling();
    for (const end of endActs) end();
    await settle(world, size.records);
  } finally {
    forget(world);
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
async function live(world: World, seed: number, size: Size, tally: { faults: number; hits: number }): Promise<void> {
  const { clock, dice, oracle, initialPosition } = world;
  putRecords(world, Math.ceil(size.records / 10));
  if (initialPosition instanceof Date) {
    // Records from before the date need not be read. Those between the date and the start must be.
    await clock.advance(initialPosition.getTime() - clock.wallNow());
    oracle.excuseAll();
    putRecords(world, 20);
    await clock.advance(dice.between(1, 5_000));
  }
  world.start();
  if (initialPosition === 'LATEST') {
    // Records from before a process looked for LATEST need not be read. The first row shows that a process has looked.
    await clock.advanceUntil(() => world.leases.rows().size > 0, 60_000);
    oracle.excuseAll();
  }
  for (let more = 0; more < 2; more += 1) world.start();
  dieEarly(world, seed);
  for (let at = 0; at < firstFaultMs; at += firstStepMs) {
    putRecords(world, Math.ceil(size.records / 100));
    await clock.advance(firstStepMs);
  }
  const step = Math.ceil((size.records - world.written) / Math.max(1, size.faults));
  // Every seed has failures of the application, because their effects depend on what the seed draws.
  const poisonedAt = dice.between(0, Math.max(0, size.faults - 1));
  const badAt = dice.between(0, Math.max(0, size.faults - 1));
  const ambushAt = dice.between(0, Math.max(0, size.faults - 1));
  const hangsAt = dice.chance(1 / 3) ? dice.between(0, Math.max(0, size.faults - 1)) : -1;
  const refusesAt = sinkRefusesAt(world, seed, size.faults);
  for (let fault = 0; fault < size.faults; fault += 1) {
    if (fault === poisonedAt) poison(world);
    if (fault === badAt) badItems(world);
    if (fault === ambushAt) layAmbush(world);
    if (fault === hangsAt) hang(world);
    if (fault === refusesAt) sinkRefusesBy(world, createDice(seed ^ 0x51c1));
    putRecords(world, Math.min(step, Math.max(0, size.records - world.written)));
    await clock.advance(dice.between(10, dice.chance(0.8) ? 1_500 : 15_000));
    tally.faults += 1;
    if (oracle.hasOpen()) tally.hits += 1;
    if (!world.isShutDown) strike(world);
    while (!world.isShutDown && world.processes.filter(isAtWork).length < 3) world.start();
    sample(world);
    await clock.advance(dice.between(10, 15_000));
    sample(world);
  }
  putRecords(world, Math.max(0, size.records - world.written));
}
