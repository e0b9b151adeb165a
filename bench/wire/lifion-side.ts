// lifion-kinesis reads the workload over HTTP. It polls again when an answer is counted, and writes its checkpoints to DynamoDB. It reads
// every shard, and does not share shards with others, which is its cheapest way. It checks no checksum.
import { createRequire } from 'node:module';
import type { Side } from './side.js';
import { createTally } from './tally.js';
import { peerPackage } from './peers.js';

interface Batch {
  readonly records: readonly { readonly data: Uint8Array; readonly sequenceNumber: string }[];
  readonly shardId: string;
  readonly continuePolling: () => void;
}

interface Lifion {
  startConsumer(): Promise<void>;
  stopConsumer(): void;
  on(event: 'data', listener: (batch: Batch) => void): void;
  on(event: 'error', listener: (error: Error) => void): void;
}

export const lifion: Side = async ({ workload, transport, take, delays }) => {
  const { addresses } = transport;
  if (addresses === undefined) throw new TypeError('lifion-kinesis has a client of its own: it needs a server');
  const Kinesis = createRequire(peerPackage)('lifion-kinesis') as new (options: object) => Lifion;
  const region = 'us-east-1';
  const credentials = { accessKeyId: 'bench', secretAccessKey: 'bench' };
  const consumer = new Kinesis({
    ...{ streamName: 'bench', createStreamIfNeeded: false, initialPositionInStream: 'TRIM_HORIZON' },
    ...{ consumerGroup: `bench-${process.pid}`, useAutoShardAssignment: false, usePausedPolling: true },
    ...{ shouldDeaggregate: workload.name.startsWith('aggregates'), shouldParseJson: false },
    ...{ region, ...credentials, endpoint: addresses.kinesis },
    dynamoDb: { region, ...credentials, endpoint: addresses.dynamodb },
  });
  const tally = createTally();
  await new Promise<void>((resolve, reject) => {
    consumer.on('error', reject);
    consumer.on('data', ({ records, shardId, continuePolling }) => {
      for (const { data, sequenceNumber } of records) {
        take(tally, data);
        if (delays.isDue(tally)) delays.settled(shardId, sequenceNumber);
      }
      if (tally.records >= workload.records) resolve();
      else continuePolling();
    });
    consumer.startConsumer().catch(reject);
  });
  consumer.stopConsumer();
  return tally;
};
