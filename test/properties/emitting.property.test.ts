// Reducers of any kind that emit into a pipe, with crashes, failed calls, lost leases, splits and full shards. Nothing is lost, the values
// of a key stay in order, and no checkpoint passes a record whose values are not done. KINACT_SEED and KINACT_RUNS choose the draws.
import { expect } from 'chai';
import fc from 'fast-check';
import { retry } from '../../src/options/retry-policy.js';
import type { ManualClock } from '../../src/testing/manual-clock.js';
import { nemesis } from '../../src/testing/nemesis/nemesis.js';
import { Arrived, chains, drawnEmitting, drawnPipe, kindsOfEmitting, type Setting } from '../support/drawn-emitting.js';
import { drawnRuns } from '../support/sampled.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { seeded, virtualConsumer } from '../support/virtual-consumer.js';

const seed = Number(process.env['KINACT_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const numRuns = Number(process.env['KINACT_RUNS'] ?? drawnRuns(60));

type Act =
  | readonly ['put', number]
  | readonly ['pass', number]
  | readonly ['kill', string]
  | readonly ['steal']
  | readonly ['split'];

const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constant('put' as const), fc.integer({ min: 1, max: 25 })) },
  { weight: 6, arbitrary: fc.tuple(fc.constant('pass' as const), fc.constantFrom(1, 30, 150, 400, 1_500)) },
  {
    weight: 2,
    arbitrary: fc.tuple(
      fc.constant('kill' as const),
      fc.constantFrom('reducer', 'pipe', 'pipe-node', 'stage', 'shard-worker'),
    ),
  },
  { weight: 1, arbitrary: fc.constant(['steal'] as const) },
  { weight: 1, arbitrary: fc.constant(['split'] as const) },
);

const drawn = fc.record({
  chain: fc.constantFrom(...chains),
  ofCall: fc.integer({ min: 0, max: 3 }),
  most: fc.constantFrom(1, 2, 3, 400),
  batch: fc.integer({ min: 1, max: 8 }),
  failures: fc.constantFrom(0, 0, 0.05, 0.2),
  pauses: fc.constantFrom(0, 0.3),
  crashes: fc.boolean(),
  maxPending: fc.constantFrom(5, 40, 1_000),
  reducers: fc.constantFrom(1, 2),
  chance: fc.nat(2 ** 31),
  acts: fc.array(act, { minLength: 4, maxLength: 20 }),
});
type Drawn = typeof drawn extends fc.Arbitrary<infer Value> ? Value : never;

describe(`reducers that emit (KINACT_SEED=${seed})`, function () {
  this.timeout(240_000);
  let clock: ManualClock;
  beforeEach(() => void (clock = virtualClock()));
  afterEach(() => clock.uninstall());

  const run = async (kind: Setting['kind'], it: Drawn): Promise<readonly string[]> => {
    const dice = seeded(it.chance);
    const sometimes = (probability: number): boolean => dice.next() < probability;
    const state = { mayFail: true };
    const setting: Setting = {
      ...it,
      kind,
      ofItem: (n) => (n * 7 + it.chance) % (it.most + 1),
      mayFail: () => {
        if (state.mayFail && sometimes(it.failures)) throw new Error('drawn');
      },
      pause: async () => {
        // Many values, each with a pause, would take too long.
        if (it.most < 100 && sometimes(it.pauses))
          await new Promise<void>((resolve) => void clock.after(1 + dice.next() * 60, resolve));
      },
    };
    const arrived = new Arrived();
    const complaints: string[] = [];
    const later = (acknowledge: () => void): void => void clock.after(dice.next() * 300, acknowledge);
    const { consumer, stream } = virtualConsumer(clock, {
      reducer: drawnEmitting(setting, later),
      pipe: drawnPipe(setting, (value) => arrived.note(value)),
      reducers: it.reducers,
      maxPending: it.maxPending,
      leases: { failoverMs: 3_000 },
      restart: { intensity: 1_000, periodMs: 1_000 },
      onFailure: () => (it.crashes && sometimes(0.2) ? 'crash' : retry({ minMs: 20, maxMs: 200 })),
    });
    // A durable checkpoint passes no record that is not done.
    consumer.on('checkpoint', ({ shardId, sequenceNumber }) => {
      const records = stream.recordsOf(shardId);
      const place = records.findIndex((record) => record.sequenceNumber === sequenceNumber);
      for (const record of records.slice(0, place + 1)) {
        const n = Number(record.data.toString());
        if (!arrived.isDone(n, setting)) complaints.push(`the checkpoint passes ${n}, which is not done`);
      }
    });
    consumer.closed.catch((error: unknown) => complaints.push(`ended: ${String(error)}`));
    await inVirtualTime(clock, consumer.start());
    const chaos = nemesis(consumer, { seed: it.chance });
    let put = 0;
    for (const [name, value] of it.acts) {
      if (name === 'put')
        for (const end = put + value; put < end; put += 1)
          stream.put({ partitionKey: `k${put % 5}`, data: String(put) });
      else if (name === 'pass') await clock.advance(value);
      else if (name === 'kill') {
        try {
          chaos.killRandom({ kinds: [value] });
        } catch {
          // None runs at this moment.
        }
      } else if (name === 'steal') {
        const [leases] = stream.leases.values();
        const open = [...(leases?.rows.values() ?? [])].find(({ checkpoint }) => checkpoint !== 'SHARD_END');
        if (open !== undefined) leases?.takeAs(open.leaseKey, 'java');
      } else if (stream.shardIds().length < 5) {
        const [last] = stream.shardIds().slice(-1);
        try {
          stream.split(last as string);
        } catch {
          // It was split before.
        }
      }
    }
    state.mayFail = false;
    const isAllDone = (): boolean => {
      for (let n = 0; n < put; n += 1) if (!arrived.isDone(n, setting)) return false;
      return consumer.status().shards.every(({ openRecords }) => openRecords === 0);
    };
    // A stolen lease comes back in this time, and its open records come again. Most runs are at rest then: an idle minute costs most.
    await clock.advance(30_000);
    await clock.advanceUntil(isAllDone, 90_000);
    for (let n = 0; n < put; n += 1) if (!arrived.isDone(n, setting)) complaints.push(`${n} is lost`);
    const open = consumer.status().shards.filter(({ openRecords }) => openRecords > 0);
    for (const { shardId, openRecords, oldestOpen } of open)
      complaints.push(`${openRecords} records of ${shardId} are open, the oldest in ${oldestOpen?.actor}`);
    const begun = clock.now();
    const report = await inVirtualTime(clock, consumer.stop({ deadlineMs: 30_000 }));
    if (!report.drained || clock.now() - begun > 10_000) complaints.push('the stop has not drained in time');
    return [...complaints, ...arrived.complaints];
  };

  for (const kind of kindsOfEmitting) {
    it(`lose nothing, keep the order of each key, and checkpoint only what is done: ${kind}`, async () => {
      await fc.assert(
        fc.asyncProperty(drawn, async (it) => {
          expect(await run(kind, it)).to.deep.equal([]);
        }),
        { seed, numRuns, endOnFailure: process.env['KINACT_SHRINK'] === undefined },
      );
    });
  }
});
