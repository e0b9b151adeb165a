// The pipe of kflow's README, carried over: JSON is parsed, divided by key, collected in chunks of 100, and written as rows of a table.
// kflow commits to Kafka by a node of the pipe; here the checkpoints follow from what is settled. Its `kflow_postgres` upserts by `keys`,
// which makes repeats harmless, and so does this table.
// Run: npm run example -- kflow-pipe
import { createConsumer, kinesisStream, pipe, runUntilSignal } from 'kinact';
import { localStreams } from './support/local-stream.js';

interface Row {
  readonly key: string;
  readonly foo: number;
  readonly bar: string;
}

const keys = 12;
const total = 1_500;
await using streams = await localStreams('example-topic');
await streams.put(
  'example-topic',
  Array.from({ length: total }, (_, n) => ({
    key: `key-${n % keys}`,
    data: JSON.stringify({ foo: n, bar: 'bar' }),
  })),
);

const table = new Map<string, Row>();
let stored = 0;
let largest = 0;
let allStored = (): void => {};
const done = new Promise<void>((resolve) => (allStored = resolve));

/** `INSERT INTO my_table … ON CONFLICT (key) DO UPDATE`, in one statement for all rows. */
async function upsert(rows: readonly Row[]): Promise<void> {
  for (const row of rows) table.set(row.key, row);
  largest = Math.max(largest, rows.length);
  stored += rows.length;
  if (stored === total) allStored();
}

const exampleWorkflow = pipe()
  // {map, fun(_Offset, #{key := Key, value := JSON}) -> (jsone:decode(JSON))#{key => Key} end}
  .map((json, { item }): Row => ({ ...(JSON.parse(json.toString()) as Omit<Row, 'key'>), key: item?.key ?? '' }))
  // {demux, fun(_Offset, #{key := Key}) -> Key end}
  .demux(({ key }) => key)
  // {aggregate, kflow_buffer, #{max_messages => 100}}
  .aggregate({ count: 100, intervalMs: 500 })
  // {map, kflow_postgres, #{table => "my_table", fields => [key, foo, bar], keys => [key]}}
  .to(upsert);

const consumer = createConsumer({
  application: 'example_consumer_group_id',
  source: kinesisStream({ streamName: 'example-topic' }),
  pipe: exampleWorkflow,
});
void done.then(() => consumer.stop());
const { drained } = await runUntilSignal(consumer);
const isNewest = [...table.values()].every(({ foo }) => foo >= total - keys);
console.log(
  `kflow-pipe: ${table.size} rows, chunks of up to ${largest}, newest values: ${isNewest}, drained: ${drained}`,
);
