// Whole consumers on a model of a DynamoDB table's stream, in virtual time: shards roll over by the hundred, listings lag, omit shards or
// are throttled, workers die, records expire, the stream is disabled in the end. Each seed draws another history. KINACT_SEED=n runs one
// other seed; KINACT_SEEDS=n runs that many. The law on shards and leaves is I58.
import { expect } from 'chai';
import type { LeaseStore } from '../../src/api/ports.js';
import type { SourceSpec } from '../../src/api/source.js';
import { leavesOf, parentsOf } from '../../src/core/shard-graph.js';
import { isSequenceNumber } from '../../src/core/sequence-number.js';
import { memoryLeaseStore, type MemoryLeaseStore } from '../../src/testing/memory-lease-store.js';
import { keys, tableStream, type TableStream } from '../support/table-stream.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { seeded, virtualConsumer, type VirtualConsumer } from '../support/virtual-consumer.js';
import type { ManualClock } from '../../src/testing/manual-clock.js';

/** No faults. */
const quiet: TableStream['faults'] = { throttled: 0, partial: 0, falseEnds: 0 };
const minutes = 30;
const settleMinutes = 6;

interface Life {
  over: boolean;
}

interface Process extends VirtualConsumer {
  readonly life: Life;
}

/** What a run has seen. */
interface History {
  readonly written: { readonly id: string; readonly key: string; readonly shardId: string; readonly at: number }[];
  /** By id, the order of the first delivery. */
  readonly delivered: Map<string, number>;
  readonly broken: string[];
  readonly ended: Set<string>;
}

/** Checks each write against what is true of the stream. A dead process reaches nothing. */
function watchedStore(store: MemoryLeaseStore, table: TableStream, history: History, life: Life): LeaseStore {
  const { broken, ended, delivered } = history;
  const atLatest = (leaseKey: string): number | undefined => {
    const row = store.rows.get(leaseKey);
    return row?.checkpoint === 'LATEST' ? row.kinactLatestAt : undefined;
  };
  const check = (leaseKey: string, checkpoint: string): void => {
    const shard = table.shards.get(leaseKey);
    if (shard === undefined) return;
    const latestAt = Math.floor((atLatest(leaseKey) ?? 0) / 1_000) * 1_000;
    const record = shard.records.find(({ sequenceNumber }) => sequenceNumber === checkpoint);
    if (isSequenceNumber(checkpoint) && (record?.arrivedAt ?? 0) < latestAt)
      broken.push(`${leaseKey} at LATEST was checkpointed at ${checkpoint}, which was left out`);
    if (checkpoint !== 'SHARD_END') return;
    if (shard.closed === undefined) broken.push(`${leaseKey} ended, but it is open`);
    for (const each of shard.records)
      if (
        !delivered.has(String(each.data)) &&
        !table.isExpired(each) &&
        (each.arrivedAt ?? 0) >= latestAt &&
        !isOld(each.arrivedAt)
      )
        broken.push(`${leaseKey} ended before record ${String(each.data)} was delivered`);
    ended.add(leaseKey);
  };
  const isOld = (arrivedAt = 0): boolean =>
    [...store.rows.values()].some(({ kinactLatestAt = 0 }) => arrivedAt < Math.floor(kinactLatestAt / 1_000) * 1_000);
  const gate = async <T>(call: () => Promise<T>): Promise<T> => {
    if (life.over) throw new Error('the process is dead');
    return call();
  };
  return {
    ...store,
    scan: (signal) => gate(() => store.scan(signal)),
    get: (leaseKey, signal) => gate(() => store.get(leaseKey, signal)),
    create: (row, signal) =>
      gate(async () => {
        const made = await store.create(row, signal);
        if (made === 'created' && ended.has(row.leaseKey)) broken.push(`${row.leaseKey} is created again`);
        return made;
      }),
    update: (leaseKey, update, signal) =>
      gate(async () => {
        const to = update.change.checkpoint?.checkpoint;
        if (to !== undefined && store.rows.get(leaseKey)?.leaseCounter === update.expected.counter) check(leaseKey, to);
        return store.update(leaseKey, update, signal);
      }),
    wish: (leaseKey, expected, wish, signal) => gate(() => store.wish(leaseKey, expected, wish, signal)),
    updateMeta: (leaseKey, meta, signal) => gate(() => store.updateMeta(leaseKey, meta, signal)),
    delete: (leaseKey, counter, signal) => gate(() => store.delete(leaseKey, counter, signal)),
  };
}

