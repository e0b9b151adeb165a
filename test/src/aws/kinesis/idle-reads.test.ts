// Idle shards of a process share a bounded rate of reads, and a shard with records is read as if it were alone. Virtual time; the
// clock, as in a process, is one for all shards.
import { expect } from 'chai';
import { idleWaitMs, joinIdleReads } from '../../../../src/aws/kinesis/idle-reads.js';
import type { PolledService } from '../../../../src/aws/kinesis/polled-service.js';
import { openShardReader } from '../../../../src/aws/kinesis/shard-reader.js';
import type { RawRecord, ShardReader } from '../../../../src/api/ports.js';
import { ManualClock } from '../../../../src/testing/manual-clock.js';

const rawRecord = (sequenceNumber: string): RawRecord<Buffer> => ({
  sequenceNumber,
  partitionKey: 'k',
  data: Buffer.from('x'),
});

/** Shards of a stream that answers at once, and a worker for each. */
function shardsOf(count: number, { idleMs = 1_000, lagMs = 0 } = {}) {
  const clock = new ManualClock();
  const reads: { readonly shardId: string; readonly at: number }[] = [];
  const waiting = new Map<string, { readonly at: number; readonly number: string }[]>();
  const latencies = new Map<string, number[]>();
  let numbers = 0;
  const service: PolledService = {
    hasAggregates: true,
    timeUnitMs: undefined,
    name: 'dynamodb',
    operations: { describe: 'DescribeStream', list: 'DescribeStream' },
    bytesPerSecond: 2_000_000,
    findIterator: async ({ shardId }) => ({ type: 'iterator', iterator: shardId, trimmed: false }) as never,
    getRecords: async ({ shardId }, iterator) => {
      reads.push({ shardId, at: clock.now() });
      const records = (waiting.get(shardId) ?? []).map(({ number }) => rawRecord(number));
      for (const { at } of waiting.get(shardId) ?? [])
        latencies.set(shardId, [...(latencies.get(shardId) ?? []), clock.now() - at]);
      waiting.delete(shardId);
      return { output: { NextShardIterator: iterator, MillisBehindLatest: lagMs }, records, bytes: 0 };
    },
  };
  const unused = (): never => {
    throw new Error('not called');
  };
  const deps = {
    clock,
    timers: clock,
    random: { next: () => 0.5 },
    service,
    describe: async () => ({ streamArn: 'arn', streamName: 's', status: 'ACTIVE' }) as never,
    list: unused,
    names: { StreamName: 's' },
    maxRecords: 1_000,
    idleMs,
    sizes: { recordBytes: undefined },
    backlogMeaning: { backlogs: false, isAbsent: true },
    prefetch: { batches: 2, records: 1_000, bytes: 1_000_000 },
  };
  const open = (shardId: string): ShardReader => {
    const opening = { shardId, start: { type: 'trimHorizon' }, notice: () => undefined, lease: undefined } as const;
    const reader = openShardReader(deps as never, opening);
    const consume = (): void => void reader.read(new AbortController().signal).then(consume, () => undefined);
    consume();
    return reader;
  };
  const readers = new Map(Array.from({ length: count }, (_, index) => [`s${index}`, open(`s${index}`)]));
  return {
    clock,
    reads,
    latencies,
    open,
    readers,
    put(shardId: string) {
      const number = String((numbers += 1));
      waiting.set(shardId, [...(waiting.get(shardId) ?? []), { at: clock.now(), number }]);
    },
    /** The times of the reads of a shard. */
    of: (shardId: string) => reads.filter((read) => read.shardId === shardId).map(({ at }) => at),
    /** Reads in each second of the next `seconds`. */
    async perSecond(seconds: number): Promise<number[]> {
      const counts: number[] = [];
      for (let second = 0; second < seconds; second += 1) {
        const before = reads.length;
        await clock.advance(1_000);
        counts.push(reads.length - before);
      }
      return counts;
    },
  };
}

const gaps = (times: readonly number[]): number[] => times.slice(1).map((at, index) => at - times[index]!);

describe('the reads of idle shards', function () {
  this.timeout(60_000);

  for (const count of [1, 200, 400])
    it(`come every idleMs for ${count} shards`, async () => {
      const on = shardsOf(count);
      await on.clock.advance(20_000);
      for (const shardId of on.readers.keys()) expect(new Set(gaps(on.of(shardId)))).to.deep.equal(new Set([1_000]));
    });

  it('are at most 400 a second for 2,000 shards, evenly, and no shard waits longer than 5 idleMs', async () => {
    const on = shardsOf(2_000);
    await on.clock.advance(10_000);
    const counts = await on.perSecond(20);
    expect(Math.max(...counts)).to.be.at.most(401);
    expect(Math.min(...counts)).to.be.at.least(390);
    for (const shardId of ['s0', 's999', 's1999']) expect(Math.max(...gaps(on.of(shardId)))).to.be.at.most(5_000);
  });

  it('leave a shard with records among 2,000 as it is, and one that gets its first record again', async () => {
    const on = shardsOf(2_000);
    for (let second = 0; second < 20; second += 1) {
      on.put('s7');
      await on.clock.advance(1_000);
    }
    expect(new Set(gaps(on.of('s7')))).to.deep.equal(new Set([1_000]));

    on.put('s8');
    await on.clock.advance(5_000);
    expect(on.latencies.get('s8')).to.have.length(1);
    const after = on.of('s8').at(-1)!;
    on.put('s8');
    await on.clock.advance(3_000);
    expect(on.of('s8').filter((at) => at > after).length, 'it is read every idleMs again').to.be.at.least(1);
    expect(on.latencies.get('s8')![1]).to.be.at.most(1_000);
  });

  it('come every idleMs again when the other shards are closed', async () => {
    const on = shardsOf(1_000);
    await on.clock.advance(8_000);
    for (const reader of on.readers.values()) reader.close();
    await on.clock.advance(6_000);
    const later = Array.from({ length: 200 }, (_, index) => `later${index}`);
    for (const shardId of later) on.open(shardId);
    await on.clock.advance(8_000);
    for (const shardId of later) expect(new Set(gaps(on.of(shardId)))).to.deep.equal(new Set([1_000]));
  });

  it('wait at most 5 idleMs and at most 5 s, unless idleMs itself is longer', () => {
    for (const [idleMs, longest] of [
      [200, 1_000],
      [2_000, 5_000],
      [7_000, 7_000],
    ] as const) {
      const clock = new ManualClock();
      const shards = Array.from({ length: 4_000 }, () => joinIdleReads(clock));
      const waits = [1, 2, 3, 4].flatMap((round) => shards.map((shard) => idleWaitMs(shard, idleMs, round * longest)));
      expect(Math.max(...waits), `idleMs ${idleMs}`).to.equal(longest);
      expect(Math.min(...waits), `idleMs ${idleMs}`).to.equal(idleMs);
    }
  });

  it('do not slow down a shard that is behind', async () => {
    const on = shardsOf(500, { lagMs: 5_000 });
    await on.clock.advance(10_000);
    expect(on.of('s0').length).to.be.within(48, 51);
  });
});
