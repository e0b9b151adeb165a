// The shards of a stream in memory, and the operations on them: put, split, merge, trim. Shard ids and sequence numbers depend
// only on the order of the calls.
import { createHash } from 'node:crypto';
import { bufferOf } from '../../core/buffer-view.js';
import { refuse } from '../../api/refusal.js';
import type { RecordDistribution } from '../../core/record-placement.js';
import type { ChildShard, RawRecord, Shard } from '../../api/ports.js';

/** A record to put. */
export interface FakeRecord {
  /** May be absent only if the stream's distribution is AUTO. */
  readonly partitionKey?: string | undefined;
  /** The bytes; a text is put as UTF-8. */
  readonly data: Uint8Array | string;
  /** A decimal hash key, which chooses the shard instead of the key. */
  readonly explicitHashKey?: string | undefined;
}

export interface FakeShard {
  readonly shard: Shard;
  readonly low: bigint;
  readonly high: bigint;
  readonly records: RawRecord<Buffer>[];
  /** Records before this index are trimmed. */
  trimmed: number;
  closed: boolean;
  children: ChildShard[];
  /** Callbacks that wake the readers at the tip. */
  readonly waiting: Set<() => void>;
}

/** All shards of one stream, oldest first. */
export interface FakeShards {
  readonly all: Map<string, FakeShard>;
  /** The number of shards ever made, so that shard ids are unique. */
  made: number;
  lastNumber: bigint;
  /** `RecordDistributionStrategy`: under AUTO the open shards take turns, and keys are ignored. */
  distribution: RecordDistribution;
  readonly wallNow: () => number;
}

const hashKeyCount = 2n ** 128n;

export function createShards(
  count: number,
  wallNow: () => number,
  distribution: RecordDistribution = 'USER_PARTITION_KEY',
): FakeShards {
  const shards: FakeShards = { all: new Map(), made: 0, lastNumber: 496n * 10n ** 53n, distribution, wallNow };
  const each = BigInt(count);
  for (let index = 0n; index < each; index += 1n) {
    addShard(shards, (hashKeyCount * index) / each, (hashKeyCount * (index + 1n)) / each - 1n, []);
  }
  return shards;
}

function nextNumber(shards: FakeShards): string {
  shards.lastNumber += 1n;
  return String(shards.lastNumber);
}

function addShard(shards: FakeShards, low: bigint, high: bigint, parents: readonly string[]): FakeShard {
  const shardId = `shardId-${String(shards.made++).padStart(12, '0')}`;
  const [parentShardId, adjacentParentShardId] = parents;

  const shard: FakeShard = {
    shard: {
      shardId,
      hashKeyRange: { startingHashKey: String(low), endingHashKey: String(high) },
      startingSequenceNumber: nextNumber(shards),
      ...(parentShardId === undefined ? {} : { parentShardId }),
      ...(adjacentParentShardId === undefined ? {} : { adjacentParentShardId }),
    },
    low,
    high,
    records: [],
    trimmed: 0,
    closed: false,
    children: [],
    waiting: new Set(),
  };

  shards.all.set(shardId, shard);
  return shard;
}

export function shardOf(shards: FakeShards, shardId: string): FakeShard {
  const shard = shards.all.get(shardId);
  if (shard === undefined) refuse('shardId', 'a shard of the stream', shardId);
  return shard;
}

function openShardOf(shards: FakeShards, shardId: string): FakeShard {
  const shard = shardOf(shards, shardId);
  if (shard.closed) refuse('shardId', 'an open shard', shardId);
  return shard;
}

export function wakeReaders(shard: FakeShard): void {
  const waiting = [...shard.waiting];
  shard.waiting.clear();
  for (const resume of waiting) resume();
}

function close(shards: FakeShards, shard: FakeShard, children: readonly FakeShard[]): void {
  shard.closed = true;
  Object.assign(shard.shard, { endingSequenceNumber: nextNumber(shards) });
  shard.children = children.map((child) => childOf(child.shard));
  wakeReaders(shard);
}

function childOf(shard: Shard): ChildShard {
  const parentShards = [shard.parentShardId, shard.adjacentParentShardId].filter((id) => id !== undefined);
  const { shardId, hashKeyRange } = shard;
  return { shardId, parentShards, ...(hashKeyRange === undefined ? {} : { hashKeyRange }) };
}

export function put(shards: FakeShards, record: FakeRecord): { shardId: string; sequenceNumber: string } {
  const shard = shardFor(shards, record);
  const sequenceNumber = nextNumber(shards);

  const { partitionKey } = record;
  const data = typeof record.data === 'string' ? Buffer.from(record.data) : bufferOf(record.data);
  const key = partitionKey === undefined ? {} : { partitionKey };

  shard.records.push({ sequenceNumber, ...key, data, arrivedAt: shards.wallNow() });
  wakeReaders(shard);
  return { shardId: shard.shard.shardId, sequenceNumber };
}

function shardFor(shards: FakeShards, { explicitHashKey, partitionKey }: FakeRecord): FakeShard {
  const open = [...shards.all.values()].filter(({ closed }) => !closed);
  if (shards.distribution === 'AUTO') return open[Number(shards.lastNumber % BigInt(open.length))]!;
  if (partitionKey === undefined) refuse('partitionKey', 'a string, or distribution AUTO', partitionKey);

  const hash = explicitHashKey === undefined ? hashKeyOf(partitionKey) : BigInt(explicitHashKey);
  const shard = open.find(({ low, high }) => hash >= low && hash <= high);
  if (shard === undefined) refuse('explicitHashKey', 'a hash key of an open shard', explicitHashKey ?? partitionKey);
  return shard;
}

export function split(shards: FakeShards, shardId: string): readonly [string, string] {
  const shard = openShardOf(shards, shardId);
  const middle = (shard.low + shard.high) / 2n;
  const low = addShard(shards, shard.low, middle, [shardId]);
  const high = addShard(shards, middle + 1n, shard.high, [shardId]);
  close(shards, shard, [low, high]);
  return [low.shard.shardId, high.shard.shardId];
}

export function merge(shards: FakeShards, shardId: string, adjacentShardId: string): string {
  const [one, other] = [openShardOf(shards, shardId), openShardOf(shards, adjacentShardId)];
  if (one.high + 1n !== other.low) refuse('adjacentShardId', `the shard above ${shardId}`, adjacentShardId);
  const child = addShard(shards, one.low, other.high, [shardId, adjacentShardId]);
  close(shards, one, [child]);
  close(shards, other, [child]);
  return child.shard.shardId;
}

export function trim(shards: FakeShards, shardId: string, count: number): void {
  const shard = shardOf(shards, shardId);
  shard.trimmed = Math.min(shard.records.length, shard.trimmed + count);
}

export function forget(shards: FakeShards, shardId: string): void {
  const shard = shardOf(shards, shardId);
  shards.all.delete(shardId);
  wakeReaders(shard);
}

function hashKeyOf(partitionKey: string): bigint {
  return BigInt(`0x${createHash('md5').update(partitionKey).digest('hex')}`);
}