interface Run {
  readonly clock: ManualClock;
  readonly table: TableStream;
  readonly store: MemoryLeaseStore;
  readonly history: History;
  readonly processes: Process[];
  readonly initialPosition: 'TRIM_HORIZON' | 'LATEST';
  starts: number;
}

function startProcess(run: Run): Process {
  const { clock, table, store, history, initialPosition } = run;
  const id = `w${(run.starts += 1)}`;
  const life: Life = { over: false };
  const source: SourceSpec = {
    name: 'orders',
    initialPosition,
    open: () => table.source(),
    openLeases: () => watchedStore(store, table, history, life),
  };
  const consumer = virtualConsumer(clock, {
    source,
    workerId: id,
    runtime: { random: seeded(run.starts * 7_919 + table.shards.size) },
    onItem: ({ value }) => {
      if (!life.over && !history.delivered.has(String(value)))
        history.delivered.set(String(value), history.delivered.size);
    },
  });
  const process: Process = { ...consumer, life };
  void consumer.consumer.start().catch(() => undefined);
  run.processes.push(process);
  return process;
}

function write(run: Run, random: { next(): number }, count: number): void {
  const { table, history, clock } = run;
  for (let index = 0; index < count; index += 1) {
    const key = Math.floor(random.next() * keys);
    const id = `r${history.written.length}`;
    const { shardId } = table.open().find(({ low, high }) => key >= low && key < high)!;
    table.write(key, id);
    history.written.push({ id, key: `k${key}`, shardId, at: clock.wallNow() });
  }
}

/** One act of the operator, of the service or of fate. */
function act(run: Run, random: { next(): number }): void {
  const { table, processes } = run;
  const open = table.open();
  const one = open[Math.floor(random.next() * open.length)]!;
  const draw = random.next();
  if (draw < 0.5) table.rollOver(one);
  else if (draw < 0.56 && open.length < 6) table.split(one);
  else if (draw < 0.6) for (const shard of open) table.rollOver(shard);
  else if (draw < 0.66)
    table.faults = { throttled: random.next() * 0.6, partial: random.next() * 0.5, falseEnds: random.next() * 0.1 };
  else if (draw < 0.72) table.faults = quiet;
  else if (draw < 0.78) {
    const alive = processes.filter(({ life }) => !life.over);
    const victim = alive[Math.floor(random.next() * alive.length)];
    if (victim !== undefined) {
      victim.life.over = true;
      void victim.consumer.stop().catch(() => undefined);
    }
  } else if (draw < 0.9 && processes.filter(({ life }) => !life.over).length < 3) startProcess(run);
}

function newRun(seed: number, clock: ManualClock, random: { next(): number }): Run {
  const table = tableStream(clock, random, 1 + (seed % 3));
  const history: History = { written: [], delivered: new Map(), broken: [], ended: new Set() };
  const initialPosition = seed % 2 === 0 ? 'LATEST' : 'TRIM_HORIZON';
  return { clock, table, store: memoryLeaseStore(), history, processes: [], initialPosition, starts: 0 };
}

async function stopAll({ clock, processes }: Run): Promise<void> {
  await inVirtualTime(
    clock,
    Promise.all(processes.map(({ consumer }) => consumer.stop().catch(() => undefined))),
    300_000,
  );
}

/** The last shards are closed before any listing shows them, and their parents have ended without children. */
async function disableDuringRollOver(run: Run, random: { next(): number }): Promise<void> {
  const { table, clock } = run;
  await clock.advance(60_000);
  table.faults = { ...quiet, late: true };
  const showEnds = (): void => {
    for (const { closed } of table.shards.values()) if (closed !== undefined) closed.listedAt = 0;
  };
  for (const shard of table.open()) table.rollOver(shard);
  showEnds();
  write(run, random, 20);
  await clock.advance(10_000);
  table.disable();
  showEnds();
}

