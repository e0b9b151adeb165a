// Side A: a whole consumer with default options except `reducers`, from GetRecords to the checkpoints that its stop writes. Two
// things differ from production: leases are in memory, and the limits of five reads and 2 MB/s per shard never apply. Otherwise
// the benchmark would measure only these limits. Both differences use the ports that a source has anyway.
import { createConsumer, defineReducer, kinesisStream, type FoldingReducer, type Item } from '../src/index.js';
import { pipe } from '../src/pipes/pipe.js';
import type { Pipe } from '../src/api/pipe.js';
import type { PlainPolicy } from '../src/api/failure-policy.js';
import type { Clock } from '../src/api/ports.js';
import type { SourceSpec } from '../src/api/source.js';
import type { KinesisClientLike } from '../src/aws/kinesis/kinesis-client.js';
import { memoryLeaseStore, type MemoryLeaseStore } from '../src/testing/memory-lease-store.js';
import { cannedKinesis, shardIds } from './canned-kinesis.js';
import { count, createTally, sum, type Tally } from './tally.js';
import type { Workload } from './workload.js';

const reducers = 4;
/** Without a limit, the benchmark would wait forever for a consumer that has lost a record. */
const longestMs = 60_000;

export interface KinactVariant {
  /** Another policy than the default, for a comparison of the two. */
  readonly onFailure?: PlainPolicy;
  /** Default: a client that answers with decoded records. */
  readonly client?: KinesisClientLike;
  /** A pipe of so many nodes in place of the reducer: each passes values on, and the last counts. */
  readonly nodes?: number;
}

export async function runKinact(
  workload: Workload,
  { onFailure, nodes, client = cannedKinesis(workload) }: KinactVariant = {},
): Promise<Tally> {
  const store = memoryLeaseStore();
  const tallies: Tally[] = [];

  let left = workload.records;
  let allReduced = (): void => {};
  const everything = new Promise<void>((resolve) => (allReduced = resolve));

  const newTally = (): Tally => {
    const tally = createTally();
    tallies.push(tally);
    return tally;
  };
  const countOne = (tally: Tally, data: Uint8Array): Tally => {
    left -= 1;
    if (left === 0) allReduced();
    return count(tally, data);
  };
  const counting = (): ReturnType<typeof reducerOf> => reducerOf(newTally, countOne);
  const counted = (): ((data: Buffer) => void) => {
    const tally = newTally();
    return (data) => void countOne(tally, data);
  };

  const consumer = createConsumer({
    logger: false,
    application: 'bench',
    ...(onFailure === undefined ? {} : { onFailure }),
    source: unlimited(kinesisStream({ streamName: 'bench', client }), store),
    reducers,
    ...(nodes === undefined ? { reducer: counting() } : { pipe: pipeOf(nodes, counted()) }),
  });

  const late = setTimeout(allReduced, longestMs);
  try {
    await consumer.start();
    await Promise.race([everything, consumer.closed]);
  } finally {
    clearTimeout(late);
    await consumer.stop();
  }

  checkFrontiers(workload, store);
  return sum(tallies);
}

function reducerOf(
  init: () => Tally,
  reduce: (tally: Tally, data: Uint8Array) => Tally,
): FoldingReducer<Tally, Buffer> {
  return defineReducer({ init, reduce: (tally: Tally, { value }: Item) => reduce(tally, value) });
}

function pipeOf(nodes: number, counted: (data: Buffer) => void): Pipe<Buffer> {
  let chain = pipe();
  for (let node = 1; node < nodes; node += 1) chain = chain.map((data) => data);
  return chain.to(counted);
}

/** Gives the source a clock that advances by a million seconds at each look, so the source never waits for its own limits. */
function unlimited(spec: SourceSpec, store: MemoryLeaseStore): SourceSpec {
  const clockOf = (clock: Clock): Clock => {
    let looks = 0;
    return { now: () => (looks += 1e9), wallNow: () => clock.wallNow() };
  };
  return {
    ...spec,
    open: (harness) => spec.open({ ...harness, clock: clockOf(harness.clock) }),
    openLeases: () => store,
  };
}

/** Throws unless every shard is checkpointed at its end. Records without a checkpoint would be cheaper. */
function checkFrontiers(workload: Workload, store: MemoryLeaseStore): void {
  for (const shardId of shardIds(workload)) {
    const { checkpoint } = store.row(shardId);
    if (checkpoint !== workload.lastSequenceNumber)
      throw new Error(`kinact: ${shardId} is checkpointed at ${checkpoint} instead of ${workload.lastSequenceNumber}`);
  }
}
