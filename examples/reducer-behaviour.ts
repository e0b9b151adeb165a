// A reducer as a raw actor behaviour: it gets every message and decides when to acknowledge. This one keeps the latest reading
// per sensor. It writes and acknowledges all sensors on a flush, a drain or a heartbeat.
// Run: npm run example -- reducer-behaviour
import { createConsumer, defineReducer, kinesisStream, runUntilSignal, type ItemToken } from 'kinact';
import { localStreams } from './support/local-stream.js';

await using streams = await localStreams('readings');
await streams.put(
  'readings',
  Array.from({ length: 500 }, (_, index) => ({ key: `sensor-${index % 25}`, data: String(index) })),
);

interface Sensor {
  reading: number;
  readonly tokens: ItemToken[];
}
let acknowledged = 0;
let allWritten = (): void => {};
const done = new Promise<void>((resolve) => (allWritten = resolve));
const written = new Map<string, number>();

const latest = defineReducer({
  init: () => new Map<string, Sensor>(),
  behaviour: (sensors: Map<string, Sensor>, message, ctx) => {
    if (message.type === 'items') {
      for (const item of message.items) {
        const sensor = sensors.get(item.key) ?? { reading: 0, tokens: [] };
        sensor.reading = Number(item.value.toString());
        sensor.tokens.push(item.token);
        sensors.set(item.key, sensor);
      }
      return sensors;
    }
    if (message.type === 'revoked') return sensors; // the next owner of the lease reads its records again
    for (const [key, { reading, tokens }] of sensors) {
      written.set(key, reading);
      for (const token of tokens) ctx.ack(token);
      acknowledged += tokens.length;
    }
    if (acknowledged === 500) allWritten();
    return new Map<string, Sensor>();
  },
});

const consumer = createConsumer({
  application: 'sensors',
  source: kinesisStream({ streamName: 'readings' }),
  reducer: latest,
  flushIntervalMs: 200,
});
void done.then(() => consumer.stop());
const { drained } = await runUntilSignal(consumer);
console.log(`reducer-behaviour: ${written.size} sensors written for ${acknowledged} readings, drained: ${drained}`);
