// The loop that a competent engineer writes without a library. It calls GetRecords, aws-kinesis-agg with checksums on, and the reducer,
// and goes to the next iterator. It has no leases, checkpoints, order per key or bounds, awaits nothing per record, and calls the decoder
// in the fastest way. `stock` is the loop over the SDK's client as it is. `fast` is our strictest rival: the client's deserialiser of
// GetRecords is replaced, and its logger layer is gone.
import { createRequire } from 'node:module';
import {
  GetRecordsCommand,
  GetShardIteratorCommand,
  type GetRecordsOutput,
  type GetShardIteratorOutput,
  type KinesisClient,
} from '@aws-sdk/client-kinesis';
import { installFastGetRecords } from '../../src/aws/kinesis/get-records-answer.js';
import type { Side, SideRun } from './side.js';
import { createTally, type Tally } from './tally.js';
import { shardIds } from './workload.js';

interface Deaggregator {
  readonly deaggregateSync: (
    record: { partitionKey: string; sequenceNumber: string; data: Uint8Array },
    computeChecksums: boolean,
    after: (error: Error | null | undefined, records?: { readonly data: string }[]) => void,
  ) => void;
}

export const { deaggregateSync } = createRequire(import.meta.url)('aws-kinesis-agg') as Deaggregator;

export const stock: Side = (run) => readAll(run, run.transport.sdkClient());

export const fast: Side = (run) => {
  const client = run.transport.sdkClient();
  client.middlewareStack.remove('loggerMiddleware');
  if (!installFastGetRecords(client, fastAnswer)) throw new Error('this SDK has no protocol to replace');
  return readAll(run, client);
};

interface WireRecord {
  Data: string | Buffer;
  ApproximateArrivalTimestamp: number | Date;
}

/** The least that gives the loop its records. */
function fastAnswer(parts: readonly Uint8Array[], length: number): object {
  const answer = JSON.parse(Buffer.concat(parts, length).toString()) as { readonly Records: readonly WireRecord[] };
  for (const record of answer.Records) {
    record.Data = Buffer.from(record.Data as string, 'base64');
    record.ApproximateArrivalTimestamp = new Date((record.ApproximateArrivalTimestamp as number) * 1000);
  }
  return answer;
}

async function readAll(run: SideRun, client: KinesisClient): Promise<Tally> {
  const tally = createTally();
  await Promise.all(shardIds(run.workload).map((shardId) => readShard(run, { client, shardId, tally })));
  return tally;
}

interface Shard {
  readonly client: KinesisClient;
  readonly shardId: string;
  readonly tally: Tally;
}

async function readShard(run: SideRun, { client, shardId, tally }: Shard): Promise<void> {
  const { take, delays } = run;
  const first: GetShardIteratorOutput = await client.send(
    new GetShardIteratorCommand({ StreamName: 'bench', ShardId: shardId, ShardIteratorType: 'TRIM_HORIZON' }),
  );

  let current = '';
  const reduce = (data: Uint8Array): void => {
    take(tally, data);
    if (delays.isDue(tally)) delays.settled(shardId, current);
  };

  let iterator = first.ShardIterator;
  while (iterator !== undefined) {
    const answer: GetRecordsOutput = await client.send(
      new GetRecordsCommand({ ShardIterator: iterator, Limit: 10_000 }),
    );
    for (const { PartitionKey = '', SequenceNumber = '', Data } of answer.Records ?? []) {
      const data = Data as Uint8Array;
      current = SequenceNumber;
      if (isAggregate(data)) reduceAggregate(PartitionKey, SequenceNumber, data, reduce);
      else reduce(data);
    }

    if (answer.MillisBehindLatest === 0) return;
    iterator = answer.NextShardIterator;
  }
}

/** deaggregateSync makes the same check, but copies the data of every plain record for it. */
function isAggregate(data: Uint8Array): boolean {
  return data.length > 20 && data[0] === 0xf3 && data[1] === 0x89 && data[2] === 0x9a && data[3] === 0xc2;
}

function reduceAggregate(
  partitionKey: string,
  sequenceNumber: string,
  data: Uint8Array,
  reduce: (data: Uint8Array) => void,
): void {
  // The newer of its two record formats, with capital letters, costs one more Object.keys per user record.
  deaggregateSync({ partitionKey, sequenceNumber, data }, true, (error, records) => {
    if (error !== null && error !== undefined) throw error;
    for (const record of records ?? []) reduce(Buffer.from(record.data, 'base64'));
  });
}
