// Runs one seed of the other kind: whole consumers on a model of a table's stream. Shards roll over by the hundred, listings lag, omit
// shards or are throttled, workers die, records expire, and some streams are disabled in the end. Then calm, and the verdict.
import { actors, type Actors } from '../../../src/consumer/wiring.js';
import type { SourceSpec } from '../../../src/api/source.js';
import { memoryLeaseStore } from '../../../src/testing/memory-lease-store.js';
import { ManualClock } from '../../../src/testing/manual-clock.js';
import { inVirtualTime } from '../../support/virtual.js';
import { seeded, virtualConsumer, type VirtualConsumer } from '../../support/virtual-consumer.js';
import { createDice, type Dice } from '../dice.js';
import type { Outcome, Size } from '../run.js';
import { createHistory, judge, judgeListings, watchedRows, type Life, type Watched } from './table-laws.js';
import { keys, tableStream, type TableStream } from './table-stream.js';

/** No faults. */
const quiet: TableStream['faults'] = { throttled: 0, partial: 0, falseEnds: 0 };
const stepMs = 10_000;
const steps = 180;
const stepsBeforeStart = 20;
const settleMs = 6 * 60_000;

interface Process extends VirtualConsumer {
  readonly life: Life;
}

export interface TableRun extends Watched {
  readonly clock: ManualClock;
  readonly dice: Dice;
  readonly processes: Process[];
  readonly initialPosition: 'TRIM_HORIZON' | 'LATEST';
  readonly makeActors: () => Actors;
  readonly size: Size;
  readonly log: string[];
  readonly tally: { faults: number; hits: number };
}

/** The size of a seed that is not shrunk. `faults`: acts of the operator, of the service, or of fate. */
export function tableSizeOf(seed: number): Size {
  const dice = createDice(seed ^ 0x7ab1e);
  return { shards: dice.between(1, 3), records: 900, faults: steps };
}

export function createTableRun(seed: number, size: Size, makeActors: () => Actors = () => actors): TableRun {
  const dice = createDice(seed);
  const clock = new ManualClock();
  return {
    clock,
    dice,
    table: tableStream(clock, dice.split(), size.shards),
    store: memoryLeaseStore(),
    history: createHistory(),
    processes: [],
    initialPosition: dice.pick(['LATEST', 'TRIM_HORIZON']),
    makeActors,
    size,
    log: [],
    tally: { faults: 0, hits: 0 },
  };
}

export function startProcess(run: TableRun): Process {
  const { clock, table, history, initialPosition, processes } = run;
  const life: Life = { isOver: false };
  const source: SourceSpec = {
    name: 'orders',
    initialPosition,
    open: () => table.source(),
    openLeases: () => watchedRows(run, life),
  };
  const consumer = virtualConsumer(clock, {
    source,
    workerId: `w${processes.length + 1}`,
    runtime: { random: seeded(run.dice.between(0, 0xffff_ffff)) },
    onItem: ({ value }) => {
      if (!life.isOver && !history.delivered.has(String(value)))
        history.delivered.set(String(value), history.delivered.size);
    },
    actors: run.makeActors(),
  });
  const process: Process = { ...consumer, life };
  void consumer.consumer.start().catch(() => undefined);
  processes.push(process);
  return process;
}

export function write({ table, history, clock, dice, size }: TableRun, count: number): void {
  for (let index = 0; index < count && history.written.length < size.records; index += 1) {
    const key = dice.between(0, keys - 1);
    const id = `r${history.written.length}`;
    const { shardId } = table.open().find(({ low, high }) => key >= low && key < high)!;
    table.write(key, id);
    history.written.push({ id, key: `k${key}`, shardId, at: clock.wallNow() });
  }
}

const alive = ({ processes }: TableRun): readonly Process[] => processes.filter(({ life }) => !life.isOver);

function kill(run: TableRun): void {
  const victims = alive(run);
  if (victims.length === 0) return;
  const victim = run.dice.pick(victims);
  victim.life.isOver = true;
  void victim.consumer.stop().catch(() => undefined);
}

/** Rolls all shards over while records arrive: parent and child have unread records at the same time. */
function rollAllOver(run: TableRun): void {
  write(run, 10);
  for (const shard of run.table.open()) run.table.rollOver(shard);
  write(run, 10);
}

type Act = readonly [name: string, weight: number, act: (run: TableRun) => void];

