// Invariants of the running tree, checked between two steps: the bounds (I11), and the credit, unless mail is held up. All granted
// credit is in use or free (I13), and an idle reducer withholds none (I12). A reducer waits for the rate limit no longer than it must
// (I55).
import { beyondTip } from './stream-log.js';
import { walk, type ActorSnapshot } from '../../src/api/status.js';
import { statusOf } from '../../src/consumer/actor-status.js';
import { watchdogMs } from './cluster.js';
import { isAtWork } from './stopping.js';
import type { Process, World } from './world.js';

/** A record whose items are done is settled within this time: an earlier slow call of its batch may take some seconds. */
const patienceMs = 60_000;

export function sample(world: World): void {
  world.fanOut.laws.look();
  for (const process of world.processes) {
    if (!isAtWork(process) || process.machine.standsStill()) continue;
    const status = process.consumer.status();
    const actors = walk(status.tree);
    bounds(world, process, actors);
    lag(world, process, actors);
    bytes(world, process, status.bytes.held, actors);
    limited(world, process, actors);
    process.lags.look();
    if (!process.machine.mailWaits()) credit(world, process, actors);
  }
}

function bounds(
  { clock, nameOf, oracle, trimmed }: World,
  { hasHung, machine, maxPending, maxPendingBytes }: Process,
  actors: readonly ActorSnapshot[],
): void {
  // If a call hangs, the records behind it stay open, even if an earlier process has done their items without a checkpoint that far.
  const limitMs = hasHung ? watchdogMs + patienceMs : patienceMs;
  for (const actor of actors) {
    const status = statusOf(actor, 'shard-worker');
    if (status === undefined) continue;
    const { path } = actor;
    const { openRecords, openBytes, oldestOpen, source } = status;
    const shardId = nameOf(source, status.shardId);
    if (openRecords > maxPending)
      oracle.violate('I11', `${path} of ${machine.name} has ${openRecords} of ${maxPending} records open`);
    // A record that is larger than the bound is admitted alone.
    if (openBytes > maxPendingBytes && openRecords > 1)
      oracle.violate('I11', `${path} of ${machine.name} has ${openBytes} of ${maxPendingBytes} bytes open`);
    const isStuck =
      (oldestOpen?.ageMs ?? 0) > limitMs && !machine.mailWaits() && machine.resumedAt() < clock.now() - limitMs;
    if (!isStuck || trimmed.has(shardId)) continue;
    // A worker reads on for a while after its stream was deleted, even if one of that name was made again (seed 994187).
    const { sequenceNumber, subSequenceNumber: sub } = oldestOpen as NonNullable<typeof oldestOpen>;
    const itsShard = nameOf(source, status.shardId, sequenceNumber);
    if (oracle.openIn(itsShard) === 0 && !oracle.log.isGone(itsShard, { sequenceNumber, sub }))
      oracle.violate(
        'I10',
        `${path} of ${machine.name} has ${openRecords} records open, but every item of its shard is done`,
      );
  }
}

/** How long a record may be in the stream before a worker that reads at the tip knows of it: it counts from its last answer after 10 s. */
const unknownMs = 12_000;

/** I60: a worker never says that its shard is less far behind than the oldest record is that is not done. */
function lag(world: World, { machine }: Process, actors: readonly ActorSnapshot[]): void {
  const { clock, fanOut, nameOf, oracle, trimmed } = world;
  // A wall clock that is slow makes records look younger.
  const slowMs = Math.max(0, clock.wallNow() - machine.clock.wallNow());
  for (const actor of actors) {
    const status = statusOf(actor, 'shard-worker');
    // Before its first answer a worker does not know how far behind the shard is.
    if (status?.lagMs === undefined || status.millisBehindLatest === undefined || status.doing === 'ended') continue;
    const shardId = nameOf(status.source, status.shardId);
    const since = oracle.openSince(shardId);
    if (since === undefined || trimmed.has(shardId)) continue;
    // A worker takes a checkpoint at its word, until the newest record or a silence of 30 s refutes it (I65). The row may be gone
    // meanwhile (seed 991033).
    if (oracle.lastHeldAt(machine.name, shardId) === beyondTip) continue;
    const ageMs = clock.now() - since;
    // An event that came late says what was true when it was sent.
    const lateMs = fanOut.lateMs.get(`${machine.name} ${shardId}`) ?? 0;
    if (status.lagMs + lateMs + unknownMs + slowMs < ageMs)
      oracle.violate(
        'I60',
        `${actor.path} of ${machine.name} says it lags by ${status.lagMs} ms, but a record has waited for ${Math.round(ageMs)} ms`,
      );
  }
}

