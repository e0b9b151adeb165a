// Measures the cost and the benefit of extra checkpoints, in virtual time. One worker after the other is killed, and the next one
// continues its shards. The counts are records delivered again, and writes to the lease table. `node
// .build/bench/checkpoint-cost.js` prints the table of docs/checkpoints.md.
import { pathToFileURL } from 'node:url';
import { consumerOf } from '../src/consumer/consumer.js';
import { actors } from '../src/consumer/wiring.js';
import type { ConsumerOptions } from '../src/api/options.js';
import type { LeaseStore } from '../src/api/ports.js';
import { defineReducer } from '../src/api/reducer.js';
import { fakeStream, type FakeStream } from '../src/testing/fake-stream/fake-stream.js';
import { ManualClock } from '../src/testing/manual-clock.js';
import { createDice, type Dice } from '../test/sim/dice.js';
import { createMachine, type Machine } from '../test/sim/machine.js';
import { createWire, type Wire } from '../test/sim/wire.js';

export interface CheckpointCostSetup {
  readonly seed: number;
  readonly kills: number;
  readonly shards: number;
  /** Over all shards. */
  readonly recordsPerSecond: number;
  readonly options: Pick<ConsumerOptions, 'checkpointIntervalMs' | 'checkpointRecords'>;
}

export interface CheckpointCost {
  /** For each kill: the records delivered again. */
  readonly repeated: readonly number[];
  /** Per shard, while the shard is read at the tip. */
  readonly writesPerSecond: number;
  readonly lost: number;
}

const putMs = 20;
const failoverMs = 10_000;
/** In this time, the next worker takes the expired leases and reads the records that have piled up. */
const recoveryMs = failoverMs + 5_000;

/** One measurement: its stream and its counters. */
interface Run {
  readonly setup: CheckpointCostSetup;
  readonly clock: ManualClock;
  readonly dice: Dice;
  readonly stream: FakeStream;
  readonly seen: Set<string>;
  repeated: number;
  writes: number;
  put: number;
  owed: number;
}

export async function measureCheckpointCost(setup: CheckpointCostSetup): Promise<CheckpointCost> {
  const { kills, seed, shards } = setup;
  const clock = new ManualClock({ restlessAfter: 50_000_000 });
  clock.install();
  try {
    const counts = { seen: new Set<string>(), repeated: 0, writes: 0, put: 0, owed: 0 };
    const run: Run = { setup, clock, dice: createDice(seed), stream: fakeStream({ shards, clock }), ...counts };

    const repeated: number[] = [];
    let writes = 0;
    let calmMs = 0;

    let worker = startWorker(run, 'w0');
    await putEvenly(run, recoveryMs);

    for (let kill = 1; kill <= kills; kill += 1) {
      const before = run.writes;
      const ms = run.dice.between(3_000, 12_000);
      await putEvenly(run, ms);
      writes += run.writes - before;
      calmMs += ms;

      worker.kill();
      run.repeated = 0;
      worker = startWorker(run, `w${kill}`);
      await putEvenly(run, recoveryMs);
      repeated.push(run.repeated);
    }
    worker.kill();
    return { repeated, writesPerSecond: (writes * 1_000) / calmMs / shards, lost: run.put - run.seen.size };
  } finally {
    clock.uninstall();
  }
}

/** Starts a worker on its own simulated machine. A killed machine sends nothing more. */
function startWorker(run: Run, workerId: string): Machine {
  const { clock, dice, setup, stream } = run;
  const machine = createMachine(workerId, clock, dice.split());
  const wire = createWire(machine, clock, dice.split());
  const { source } = stream;
  const consumer = consumerOf(
    {
      application: 'cadence',
      workerId,
      source: { ...source, openLeases: (harness, table) => remoteLeases(run, wire, source.openLeases(harness, table)) },
      reducers: 2,
      reducer: defineReducer({
        init: () => 0,
        reduce: (count: number, item) => {
          countDelivery(run, Buffer.from(item.value as Uint8Array).toString());
          return count + 1;
        },
      }),
      leases: { failoverMs },
      runtime: { clock: machine.clock, timers: machine.timers, random: dice.split(), intercept: machine.intercept },
      ...setup.options,
    },
    actors,
  );
  consumer.closed.catch(() => {});
  consumer.start().catch(() => {});
  return machine;
}

function countDelivery(run: Run, id: string): void {
  if (run.seen.has(id)) run.repeated += 1;
  run.seen.add(id);
}

function remoteLeases(run: Run, wire: Wire, store: LeaseStore): LeaseStore {
  return {
    ...store,
    scan: async (signal) => await wire.call(() => store.scan(signal)),
    update: async (...args) => {
      run.writes += 1;
      return await wire.call(() => store.update(...args));
    },
  };
}

/** Puts records at an even pace for `ms`. */
async function putEvenly(run: Run, ms: number): Promise<void> {
  for (let at = 0; at < ms; at += putMs) {
    run.owed += (run.setup.recordsPerSecond * putMs) / 1_000;
    for (; run.owed >= 1; run.owed -= 1) {
      run.stream.put({ partitionKey: `key ${run.put}`, data: String(run.put) });
      run.put += 1;
    }
    await run.clock.advance(putMs);
  }
}

const rows: readonly CheckpointCostSetup['options'][] = [
  {},
  { checkpointIntervalMs: 1_000 },
  { checkpointIntervalMs: 500 },
  { checkpointIntervalMs: 200 },
  { checkpointRecords: 1_000 },
  { checkpointRecords: 100 },
];

async function main(): Promise<void> {
  const setup = { seed: 8, kills: 20, shards: 2, recordsPerSecond: 1_500 };
  console.log('| options | writes per second and shard | records that came again, per kill: mean, most | lost |');
  console.log('|---|---|---|---|');
  for (const options of rows) {
    const { lost, repeated, writesPerSecond } = await measureCheckpointCost({ ...setup, options });
    const mean = repeated.reduce((sum, count) => sum + count, 0) / repeated.length;
    const name = Object.entries(options).map(([option, value]) => `\`${option}: ${value}\``);
    console.log(
      `| ${name.join(', ') || 'the defaults'} | ${writesPerSecond.toFixed(2)} | ${Math.round(mean)}, ${Math.max(...repeated)} | ${lost} |`,
    );
  }
}

if (import.meta.url === pathToFileURL(String(process.argv[1])).href) await main();
