// A stream is deleted and made again under its name. Its rows are of the old one: its readers have to see that and say so,
// and nothing of the new one may be read under them. Then somebody mends the table, by the command that the error names or by
// hand, and everything of the new one is read.
import { longestAgeMs } from './dynamodb/memory-dynamodb.js';
import { resetStream } from './operator.js';
import { isAtWork, stopProcess } from './stopping.js';
import type { World } from './world.js';

/** Every describe in a minute has to say so before a stream counts as gone; then there is draining and releasing. */
const noticeMs = 90_000;
const longestStopMs = 20_000;
/** How long a worker lives that is started on a table that was reset in part. */
const earlyMs = 30_000;
const lookMs = 50;

export function recreateStream(world: World, stream: string): void {
  const { clock, dice, kinesis, layout, oracle, say } = world;
  const { size } = kinesis.stream(stream).shards;
  say(`stream ${stream} is deleted`);
  world.lostStreams.add(stream);
  oracle.excuseAll(layout.nameOf(stream, ''));
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

/** So that rows have to be made for what has ended before anybody has read it. */
function split({ dice, kinesis, say }: World, stream: string): void {
  const open = [...kinesis.stream(stream).shards.values()].filter(({ closedAt }) => closedAt === undefined);
  const { shardId } = dice.pick(open);
  say(`split ${stream}/${shardId}`);
  kinesis.split(stream, shardId);
}

/** Nobody may take the stream for the one it was any more. All stop, the rows go, and everybody starts again. */
async function mend(world: World, stream: string): Promise<void> {
  const { clock, dice, layout, leases, oracle, processes, say } = world;
  const atWork = processes.filter(isAtWork);
  // Where the table was deleted too, a later worker has made all rows for the stream that there is.
  const oldRows = (): readonly string[] =>
    [...leases.rows().keys()].filter((name) => name.startsWith(stream) && !layout.isOfTheLast(name));
  const isMixedUp = oldRows().length > 0;
  for (const { machine, consumer } of atWork) {
    if (isMixedUp && consumer.ready().ok && !machine.paused)
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
  // Reads that need not be consistent show the old rows for a moment.
  clock.after(2 * longestAgeMs, () => {
    world.isShutDown = false;
    world.lostStreams.delete(stream);
    for (let more = 0; more < 3; more += 1) world.start();
  });
}

/** At LATEST what came before anybody looked is nobody's: the first row says that somebody has. */
function excuseUntilRead(world: World, stream: string): void {
  const { clock, initialPosition, layout, leases, oracle } = world;
  oracle.excuseAll(layout.nameOf(stream, ''));
  const isRead = [...leases.rows().keys()].some((name) => name.startsWith(stream) && layout.isOfTheLast(name));
  if (initialPosition === 'LATEST' && !isRead) clock.after(lookMs, () => excuseUntilRead(world, stream));
}

/** To the end of each: one that still releases would make its row again. */
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

/** By the command, which may be cut off: then a worker that is started too soon believes no row of the old stream. */
async function resetAll(world: World, stream: string, oldRows: () => readonly string[]): Promise<void> {
  const { clock, dice, oracle } = world;
  if (dice.chance(0.5)) {
    const outcome = await resetStream(world, stream, dice.between(1, 5));
    if (outcome === 'done') return;
    // The last row of the old stream may be gone by then: a worker that starts has to make what the command has left to do.
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
