// The data of a benchmark case: GetRecords bodies as on the wire, made once and repeatable, and the number of pulls per shard.
// Bodies are reused, so each pull writes its number into the sequence numbers, which must rise.
import { encodeAggregate } from '../../src/aws/aggregation/aggregate-encoder.js';
import type { PackedRecord } from '../../src/aws/aggregation/aggregate.js';

/** One case: what a record looks like and how much of it there is. */
export interface Shape {
  readonly name: string;
  /** Bytes of a user record's data. */
  readonly dataBytes: number;
  /** User records in one Kinesis record; 1 means a plain record, not an aggregate. */
  readonly perAggregate: number;
  /** User records in one GetRecords answer. */
  readonly perPull: number;
  /** User records in one run, roughly: at least a second's work. */
  readonly records: number;
}

/** Answers with about 1 to 2 MB of data, like those for a consumer that catches up. */
export const shapes: readonly Shape[] = [
  { name: 'plain 100 B', dataBytes: 100, perAggregate: 1, perPull: 10_000, records: 1_000_000 },
  { name: 'plain 1 kB', dataBytes: 1_000, perAggregate: 1, perPull: 2_000, records: 320_000 },
  { name: 'plain 25 kB', dataBytes: 25_000, perAggregate: 1, perPull: 60, records: 12_000 },
  { name: 'aggregates of 100', dataBytes: 100, perAggregate: 100, perPull: 20_000, records: 1_200_000 },
  { name: 'aggregates of 1,000', dataBytes: 100, perAggregate: 1_000, perPull: 20_000, records: 1_200_000 },
];

/** A body of UTF-8 JSON, and the offsets at which each pull writes its number. */
interface Body {
  readonly bytes: Buffer;
  readonly stamps: readonly number[];
}

export interface Workload {
  readonly name: string;
  readonly shards: number;
  /** 0: answers come as fast as they are asked for. */
  readonly everyMs: number;
  readonly pullsPerShard: number;
  /** User records in one run, exactly. */
  readonly records: number;
  /** Pull `n` of any shard gets `bodies[n % bodies.length]`. */
  readonly bodies: readonly Body[];
  /** The last sequence number of every shard: its checkpoint must end there. */
  readonly lastSequenceNumber: string;
}

const distinctBodies = 4;
const longestPulls = 10_000;
const distinctKeys = 5_000;
/** Sequence numbers have 56 digits, like real ones: this prefix, the pull (`stampDigits`), and the place in the body. */
const numberPrefix = '4966478223147123450924';
const stampDigits = 4;
const placeDigits = 30;
const stamped = '0'.repeat(stampDigits);

/** What a run reads, besides the shape. */
export interface Extent {
  /** At least so many user records. */
  readonly records: number;
  readonly shards: number;
  /** User records in one answer. Default: those of the shape. */
  readonly perPull?: number;
  /** The time between two answers of a shard. 0, the default: as fast as they are asked for. */
  readonly everyMs?: number;
}

/** Makes the workload of a case. Its bodies are made when they are first read: a client of the canned server never needs them. */
export function createWorkload(shape: Shape, extent: Partial<Extent> = {}): Workload {
  const { records = shape.records, shards = 4, everyMs = 0 } = extent;
  const perShard = Math.ceil(records / shards);
  const usersPerPull = Math.min(extent.perPull ?? shape.perPull, perShard);
  const perPull = Math.max(1, Math.floor(usersPerPull / shape.perAggregate));
  const pullsPerShard = Math.ceil(perShard / (perPull * shape.perAggregate));
  if (pullsPerShard > longestPulls)
    throw new RangeError(`at most ${longestPulls} pulls of a shard, got ${pullsPerShard}`);

  let bodies: readonly Body[] | undefined;
  return {
    name: shape.name,
    shards,
    everyMs,
    pullsPerShard,
    records: shards * pullsPerShard * perPull * shape.perAggregate,
    get bodies() {
      const random = createRandom(1);
      const count = Math.min(distinctBodies, pullsPerShard);
      bodies ??= Array.from({ length: count }, () => bodyOf(shape, perPull, random));
      return bodies;
    },
    lastSequenceNumber: numberPrefix + stampOf(pullsPerShard - 1) + placeOf(perPull - 1),
  };
}

export function shardIds({ shards }: Pick<Workload, 'shards'>): readonly string[] {
  return Array.from({ length: shards }, (_, index) => `shardId-${String(index).padStart(12, '0')}`);
}

function stampOf(pull: number): string {
  return String(pull).padStart(stampDigits, '0');
}

/** The pull that brought the record of this number. */
export function pullOf(sequenceNumber: string): number {
  return Number(sequenceNumber.slice(numberPrefix.length, numberPrefix.length + stampDigits));
}

/** The body of a pull. Its bytes are written again for the next pull of the same body. */
export function bodyOfPull({ bodies }: Workload, pull: number): Buffer {
  const { bytes, stamps } = bodies[pull % bodies.length] as Body;
  const stamp = stampOf(pull);
  for (let digit = 0; digit < stampDigits; digit += 1) {
    const code = stamp.charCodeAt(digit);
    for (const at of stamps) bytes[at + digit] = code;
  }
  return bytes;
}

function placeOf(index: number): string {
  return String(index * 977 + 2).padStart(placeDigits, '0');
}

function bodyOf(shape: Shape, perPull: number, random: () => number): Body {
  const records = Array.from({ length: perPull }, (_, index) => {
    const users = Array.from({ length: shape.perAggregate }, () => userRecord(shape.dataBytes, random));
    const data = shape.perAggregate === 1 ? users[0]!.data : encodeAggregate(users);
    return {
      ApproximateArrivalTimestamp: 1_767_225_600 + index / 1000,
      Data: Buffer.from(data).toString('base64'),
      PartitionKey: users[0]!.partitionKey,
      SequenceNumber: numberPrefix + stamped + placeOf(index),
    };
  });

  const bytes = Buffer.from(JSON.stringify({ Records: records }));

  const stamps: number[] = [];
  const marker = `"SequenceNumber":"${numberPrefix}`;
  for (let at = bytes.indexOf(marker); at >= 0; at = bytes.indexOf(marker, at + 1)) stamps.push(at + marker.length);

  return { bytes, stamps };
}

/** Makes a record with a realistic key: a name that repeats. An integer would not do, because aws-kinesis-agg mixes integers up. */
function userRecord(dataBytes: number, random: () => number): PackedRecord {
  const data = Buffer.allocUnsafe(dataBytes);
  for (let index = 0; index < dataBytes; index += 1) data[index] = random() * 256;
  return { partitionKey: `customer-${Math.floor(random() * distinctKeys)}`, data };
}

function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
