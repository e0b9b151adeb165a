// A consumer inside an application of nact actors. The consumer's tree is spawned under the application's own system, and a
// reducer sends its batches to an actor of the application.
// Run: npm run example -- embedded
import { createConsumer, defineReducer, kinesisStream, runUntilSignal } from 'kinact';
import { dispatch, spawn, start, stop } from 'nact';
import { localStreams } from './support/local-stream.js';

await using streams = await localStreams('payments');
await streams.put(
  'payments',
  Array.from({ length: 200 }, (_, index) => ({ key: `account-${index % 10}`, data: String(index) })),
);

const system = start();
let sum = 0;
let allBooked = (): void => {};
const done = new Promise<void>((resolve) => (allBooked = resolve));
const ledger = spawn(
  system,
  (count: number, amounts: readonly number[]) => {
    sum += amounts.reduce((total, amount) => total + amount, 0);
    if (count + amounts.length === 200) allBooked();
    return count + amounts.length;
  },
  'ledger',
  { initialState: 0 },
);

const consumer = createConsumer({
  application: 'bookkeeping',
  source: kinesisStream({ streamName: 'payments' }),
  parent: system,
  reducer: defineReducer({
    init: (): number[] => [],
    reduce: (amounts, item) => [...amounts, Number(item.value.toString())],
    batch: { size: 50, intervalMs: 200 },
    flush: (amounts) => {
      dispatch(ledger, amounts);
      return [];
    },
  }),
});
void done.then(() => consumer.stop());
await runUntilSignal(consumer);
stop(system);
console.log(`embedded: the application's own actor booked ${sum}`);
