// The fault that a stream is deleted and created again under its name. The rows still belong to the old stream: workers must notice
// and report that, and must not read the new stream under these rows. Then an operator mends the table, by the command that the
// error names or by hand, and everything in the new stream is read.
import { longestAgeMs } from './dynamodb/memory-dynamodb.js';
import { resetStream } from './operator.js';
import { isAtWork, stopProcess } from './stopping.js';
import type { World } from './world.js';

/** A stream counts as gone once every describe of a minute says so. Then the workers drain and release. */
const noticeMs = 90_000;
const longestStopMs = 20_000;
/** How long a worker runs that is started on a partly reset table. */
const earlyMs = 30_000;
const lookMs = 50;

export function recreateStream(world: World, stream: string): void {
  const { clock, dice, kinesis, layout, oracle, say } = world;
  const { size } = kinesis.stream(stream).shards;
  say(`stream ${stream} is deleted`);
  world.lostStreams.add(stream);
  oracle.streamGone(layout.nameOf(stream, ''));
  kinesis.streams.delete(stream);
  kinesis.expireIterators();
  clock.after(dice.pick([1_000, 10_000, 80_000]), () => {
    say(`stream ${stream} is made again`);
    world.creatingUntil.set(stream, clock.now() + dice.between(1_000, 10_000));
    layout.create(stream, Math.min(size, dice.between(2, 8)));
    if (dice.chance(0.5)) clock.after(dice.between(20_000, 80_000), () => split(world, stream));
    clock.after(noticeMs, () => void mend(world, stream));
  });
}

/** After the split, a shard that has ended before any worker has read it needs a row. */
function split({ dice, kinesis, say }: World, stream: string): void {
  const open = [...kinesis.stream(stream).shards.values()].filter(({ closedAt }) => closedAt === undefined);
  const { shardId } = dice.pick(open);
  say(`split ${stream}/${shardId}`);
  kinesis.split(stream, shardId);
}

/** By now no process may take the new stream for the old one. All processes stop, the old rows go, and new processes start. */
async function mend(world: World, stream: string): Promise<void> {
  const { clock, dice, layout, leases, oracle, processes, say } = world;
  const atWork = processes.filter(isAtWork);
  // If the table was deleted too, a later worker has created all rows for the new stream.
  const oldRows = (): readonly string[] =>
    [...leases.rows().keys()].filter((name) => name.startsWith(stream) && !layout.isOfTheLast(name));
  const isMixedUp = oldRows().length > 0;
  for (const { machine, consumer, sources } of atWork) {
    if (isMixedUp && !sources.isAway(stream) && consumer.ready().ok && !machine.paused)
      oracle.violate('I37', `${machine.name} is ready although ${stream} is not the stream that its rows are of`);
  }
  world.isShutDown = true;
  await stopAll(world);
  if (isMixedUp && dice.chance(0.5)) await resetAll(world, stream, oldRows);
  else {
    say(`the rows of ${stream} are deleted by hand, all start again`);
    for (const name of oldRows()) {
      oracle.tampered(name);
      leases.delete(name);
    }
    if (world.initialPosition !== 'TRIM_HORIZON') excuseUntilRead(world, stream);
  }
  // Eventually consistent reads show the old rows for a moment.
  clock.after(2 * longestAgeMs, () => {
    world.isShutDown = false;
    world.lostStreams.delete(stream);
    for (let more = 0; more < 3; more += 1) world.start();
  });
}

/** At LATEST, records from before the first look at the stream need not be read. The first row shows that a worker has looked. */
function excuseUntilRead(world: World, stream: string): void {
  const { clock, initialPosition, layout, leases, oracle } = world;
  oracle.excuseAll(layout.nameOf(stream, ''));
  const isRead = [...leases.rows().keys()].some((name) => name.startsWith(stream) && layout.isOfTheLast(name));
  if (initialPosition === 'LATEST' && !isRead) clock.after(lookMs, () => excuseUntilRead(world, stream));
}

/** Waits until each has stopped: a process that still releases a lease would create the row again. */
async function stopAll(world: World): Promise<void> {
  const { clock, processes } = world;
  await Promise.race([
    Promise.all(processes.filter(isAtWork).map((process) => stopProcess(world, process, 5_000))),
    new Promise<void>((resolve) => clock.after(longestStopMs, resolve)),
  ]);
  for (const process of processes) {
    process.machine.kill();
    process.stopped = true;
  }
}

/** Resets by the command, which may be cut off. A worker that starts too soon after that must not trust a row of the old stream. */
async function resetAll(world: World, stream: string, oldRows: () => readonly string[]): Promise<void> {
  const { clock, dice, oracle } = world;
  if (dice.chance(0.5)) {
    const outcome = await resetStream(world, stream, dice.between(1, 5));
    if (outcome === 'done') return;
    // If the last row of the old stream is gone, a starting worker must create the rows that the command has not created.
    if (oldRows().length === 0 && dice.chance(0.5)) return;
    const { machine, consumer } = world.start();
    await new Promise<void>((resolve) => clock.after(earlyMs, resolve));
    if (oldRows().length > 0 && consumer.ready().ok)
      oracle.violate('I37', `${machine.name} is ready although some rows of ${stream} are still of the old stream`);
    await stopAll(world);
  }
  if ((await resetStream(world, stream)) === 'failed')
    oracle.violate('I37', `kinact reset of ${stream} never went through`);
}
