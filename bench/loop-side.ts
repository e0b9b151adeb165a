// Side B: the loop that a competent person writes without a library: GetRecords, aws-kinesis-agg with its checksum on, the
// reducer, the next iterator. No leases, no checkpoints, nothing awaited per record, and the quickest way into the decoder.
import { createRequire } from 'node:module';
import { GetRecordsCommand, GetShardIteratorCommand } from '@aws-sdk/client-kinesis';
import type { GetRecordsOutput, GetShardIteratorOutput, KinesisClient } from '@aws-sdk/client-kinesis';
import { cannedKinesis, shardIds } from './canned-kinesis.js';
import { count, createTally } from './tally.js';
import type { Tally } from './tally.js';
import type { Workload } from './workload.js';

type Client = Pick<KinesisClient, 'send'>;

interface Deaggregator {
  readonly deaggregateSync: (
    record: { partitionKey: string; sequenceNumber: string; data: Uint8Array },
    computeChecksums: boolean,
    after: (error: Error | null | undefined, records?: { readonly data: string }[]) => void,
  ) => void;
}

const { deaggregateSync } = createRequire(import.meta.url)('aws-kinesis-agg') as Deaggregator;

export async function runLoop(workload: Workload): Promise<Tally> {
  const client = cannedKinesis(workload) as unknown as Client;
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

/** deaggregateSync looks as well, but copies the data of every plain record to do so. */
function isAggregate(data: Uint8Array): boolean {
  return data.length > 20 && data[0] === 0xf3 && data[1] === 0x89 && data[2] === 0x9a && data[3] === 0xc2;
}

function reduceAggregate(partitionKey: string, sequenceNumber: string, data: Uint8Array, tally: Tally): void {
  // The newer of its two forms, with capital letters, takes an Object.keys per user record more.
  deaggregateSync({ partitionKey, sequenceNumber, data }, true, (error, records) => {
    if (error !== null && error !== undefined) throw error;
    for (const record of records ?? []) count(tally, Buffer.from(record.data, 'base64'));
  });
}
