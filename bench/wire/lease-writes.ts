// How many writes the lease table gets for one lease in one renewal interval, checkpoints included, while records come. The table is a
// local DynamoDB, the writes are counted at the SDK's client. Called by benchmark.ts.
import { setTimeout as pause } from 'node:timers/promises';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { createConsumer, defineReducer, kinesisStream } from '../../src/index.js';
import { startLocalServers } from '../../src/testing/local-servers.js';
import { nearlyIdle } from '../nearly-idle.js';

const failoverMs = 3_000;
const renewalMs = failoverMs / 3;
const shards = 4;
const putMs = 50;
const writing = /^(?:Put|Update|Delete|BatchWrite|TransactWrite|ExecuteStatement|ExecuteTransaction|BatchExecute)/;

export async function leaseWritesPerRenewal(intervals: number): Promise<number> {
  const local = await startLocalServers();
  const dynamodb = new DynamoDBClient(local.clientConfig.dynamodb);
  const service = nearlyIdle('kinesis', 'bench', shards);
  let writes = 0;
  dynamodb.middlewareStack.add(
    (next, { commandName = '' }) =>
      (args) => {
        if (writing.test(commandName)) writes += 1;
        return next(args);
      },
    { step: 'initialize' },
  );
  let reduced = 0;
  const consumer = createConsumer({
    logger: false,
    application: 'bench',
    source: kinesisStream({ streamName: 'bench', client: service as never, idleMs: 200 }),
    reducer: defineReducer({ init: () => 0, reduce: (count: number) => ((reduced += 1), count + 1) }),
    leases: { client: dynamodb, failoverMs },
  });
  let put = 0;
  const putting = setInterval(() => service.put((put += 1)), putMs);
  try {
    await consumer.start();
    while (service.shardsRead() < shards || reduced < shards) await pause(putMs);
    await pause(2 * renewalMs);
    const [before, from] = [writes, performance.now()];
    await pause(intervals * renewalMs);
    const passed = (performance.now() - from) / renewalMs;
    return (writes - before) / passed / shards;
  } finally {
    clearInterval(putting);
    await consumer.stop();
    dynamodb.destroy();
    await local.stop();
  }
}