/** I40: the held records of all shards together take at most `maxBytes`, plus one answer for every shard. */
function bytes({ oracle }: World, process: Process, held: number, actors: readonly ActorSnapshot[]): void {
  const { machine } = process;
  const shardWorkers = actors.filter(({ kind }) => kind === 'shard-worker').length;
  const most = process.maxBytes + shardWorkers * process.largestAnswerBytes;
  if (held > most)
    oracle.violate('I40', `${machine.name} holds ${held} bytes of ${process.maxBytes}, for ${shardWorkers} shards`);
}

const isLimitedAndIdle = (actor: ActorSnapshot): boolean => {
  const status = statusOf(actor, 'reducer');
  return status?.limited === true && status.doing === 'idle';
};

/** I55: while a reducer that has nothing else to do waits for tokens, the process hands items out. */
function limited({ clock, oracle }: World, process: Process, actors: readonly ActorSnapshot[]): void {
  const { machine, consumer, limits } = process;
  const waiting = actors.filter(isLimitedAndIdle).map(({ path }) => path);
  if (waiting.length === 0) return;
  const since = clock.now();
  const ms = limits.longestWaitMs();
  clock.after(ms, () => {
    const stood = machine.standsStill() || machine.resumedAt() >= since || machine.mailHeldAt() >= since;
    if (!isAtWork(process) || stood || limits.lastAt() >= since) return;
    const still = walk(consumer.status().tree)
      .filter(isLimitedAndIdle)
      .map(({ path }) => path);
    const path = waiting.find((each) => still.includes(each));
    if (path !== undefined)
      oracle.violate(
        'I55',
        `${path} of ${machine.name} has waited for ${Math.round(ms)} ms, and nothing is handed out`,
      );
  });
}

function credit(world: World, { machine, credits }: Process, actors: readonly ActorSnapshot[]): void {
  const { oracle } = world;
  // An actor that stops takes no more messages: what is on its way to it is lost with it.
  const reducers = actors.filter(({ kind, phase }) => (kind === 'reducer' || kind === 'pipe') && phase === 'running');
  for (const actor of actors) {
    const { path } = actor;
    const status = actor.queued > 0 || actor.phase !== 'running' ? undefined : statusOf(actor, 'stage');
    for (const { reducer, queued, credit: free } of status?.queues ?? []) {
      const other = reducers.find((each) => each.path.startsWith(`${each.kind}/${reducer}#`));
      const grant = other && credits.between(path, other.path);
      if (other === undefined || grant === undefined || other.queued > 0) continue;
      const { granted, underWay } = grant;
      const queue = `the queue of ${path} of ${machine.name} to ${other.path}`;
      if (free + underWay !== granted)
        oracle.violate('I13', `${queue} has ${free} of ${granted} free although ${underWay} are under way`);
      const busy = statusOf(other, 'reducer') ?? statusOf(other, 'pipe');
      if (busy === undefined || busy.doing !== 'idle' || busy.queued > 0) continue;
      if (underWay > 0) oracle.violate('I13', `${queue} misses ${underWay} of ${granted}, but the reducer has nothing`);
      if (queued > 0 && free === 0)
        oracle.violate('I12', `${queued} items wait in ${queue}, which is idle and withholds credit`);
    }
  }
}
