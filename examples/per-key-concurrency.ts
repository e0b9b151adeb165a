// Concurrency per key: several calls at once, although there is one shard, and the readings of each sensor still come in their order.
// Run: npm run example -- per-key-concurrency
import { createConsumer, defineReducer, kinesisStream, runUntilSignal } from 'kinact';
import { localStreams } from './support/local-stream.js';

await using streams = await localStreams('readings');
const sensors = 40;
const readings = Array.from({ length: 400 }, (_, n) => ({
  key: `sensor-${n % sensors}`,
  data: String(Math.floor(n / sensors)),
}));

const bySensor = new Map<string, string[]>();
let written = 0;
let underWay = 0;
let atOnce = 0;

/** Stands for your service, which answers after a while. */
async function write(sensor: string, reading: string): Promise<void> {
  underWay += 1;
  atOnce = Math.max(atOnce, underWay);
  await new Promise((resolve) => setTimeout(resolve, 5 + Math.random() * 20));
  underWay -= 1;
  bySensor.set(sensor, [...(bySensor.get(sensor) ?? []), reading]);
  written += 1;
  if (written === readings.length) void consumer.stop();
}

const consumer = createConsumer({
  application: 'per-key-concurrency',
  source: kinesisStream({ streamName: 'readings' }),
  reducer: defineReducer({
    // With `concurrency` a call gets one item, unless `batch.size` says more.
    process: ([item]) => (item === undefined ? undefined : write(item.key, item.value.toString())),
    concurrency: 8,
  }),
  reducers: 1,
});

const [report] = await Promise.all([runUntilSignal(consumer), streams.put('readings', readings)]);
const expected = Array.from({ length: readings.length / sensors }, (_, n) => String(n)).join();
const inOrder = [...bySensor.values()].filter((each) => each.join() === expected).length;
console.log(`at most ${atOnce} calls at once`);
console.log(
  `per-key-concurrency: ${written} readings written, ${inOrder} of ${sensors} sensors in order, ` +
    `${atOnce > 1 ? 'several' : 'no two'} calls at once, drained: ${report.drained}`,
);
process.exitCode = inOrder === sensors && atOnce > 1 && report.drained ? 0 : 1;
