// In some worlds a fault waits for a hand-over, and strikes in the middle of it. The worker that asks, or the holder that has answered,
// stops, dies, stands still or crashes in part; or the shard is split. This fault has its own dice, so it does not change the rest of
// what a seed means.
import { stateOfActor } from '../../supervision/status.js';
import { createDice, type Dice } from './dice.js';
import { crashOne, kill, startAnother } from './faults.js';
import { isAtWork, stopProcess } from './stopping.js';
import type { Process, World } from './world.js';

const meddled = 1 / 4;
const lookMs = 100;
/** A drain with nothing open lasts some milliseconds. So the fault looks this often, until the drain must have begun. */
const drainMs = 5;
const mostLooks = 500;

interface HandOver {
  readonly leaseKey: string;
  readonly author: Process;
  readonly holder: Process;
}

type Deed = (world: World, handOver: HandOver, dice: Dice) => void;

const stopping =
  (who: 'author' | 'holder'): Deed =>
  (world, handOver, dice) => {
    void stopProcess(world, handOver[who], dice.pick([1_000, 5_000, 20_000]));
    startAnother(world);
  };

const killing =
  (who: 'author' | 'holder'): Deed =>
  (world, handOver) =>
    kill(world, handOver[who]);

const pausing =
  (who: 'author' | 'holder'): Deed =>
  ({ clock, say }, handOver, dice) => {
    const process = handOver[who];
    const ms = dice.between(500, 20_000);
    say(`pause ${process.machine.name} for ${ms}`);
    process.machine.pause();
    process.disturbed = true;
    clock.after(ms, () => process.machine.resume());
  };

const crashing =
  (who: 'author' | 'holder', kind: string): Deed =>
  (world, handOver) =>
    crashOne(world, handOver[who], kind);

/** Crashes the worker of the shard. */
const crashingShardWorker: Deed = (world, { holder, leaseKey }) =>
  crashOne(world, holder, `shard-worker/${leaseKey.slice(leaseKey.indexOf('/') + 1)}`);

const splitting: Deed = ({ kinesis, layout, say }, { leaseKey }) => {
  const [stream = '', shardId = ''] = leaseKey.split('/');
  const shard = kinesis.streams.get(stream)?.shards.get(shardId);
  if (shard === undefined || shard.closedAt !== undefined || !layout.isOfTheLast(leaseKey)) return;
  say(`split ${leaseKey}`);
  kinesis.split(stream, shardId);
};

const deeds: readonly Deed[] = [
  stopping('author'),
  stopping('author'),
  killing('author'),
  pausing('author'),
  crashing('author', 'lease-keeper'),
  stopping('holder'),
  killing('holder'),
  pausing('holder'),
  crashingShardWorker,
  crashingShardWorker,
  crashing('holder', 'reducer'),
  crashing('holder', 'stage'),
  crashing('holder', 'pipeline'),
  crashing('holder', 'lease-keeper'),
  crashing('holder', 'lease-coordinator'),
  splitting,
];

/** Strikes hand-overs until the returned function is called. */
export function meddle(world: World, seed: number): () => void {
  const dice = createDice(seed ^ 0x3edd1e);
  let cancel = (): void => {};
  if (!dice.chance(meddled)) return cancel;
  const { clock } = world;
  const look = (): void => {
    const found = world.isShutDown ? undefined : underWay(world);
    if (found === undefined) cancel = clock.after(lookMs, look);
    else if (dice.chance(0.5)) cancel = clock.after(dice.between(0, 2_500), () => strike(found));
    else whenDraining(found, mostLooks);
  };
  const whenDraining = (found: HandOver, looks: number): void => {
    if (looks === 0 || isDraining(found)) strike(found);
    else cancel = clock.after(drainMs, () => whenDraining(found, looks - 1));
  };
  const strike = (found: HandOver): void => {
    if (isAtWork(found.author) && isAtWork(found.holder) && !world.isShutDown) {
      world.say(`${found.holder.machine.name} is handing ${found.leaseKey} over to ${found.author.machine.name}`);
      dice.pick(deeds)(world, found, dice);
    }
    cancel = clock.after(dice.between(3_000, 20_000), look);
  };
  look();
  return () => cancel();
}

function isDraining({ holder, leaseKey }: HandOver): boolean {
  if (!isAtWork(holder)) return true;
  // Only the keepers: this looks hundreds of times, and the status of a whole process is dear.
  for (const [path, keeper] of holder.machine.actors) {
    if (!path.startsWith('lease-keeper/')) continue;
    const state: { readonly shardId?: string; readonly receivedWish?: string } = stateOfActor(keeper) ?? {};
    if (leaseKey.endsWith(`/${state.shardId}`) && state.receivedWish?.startsWith('draining') === true) return true;
  }
  return false;
}

export function underWay({ leases, processes }: World): HandOver | undefined {
  const named = (name: string | undefined): Process | undefined =>
    processes.find((process) => process.machine.name === name && isAtWork(process));
  for (const { leaseKey, leaseOwner, kinactAnswer, kinactWish } of leases.rows().values()) {
    if (kinactAnswer?.startsWith('yielding') !== true) continue;
    const [author, holder] = [named(kinactWish?.split(' ').at(-1)), named(leaseOwner)];
    if (author !== undefined && holder !== undefined && author !== holder) return { leaseKey, author, holder };
  }
  return undefined;
}