async function simulate(seed: number): Promise<Run> {
  const random = seeded(seed);
  const clock = virtualClock();
  const run = newRun(seed, clock, random);
  const { table } = run;
  try {
    for (let index = 0; index < 20; index += 1) {
      write(run, random, 5);
      await clock.advance(10_000);
      if (index % 4 === 0) act({ ...run, processes: [], starts: 0 }, { next: () => 0.1 });
    }
    const startedAt = clock.wallNow();
    startProcess(run);
    await clock.advance(5_000);
    for (let step = 0; step < minutes * 6; step += 1) {
      write(run, random, Math.floor(random.next() * 6));
      if (random.next() < 0.7) act(run, random);
      if (!run.processes.some(({ life }) => !life.over)) startProcess(run);
      await clock.advance(10_000);
    }

    table.faults = quiet;
    if (seed % 3 === 0) await disableDuringRollOver(run, random);
    await clock.advance(settleMinutes * 60_000);
    judge(run, startedAt);
    await stopAll(run);
    return run;
  } finally {
    clock.uninstall();
  }
}

function judge({ clock, table, store, history, initialPosition }: Run, startedAt: number): void {
  const { written, delivered, broken } = history;
  const orderOf = new Map<string, number>();
  for (const { id, key, at, shardId } of written) {
    const order = delivered.get(id);
    const mayBeLeftOut = initialPosition === 'LATEST' && at < startedAt;
    if (order === undefined && !mayBeLeftOut) {
      const age = Math.round((clock.wallNow() - at) / 1_000);
      broken.push(`${id} of ${shardId}, ${age} s old, was never delivered`);
    }
    if (order === undefined) continue;
    if (order < (orderOf.get(key) ?? -1)) broken.push(`${id} was delivered before an older record of ${key}`);
    orderOf.set(key, Math.max(order, orderOf.get(key) ?? -1));
  }

  const listed = new Map(table.settledListing().map((shard) => [shard.shardId, shard]));
  for (const leaf of leavesOf([...listed.values()])) {
    let covered = store.rows.has(leaf.shardId);
    for (let [at] = parentsOf(leaf); at !== undefined && !covered;) {
      const row = store.rows.get(at);
      covered = row !== undefined && row.checkpoint !== 'SHARD_END';
      const next = listed.get(at);
      [at] = next === undefined ? [] : parentsOf(next);
    }
    if (!covered) broken.push(`nobody reads the leaf ${leaf.shardId}`);
  }

  const allMinutes = minutes + settleMinutes;
  const shards = table.shards.size;
  const bound = 4 * allMinutes + 12 * shards + 4 * table.falseEnds;
  if (table.listings > bound) broken.push(`${table.listings} listings for ${shards} shards, at most ${bound} expected`);
}

const first = Number(process.env['KINACT_SEED'] ?? 1);
const count = Number(process.env['KINACT_SEEDS'] ?? (process.env['KINACT_SEED'] === undefined ? 4 : 1));

describe('consumers of a stream without hash ranges', function () {
  this.timeout(120_000);

  for (let seed = first; seed < first + count; seed += 1)
    it(`lose nothing, keep the order per key and read no shard twice (seed ${seed})`, async () => {
      const { history, table } = await simulate(seed);
      expect(history.broken.slice(0, 5)).to.deep.equal([]);
      expect(table.shards.size, 'shards').to.be.above(25);
      expect(history.delivered.size, 'records').to.be.above(150);
    });

  it('stop with STREAM_CHANGED, all of them, once the table has another stream, and leave its shards alone', async () => {
    const random = seeded(3);
    const clock = virtualClock();
    const run = newRun(1, clock, random);
    try {
      const processes = [startProcess(run), startProcess(run), startProcess(run)];
      write(run, random, 40);
      await clock.advance(60_000);
      run.table.disable();
      await clock.advance(60_000);
      expect(run.history.delivered.size).to.equal(40);
      run.table.enableAgain();
      await clock.advance(8 * 60_000);
      const codes = processes.map(({ heard }) =>
        heard('sourceFailed').map(({ error }) => (error as { code?: string }).code),
      );
      expect(codes).to.deep.equal(processes.map(() => ['STREAM_CHANGED']));
      const known = [...run.store.rows.keys()].filter((leaseKey) => run.table.shards.has(leaseKey));
      expect(known).to.deep.equal([]);
    } finally {
      await stopAll(run);
      clock.uninstall();
    }
  });
});
