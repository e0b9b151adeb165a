// One seed, from start to verdict: a workload, a schedule of faults, calm, and then everything must have been done.
import { createWorld } from './world.js';
import type { Process, World } from './world.js';
import { calm } from './wire.js';
import { crashActor } from '../../supervision/system.js';
import { walk } from '../../src/status.js';

export interface Outcome {
  readonly seed: number;
  readonly violations: readonly { readonly invariant: string; readonly text: string }[];
  readonly faults: number;
  /** Faults that hit while records were open. */
  readonly hits: number;
  readonly checkpoints: number;
  readonly deliveries: number;
  readonly hash: number;
  readonly log: readonly string[];
}

const faultMinutes = 6;

export async function runSeed(seed: number): Promise<Outcome> {
  const world = createWorld(seed, 4);
  const { clock, dice, oracle } = world;
  clock.install();
  let faults = 0;
  let hits = 0;
  try {
    world.put(200);
    for (let index = 0; index < 3; index += 1) world.start();
    for (let at = 0; at < faultMinutes * 60_000;) {
      const wait = dice.between(1_000, 20_000);
      at += wait;
      await clock.advance(wait);
      world.put(dice.between(20, 120));
      if (dice.chance(0.7)) {
        faults += 1;
        if (oracle.missing().length > 0) hits += 1;
        strike(world);
      }
    }
    await settle(world);
  } catch (error) {
    oracle.violations.push({ invariant: 'crash', text: String((error as Error).stack ?? error) });
  } finally {
    clock.uninstall();
  }
  return {
    seed,
    violations: oracle.violations,
    faults,
    hits,
    checkpoints: oracle.checkpoints(),
    deliveries: oracle.deliveries(),
    hash: world.trace.hash,
    log: world.log,
  };
}

function strike(world: World): void {
  const { dice, clock, kinesis } = world;
  const living = world.processes.filter(
    ({ machine, ended, stopped }) => machine.alive && ended === undefined && !stopped,
  );
  const say = (text: string): void => void world.log.push(`${Math.round(clock.now())} ${text}`);
  const victim = living[dice.between(0, living.length - 1)];
  const revive = (): void => {
    say(`start p${world.processes.length}`);
    world.start();
  };
  switch (dice.between(0, 8)) {
    case 0:
      if (victim === undefined) return revive();
      say(`kill ${victim.machine.name}`);
      victim.machine.kill();
      victim.stopped = true;
      return revive();
    case 1: {
      if (victim === undefined) return revive();
      const ms = dice.between(1_000, 40_000);
      say(`pause ${victim.machine.name} for ${ms}`);
      victim.machine.pause();
      clock.after(ms, () => victim.machine.resume());
      return;
    }
    case 2:
      if (victim === undefined) return revive();
      say(`stop ${victim.machine.name}`);
      victim.stopped = true;
      void victim.consumer.stop({ deadlineMs: dice.pick([100, 5_000, 20_000]) });
      return revive();
    case 3: {
      const open = [...kinesis.stream('sim').shards.values()].filter(({ closedAt }) => closedAt === undefined);
      const shard = dice.pick(open);
      if (open.length > 12) return;
      say(`split ${shard.shardId}`);
      kinesis.split('sim', shard.shardId);
      return;
    }
    case 4: {
      const open = [...kinesis.stream('sim').shards.values()]
        .filter(({ closedAt }) => closedAt === undefined)
        .toSorted((a, b) => (a.startingHashKey < b.startingHashKey ? -1 : 1));
      if (open.length < 3) return;
      const at = dice.between(0, open.length - 2);
      say(`merge ${open[at]?.shardId} ${open[at + 1]?.shardId}`);
      kinesis.merge('sim', (open[at] as { shardId: string }).shardId, (open[at + 1] as { shardId: string }).shardId);
      return;
    }
    case 5: {
      const ms = dice.between(2_000, 30_000);
      say(`bad weather for ${ms}`);
      setWeather(world, { lost: 0.1, unanswered: 0.15, slow: 0.1 });
      clock.after(ms, () => setWeather(world, calm));
      return;
    }
    case 6: {
      say('throttling and expired iterators');
      world.throttled = 0.4;
      kinesis.expireIterators();
      clock.after(dice.between(2_000, 20_000), () => (world.throttled = 0));
      return;
    }
    case 7: {
      say('poison');
      world.poison = 0.01;
      clock.after(dice.between(500, 4_000), () => (world.poison = 0));
      return;
    }
    default: {
      if (victim === undefined) return revive();
      killActor(world, victim, say);
    }
  }
}

function setWeather(world: World, weather: World['weather']): void {
  world.weather = weather;
  for (const { wires } of world.processes) for (const wire of wires) wire.weather = weather;
}

function killActor(world: World, victim: Process, say: (text: string) => void): void {
  const kinds = /^(stage|reducer|shard-worker|shard-workers|lease-keeper|lease-coordinator)[/#]/;
  const living = new Set(walk(victim.consumer.status().tree).map(({ path }) => path));
  const candidates = [...victim.machine.actors.values()].filter(({ path }) => living.has(path) && kinds.test(path));
  if (candidates.length === 0) return;
  const target = world.dice.pick(candidates);
  say(`crash ${target.path} of ${victim.machine.name}`);
  crashActor(target, new Error('nemesis'));
}

/** Calm weather, everybody at work: within some minutes nothing may be left. */
async function settle(world: World): Promise<void> {
  const { clock, oracle } = world;
  setWeather(world, calm);
  world.throttled = 0;
  world.poison = 0;
  for (const { machine } of world.processes) if (machine.paused) machine.resume();
  for (const { ended } of world.processes) if (ended !== undefined) world.log.push(`ended: ${ended.message}`);
  world.start();
  const done = await clock.advanceUntil(() => oracle.missing().length === 0, 6 * 60_000);
  if (!done) {
    const missing = oracle.missing();
    oracle.violations.push({
      invariant: 'I3',
      text: `${missing.length} items were never dealt with: ${missing.slice(0, 5).join(', ')}`,
    });
    describeStuck(world);
  }
  // Nobody may undo it: the last stops, and what the table says must still hold.
  const stops = world.processes
    .filter(({ machine, stopped }) => machine.alive && !stopped)
    .map(({ consumer }) => consumer.stop());
  await clock.advance(60_000);
  await Promise.race([Promise.all(stops), Promise.resolve()]);
}

/** What the table and the living processes look like when not everything was done. */
function describeStuck(world: World): void {
  for (const row of world.leases.rows.values()) {
    const { leaseKey, leaseOwner, leaseCounter, checkpoint, parentShardIds } = row;
    world.log.push(
      `row ${leaseKey} owner ${leaseOwner ?? '-'} counter ${leaseCounter} at ${checkpoint.slice(-8)} parents ${parentShardIds.join(' ')}`,
    );
  }
  for (const { machine, consumer, ended, stopped } of world.processes) {
    if (!machine.alive) continue;
    const { state, shards } = consumer.status();
    world.log.push(
      `${machine.name} ${state} stopped ${stopped} ended ${ended?.message ?? '-'} paused ${machine.paused}`,
    );
    for (const { shardId, doing, openRecords, oldestOpen } of shards) {
      world.log.push(`   ${shardId} ${doing} open ${openRecords} ${JSON.stringify(oldestOpen)}`);
    }
  }
}
