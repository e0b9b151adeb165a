// The changes of a DynamoDB table, in the order of each item: keeps a search index equal to a table while its shards roll over.
// Run: npm run example -- dynamodb-stream
import {
  createConsumer,
  defineReducer,
  dynamodbStream,
  isTtlRemoval,
  runUntilSignal,
  type Change,
  type Item,
} from 'kinact';
import { localTable } from './support/local-table.js';

/** The items of the table, as the application knows them. */
type Order = { readonly id: string; readonly cents: number; readonly tags?: ReadonlySet<string> };

await using table = await localTable('orders');

const index = new Map<string, number>();
let expired = 0;
let changes = 0;
let allSeen = (): void => {};
const done = new Promise<void>((resolve) => (allSeen = resolve));

const indexed = defineReducer({
  init: () => 0,
  reduce: (count, { value }: Item<Change<Order>>) => {
    if (value.newImage === undefined) index.delete(value.oldImage!.id);
    else index.set(value.newImage.id, value.newImage.cents);
    if (isTtlRemoval(value)) expired += 1;
    changes += 1;
    if (changes === 1_010) allSeen();
    return count + 1;
  },
});

const consumer = createConsumer({
  application: 'order-index',
  source: dynamodbStream<Order>({ tableName: 'orders' }),
  reducers: 4, // all changes of one order reach the same one, in order
  reducer: indexed,
});
consumer.on('shardEnded', ({ shardId }) => console.log(`${shardId} has rolled over`));

for (let round = 0; round < 10; round += 1) {
  for (let order = 0; order < 100; order += 1) table.put({ id: { S: `order-${order}` }, cents: { N: `${round}` } });
  table.rollShards();
}
for (let order = 0; order < 10; order += 1) table.expire({ id: { S: `order-${order}` } });
// A service leaves this line out, and runs until a signal comes.
void done.then(() => consumer.stop());

const { drained } = await runUntilSignal(consumer);
const isEqual = index.size === 90 && [...index.values()].every((cents) => cents === 9);
console.log(
  `dynamodb-stream: ${changes} changes, ${index.size} orders in the index, ${expired} expired, ` +
    `equal to the table: ${isEqual}, drained: ${drained}`,
);
