// The floor: the least program that keeps what kinact promises while nothing fails. Each record goes to the reducer of its key, in the
// order of its shard. The checkpoint of a shard follows what is settled, and is written at the end, as kinact's stop does. There are no
// actors, and no object per record. Reducers cannot be async, nothing is fetched ahead, and leases are never taken.
import { GetRecordsCommand, GetShardIteratorCommand, type KinesisClient } from '@aws-sdk/client-kinesis';
import { installFastGetRecords } from '../../src/aws/kinesis/get-records-answer.js';
import { murmur3Bytes } from '../../src/core/murmur3.js';
import { eachUserRecord, isAggregate } from './floor-aggregate.js';
import { floorAnswerOf, placesEach, type FloorAnswer } from './floor-answer.js';
import type { Side, SideRun } from './side.js';
import { createTally, sum, type Tally } from './tally.js';
import { shardIds } from './workload.js';

const reducers = 4;

interface Rest {
  readonly NextShardIterator?: string;
  readonly MillisBehindLatest?: number;
}

export const floor: Side = async (run) => {
  const client = run.transport.sdkClient();
  client.middlewareStack.remove('loggerMiddleware');
  const parse = (parts: readonly Uint8Array[], length: number): object => {
    const bytes = Buffer.concat(parts, length);
    const records = floorAnswerOf(bytes);
    const rest = JSON.parse(`{"":""${bytes.toString('utf8', records.end + 1)}`) as Rest;
    return { ...rest, records };
  };
  if (!installFastGetRecords(client, parse)) throw new Error('this SDK has no protocol to replace');
  const tallies = Array.from({ length: reducers }, createTally);
  const checkpoints = new Map<string, string>();
  await Promise.all(
    shardIds(run.workload).map(async (shardId) => {
      checkpoints.set(shardId, await readShard(run, { client, shardId, tallies }));
    }),
  );
  for (const checkpoint of checkpoints.values())
    if (checkpoint !== run.workload.lastSequenceNumber) throw new Error(`a shard is checkpointed at ${checkpoint}`);
  return sum(tallies);
};

interface Shard {
  readonly client: KinesisClient;
  readonly shardId: string;
  readonly tallies: readonly Tally[];
}

/** Resolves to the checkpoint. */
async function readShard(run: SideRun, shard: Shard): Promise<string> {
  const { client, shardId } = shard;
  let { ShardIterator: iterator } = await client.send(
    new GetShardIteratorCommand({ StreamName: 'bench', ShardId: shardId, ShardIteratorType: 'TRIM_HORIZON' }),
  );
  let checkpoint = '';
  while (iterator !== undefined) {
    const answer = (await client.send(
      new GetRecordsCommand({ ShardIterator: iterator, Limit: 10_000 }),
    )) as unknown as Rest & {
      readonly records: FloorAnswer;
    };
    checkpoint = reduceAll(run, shard, answer.records);
    if (answer.MillisBehindLatest === 0) break;
    iterator = answer.NextShardIterator;
  }
  return checkpoint;
}

/** Returns the sequence number of the last record. */
function reduceAll({ take, delays }: SideRun, { shardId, tallies }: Shard, answer: FloorAnswer): string {
  const { bytes, count, places } = answer;
  let slot = 0;
  const numberOf = (at: number): string => bytes.toString('latin1', places[at + 4], places[at + 5]);
  const reduce = (hash: number, from: number, until: number): void => {
    const tally = tallies[hash % reducers] as Tally;
    take(tally, bytes.subarray(from, until));
    if (delays.isDue(tally)) delays.settled(shardId, numberOf(slot));
  };
  for (; slot < count * placesEach; slot += placesEach) {
    const [from, until] = [places[slot] as number, places[slot + 1] as number];
    if (isAggregate(bytes, from, until)) eachUserRecord(bytes, [from, until], reduce);
    else reduce(murmur3Bytes(bytes.subarray(places[slot + 2], places[slot + 3])), from, until);
  }
  return count === 0 ? '' : numberOf((count - 1) * placesEach);
}