const acts: readonly Act[] = [
  ['one shard rolls over', 50, ({ table, dice }) => table.rollOver(dice.pick(table.open()))],
  ['a shard splits', 6, ({ table, dice }) => table.open().length < 6 && table.split(dice.pick(table.open()))],
  ['all shards roll over', 4, rollAllOver],
  [
    'the service has faults',
    6,
    ({ table, dice }) => {
      const faults = { throttled: dice.next() * 0.6, partial: dice.next() * 0.5, falseEnds: dice.next() * 0.1 };
      table.faults = { ...faults, late: dice.chance(0.2) };
    },
  ],
  ['the service has no faults', 6, ({ table }) => (table.faults = quiet)],
  ['a process dies', 6, kill],
  ['a process dies in a roll-over', 2, (run) => (rollAllOver(run), kill(run))],
  ['a process starts', 12, (run) => alive(run).length < 3 && startProcess(run)],
];

function strike(run: TableRun): void {
  const { dice, tally, size, log, clock, history } = run;
  if (tally.faults >= size.faults || !dice.chance(0.7)) return;
  let draw = dice.next() * acts.reduce((sum, [, weight]) => sum + weight, 0);
  const [name, , act] = acts.find(([, weight]) => (draw -= weight) < 0) ?? acts[0]!;
  tally.faults += 1;
  if (history.delivered.size < history.written.length) tally.hits += 1;
  log.push(`${Math.round(clock.now())} ${name}`);
  act(run);
}

/** The last shards are closed before any listing shows them, and their parents have ended without children. */
async function disableDuringRollOver(run: TableRun): Promise<void> {
  const { table, clock, log } = run;
  log.push(`${Math.round(clock.now())} the stream is disabled during a roll-over`);
  await clock.advance(60_000);
  table.faults = { ...quiet, late: true };
  const showEnds = (): void => {
    for (const { closed } of table.shards.values()) if (closed !== undefined) closed.listedAt = 0;
  };
  for (const shard of table.open()) table.rollOver(shard);
  showEnds();
  write(run, 20);
  await clock.advance(10_000);
  table.disable();
  showEnds();
}

export async function stopAll({ clock, processes }: TableRun): Promise<void> {
  const stops = processes.map(({ consumer }) => consumer.stop().catch(() => undefined));
  await inVirtualTime(clock, Promise.all(stops), 300_000);
}

/** Roll-overs and records from before the first process. */
async function prepare(run: TableRun): Promise<void> {
  const { table, clock, dice } = run;
  for (let step = 0; step < stepsBeforeStart; step += 1) {
    write(run, 5);
    await clock.advance(stepMs);
    if (step % 4 === 0) table.rollOver(dice.pick(table.open()));
  }
}

async function live(run: TableRun): Promise<void> {
  const { clock, dice, table } = run;
  startProcess(run);
  await clock.advance(stepMs / 2);
  for (let step = 0; step < steps; step += 1) {
    write(run, dice.between(0, 5));
    strike(run);
    if (alive(run).length === 0) startProcess(run);
    await clock.advance(stepMs);
  }
  table.faults = quiet;
  if (dice.chance(1 / 3)) await disableDuringRollOver(run);
  await clock.advance(settleMs);
}

export async function runTableSeed(
  seed: number,
  { size = tableSizeOf(seed), makeActors }: { readonly size?: Size; readonly makeActors?: () => Actors } = {},
): Promise<Outcome> {
  const run = createTableRun(seed, size, makeActors);
  const { clock, history, log, tally } = run;
  clock.install();
  try {
    await prepare(run);
    const startedAt = clock.wallNow();
    await live(run);
    judge(run, clock.wallNow(), run.initialPosition === 'LATEST' ? startedAt : 0);
    judgeListings(run, ((stepsBeforeStart + steps) * stepMs + settleMs) / 60_000);
    await stopAll(run);
  } finally {
    clock.uninstall();
  }
  return {
    seed,
    size,
    violations: history.violations,
    ...tally,
    checkpoints: history.checkpoints,
    deliveries: history.delivered.size,
    records: history.written.length,
    virtualMs: clock.now(),
    hash: hashOf([...history.delivered.keys(), ...history.ended]),
    log,
    events: [],
  };
}

function hashOf(words: readonly string[]): number {
  let hash = 0;
  for (const word of words)
    for (const char of word) hash = Math.imul(hash ^ (char.codePointAt(0) as number), 0x01000193) >>> 0;
  return hash;
}
