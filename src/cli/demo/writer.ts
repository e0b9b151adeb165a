// Writes the demo's user records at a steady pace, up to a limit that the scenario raises. Half are plain, half are packed into
// KPL aggregates with keys of both shards. A record counts as written when the service has accepted it.
import { createRequire } from 'node:module';
import { encodeAggregate } from '../../aws/aggregation/aggregate-encoder.js';
import { hashKeyOf } from '../../aws/aggregation/hash-key.js';
import type { KinesisProducer, OutgoingRecord } from '../../aws/kinesis/kinesis-producer.js';
import { shardMap } from '../../aws/kinesis/shard-map.js';
import { sleep } from '../../aws/sleep.js';
import { hostEnvironment } from '../../consumer/host-environment.js';
import { KinactError } from '../../api/errors.js';
import type { Shard } from '../../api/ports.js';

/** A user record to write, plain or in an aggregate. */
interface UserRecord {
  readonly id: number;
  readonly partitionKey: string;
  readonly data: Buffer;
}

interface Outgoing extends OutgoingRecord {
  readonly ids: readonly number[];
}

/** Packs user records together, whatever shards their keys belong to. */
export interface Packer {
  /** The package that makes the aggregates. */
  readonly name: string;
  readonly pack: (records: readonly UserRecord[]) => OutgoingRecord;
}

/** The part of aws-kinesis-agg that is used here. Its own typings need packages that are not installed. */
interface AwsKinesisAgg {
  readonly RecordAggregator: new () => {
    addUserRecord(record: { partitionKey: string; data: Buffer }): void;
    build(): { readonly partitionKey: string; readonly data: Buffer };
  };
}

/** aws-kinesis-agg, which is independent, if it is installed; else our own encoder. */
export function findPacker(): Packer {
  try {
    const { RecordAggregator } = createRequire(import.meta.url)('aws-kinesis-agg') as AwsKinesisAgg;
    return {
      name: 'aws-kinesis-agg',
      pack(records) {
        const aggregator = new RecordAggregator();
        for (const { partitionKey, data } of records) aggregator.addUserRecord({ partitionKey, data });
        const { partitionKey, data } = aggregator.build();
        return { partitionKey, data };
      },
    };
  } catch {
    return {
      name: 'encodeAggregate (aws-kinesis-agg is not installed)',
      pack: (records) => ({ partitionKey: records[0]!.partitionKey, data: encodeAggregate(records) }),
    };
  }
}

export interface Writer {
  /** Resolves when everything is written. Rejects if the service refuses a record, or `signal` aborts. */
  readonly done: Promise<void>;
  /** How many user records may be written in total. */
  limit: number;
  readonly counts: { aggregates: number; ofSeveralShards: number };
}

export interface WriterOptions {
  readonly producer: KinesisProducer;
  readonly packer: Packer;
  /** The shards when the writing begins, to count aggregates with keys of several shards. */
  readonly shards: readonly Shard[];
  readonly total: number;
  readonly limit: number;
  readonly perSecond: number;
  readonly accepted: (ids: readonly number[]) => void;
  readonly signal: AbortSignal;
}

/** User records per request: half of them plain, the others in aggregates of `perAggregate`. */
const perRound = 400;
const perAggregate = 50;
/** How many keys there are: enough for any two shards. */
const keys = 97;
const padding = '.'.repeat(80);

export function startWriter(options: WriterOptions): Writer {
  const counts = { aggregates: 0, ofSeveralShards: 0 };
  const writer = { limit: options.limit, counts, done: Promise.resolve() };
  writer.done = write(options, writer);
  return writer;
}

async function write(options: WriterOptions, writer: Pick<Writer, 'limit' | 'counts'>): Promise<void> {
  const { producer, total, signal } = options;
  const shardOf = shardMap(options.shards);
  const packer: Packer = {
    ...options.packer,
    pack(records) {
      writer.counts.aggregates += 1;
      const shards = new Set(records.map(({ partitionKey }) => shardOf(hashKeyOf(partitionKey))));
      if (shards.size > 1) writer.counts.ofSeveralShards += 1;
      return options.packer.pack(records);
    },
  };

  const roundMs = (perRound / options.perSecond) * 1_000;
  for (let next = 0; next < total;) {
    const roundStart = performance.now();
    if (next < writer.limit) {
      const count = Math.min(perRound, writer.limit - next, total - next);
      const outgoing = round(packer, next, count);
      const results = await producer.put(outgoing, signal);
      for (const [index, result] of results.entries()) {
        if (result.type === 'refused') throw new KinactError('AWS_ERROR', `a record was refused: ${result.reason}`);
        options.accepted(outgoing[index]!.ids);
      }
      next += count;
    }
    await sleep(hostEnvironment.timers, Math.max(10, roundMs - (performance.now() - roundStart)), signal, 'writing');
  }
}

/** The next `count` user records: even ids plain, odd ids aggregated. */
function round(packer: Packer, from: number, count: number): Outgoing[] {
  const plain: Outgoing[] = [];
  const packed: Outgoing[] = [];
  let batch: UserRecord[] = [];
  const pack = (): void => {
    if (batch.length > 0) packed.push({ ...packer.pack(batch), ids: batch.map(({ id }) => id) });
    batch = [];
  };

  for (let id = from; id < from + count; id += 1) {
    // The prefix is needed, because aws-kinesis-agg mixes up keys that look like integers.
    const record = { id, partitionKey: `order-${Math.floor(id / 2) % keys}`, data: Buffer.from(`${id} ${padding}`) };
    if (id % 2 === 0) plain.push({ partitionKey: record.partitionKey, data: record.data, ids: [id] });
    else if (batch.push(record) === perAggregate) pack();
  }

  pack();
  return [...plain, ...packed];
}
