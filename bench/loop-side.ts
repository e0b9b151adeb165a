// Side B: the loop that a competent engineer writes without a library. It calls GetRecords, aws-kinesis-agg with checksums on, and
// the reducer, and goes to the next iterator. It has no leases and no checkpoints, awaits nothing per record, and calls the decoder
// in the fastest way. The benchmark at the wire runs it over the SDK's client (wire/sides.ts).
import { createRequire } from 'node:module';
import {
  GetRecordsCommand,
  GetShardIteratorCommand,
  type GetRecordsOutput,
  type GetShardIteratorOutput,
  type KinesisClient,
} from '@aws-sdk/client-kinesis';
import { cannedKinesis, shardIds } from './canned-kinesis.js';
import { count, createTally, type Tally } from './tally.js';
import type { Workload } from './workload.js';

type Client = Pick<KinesisClient, 'send'>;

interface Deaggregator {
  readonly deaggregateSync: (
    record: { partitionKey: string; sequenceNumber: string; data: Uint8Array },
    computeChecksums: boolean,
    after: (error: Error | null | undefined, records?: { readonly data: string }[]) => void,
  ) => void;
}

export const { deaggregateSync } = createRequire(import.meta.url)('aws-kinesis-agg') as Deaggregator;

export async function runLoop(
  workload: Workload,
  client: Client = cannedKinesis(workload) as unknown as Client,
): Promise<Tally> {
  const tally = createTally();
  await Promise.all(shardIds(workload).map((shardId) => readShard(client, shardId, tally)));
  return tally;
}

async function readShard(client: Client, shardId: string, tally: Tally): Promise<void> {
  const first: GetShardIteratorOutput = await client.send(
    new GetShardIteratorCommand({ StreamName: 'bench', ShardId: shardId, ShardIteratorType: 'TRIM_HORIZON' }),
  );

  let iterator = first.ShardIterator;
  while (iterator !== undefined) {
    const answer: GetRecordsOutput = await client.send(
      new GetRecordsCommand({ ShardIterator: iterator, Limit: 10_000 }),
    );
    for (const record of answer.Records ?? []) {
      const data = record.Data as Uint8Array;
      if (isAggregate(data)) reduceAggregate(record.PartitionKey ?? '', record.SequenceNumber ?? '', data, tally);
      else count(tally, data);
    }

    if (answer.MillisBehindLatest === 0) return;
    iterator = answer.NextShardIterator;
  }
}

/** deaggregateSync makes the same check, but copies the data of every plain record for it. */
function isAggregate(data: Uint8Array): boolean {
  return data.length > 20 && data[0] === 0xf3 && data[1] === 0x89 && data[2] === 0x9a && data[3] === 0xc2;
}

function reduceAggregate(partitionKey: string, sequenceNumber: string, data: Uint8Array, tally: Tally): void {
  // The newer of its two record formats, with capital letters, costs one more Object.keys per user record.
  deaggregateSync({ partitionKey, sequenceNumber, data }, true, (error, records) => {
    if (error !== null && error !== undefined) throw error;
    for (const record of records ?? []) count(tally, Buffer.from(record.data, 'base64'));
  });
}
