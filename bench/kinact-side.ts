// Side A: a whole consumer with default options except `reducers`, from GetRecords to the checkpoints that its stop writes. Two
// things differ from production: leases are in memory, and the limits of five reads and 2 MB/s per shard never apply. Otherwise
// the benchmark would measure only these limits. Both differences use the ports that a source has anyway.
import { createConsumer, defineReducer, kinesisStream } from '../src/index.js';
import type { PlainPolicy } from '../src/api/failure-policy.js';
import type { Clock } from '../src/api/ports.js';
import type { SourceSpec } from '../src/api/source.js';
import { memoryLeaseStore, type MemoryLeaseStore } from '../src/testing/memory-lease-store.js';
import { cannedKinesis, shardIds } from './canned-kinesis.js';
import { count, createTally, sum, type Tally } from './tally.js';
import type { Workload } from './workload.js';

const reducers = 4;
/** Without a limit, the benchmark would wait forever for a consumer that has lost a record. */
const longestMs = 60_000;

/** `onFailure`: another policy than the default, for a comparison of the two. */
export async function runKinact(workload: Workload, onFailure?: PlainPolicy): Promise<Tally> {
  const store = memoryLeaseStore();
  const tallies: Tally[] = [];

  let left = workload.records;
  let allReduced = (): void => {};
  const everything = new Promise<void>((resolve) => (allReduced = resolve));

  const consumer = createConsumer({
    logger: false,
    application: 'bench',
    ...(onFailure === undefined ? {} : { onFailure }),
    source: unlimited(kinesisStream({ streamName: 'bench', client: cannedKinesis(workload) }), store),
    reducers,
    reducer: defineReducer({
      init: () => {
        const tally = createTally();
        tallies.push(tally);
        return tally;
      },
      reduce: (tally, item) => {
        left -= 1;
        if (left === 0) allReduced();
        return count(tally, item.value);
      },
    }),
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
